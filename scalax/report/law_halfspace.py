"""The report of the noisy-halfspace study, from what the study left in its directory."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from etils import epath

from scalax.errors import UserError
from scalax.report.page import Page

TRANSFORMS = {
    "m2": r"$\log(\varepsilon - \varepsilon_\infty)$",
    "m4": r"$\log(\varepsilon - \varepsilon_\infty) - a\,\log(\varepsilon_0 - \varepsilon)$",
}


def write(out) -> str:
    """Write report.html and its figure to `out`; returns the result as text.

    Raises UserError where `out` holds no finished study.
    """
    where = Path(out) if "://" not in str(out) else epath.Path(out)
    try:
        study = json.loads((where / "study.json").read_text())
    except (OSError, ValueError):
        raise UserError(f"{where}/study.json: no finished study; launch its config first") from None
    (where / "figures").mkdir(exist_ok=True)
    figure = where / "figures" / "halfspace.png"
    draw(study, figure)
    config = study["config"]
    lines = [
        f"{name.upper()}: distance from the straight line through the larger half of the sizes, in log units:"
        f" {line['rms']['late']:.3f} there, {line['rms']['all']:.3f} over all sizes"
        for name, line in study["lines"].items()
    ]
    fitted = [
        f"{name.upper()} fitted: RMSLE {law['rmsle']:.4f}, e_inf {law['params']['e_inf']:.4f}"
        f" (Bayes risk {config['label_noise']:g})"
        for name, law in study["laws"].items()
    ]
    page = Page("Noisy halfspace: which law is straight where")
    page.text(
        f"Logistic regression on the sphere in {config['dimension']} dimensions, labels flipped with chance"
        f" {config['label_noise']:g}; risk in closed form, mean of {config['seeds']} training sets per size."
    )
    page.figure(
        epath.Path(figure), "Risk, and the transform of it that each law says is a straight line in log n"
    )
    for line in [*lines, *fitted]:
        page.text(line)
    page.code(json.dumps(config, indent=1))
    (where / "report.html").write_text(page.render())
    return "\n".join([*lines, *fitted, f"wrote {where}/report.html"])


def draw(study: dict, path) -> None:
    n = np.array(study["sizes"], float)
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8))
    axes[0].errorbar(n, study["risk"], study["risk_stderr"], fmt=".", color="#333333", label="measured")
    axes[0].axhline(study["config"]["label_noise"], color="k", ls=":", lw=0.9, label="Bayes risk")
    axes[0].set(xscale="log", yscale="log", xlabel="training examples n", ylabel="0-1 risk")
    axes[0].legend(fontsize=8)
    for i, (name, ax) in enumerate(zip(TRANSFORMS, axes[1:], strict=True)):
        line = study["lines"][name]
        ax.plot(n, line["value"], ".", color="#333333")
        ax.plot(n, line["level"] + line["slope"] * np.log(n), color=f"C{i}", lw=1.2)
        ax.set(xscale="log", xlabel="training examples n", ylabel=TRANSFORMS[name])
        ax.set_title(f"{name.upper()}: {line['rms']['all']:.3f} from the line over all n", fontsize=9)
    for ax in axes:
        ax.grid(alpha=0.2)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
