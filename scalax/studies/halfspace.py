"""A learning curve with a known limit: logistic regression on a noisy halfspace.

Alabdulmohsin et al. 2022, 'Revisiting Neural Scaling Laws in Language and Vision', the motivating
experiment for M4: inputs uniform on a sphere, labels from a halfspace, flipped with a known chance.
"""

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from scalax import bounds
from scalax.config import at_least, positive
from scalax.errors import UserError
from scalax.records import write_atomically
from scalax.studies.protocol import Study

NEWTON_STEPS = 20
MOST_SEEDS, MOST_INPUTS = 10_000, 10**8  # inputs of a training set are held in memory
TRANSFORMS = {
    "m2": r"$\log(\varepsilon - \varepsilon_\infty)$",
    "m4": r"$\log(\varepsilon - \varepsilon_\infty) - a\,\log(\varepsilon_0 - \varepsilon)$",
}


@dataclasses.dataclass(frozen=True)
class HalfspaceConfig:
    """Logistic regression on a noisy halfspace, where the limit of the learning curve is known.

    Attributes:
      name: names the default output directory, runs/NAME.
      dimension: of the sphere that inputs are drawn from.
      label_noise: chance that a label is flipped; the Bayes risk.
      smallest: least training-set size.
      largest: greatest training-set size.
      sizes: how many training-set sizes, evenly in log.
      seeds: independent training sets per size, averaged.
      ridge: weight of |w|^2 / 2 beside the mean loss. Without one, training sets of about as many examples
        as dimensions interpolate their noise, and the curve has a bump that no law of the paper has.
    """

    name: str = "law_halfspace"
    dimension: int = 100
    label_noise: float = 0.2
    smallest: int = 16
    largest: int = 16384
    sizes: int = 21
    seeds: int = 20
    ridge: float = 1.0

    def __post_init__(self):
        bounds.numbers(self)
        if not 0 <= self.label_noise < 0.5:
            raise UserError(f"label_noise must be at least 0 and below 0.5, got {self.label_noise}")
        for name in ("dimension", "smallest", "seeds"):
            at_least(name, getattr(self, name), 1)
        positive("ridge", self.ridge)
        at_least("sizes", self.sizes, 8)
        if self.seeds > MOST_SEEDS:
            raise UserError(f"seeds must be {MOST_SEEDS} at most, got {self.seeds}")
        if self.largest * self.dimension > MOST_INPUTS:
            raise UserError(
                f"largest {self.largest} times dimension {self.dimension} must be {MOST_INPUTS:,} at most"
            )
        if self.largest < 16 * self.smallest:
            raise UserError(
                f"largest must be 16 times smallest ({self.smallest}) or more, got {self.largest}"
            )


class FittedLaw(NamedTuple):
    """rmsle: root mean squared log error."""

    params: dict[str, float]
    rmsle: float


class Distance(NamedTuple):
    """Root mean square distance from a line, over the larger half of the sizes and over all."""

    late: float
    all: float


class Line(NamedTuple):
    """A law's own transform of the risk [sizes], and the straight line through it in log n."""

    value: list[float]
    a: float
    slope: float
    level: float
    rms: Distance


class HalfspaceResult(NamedTuple):
    """risk: mean over the training sets of each of `sizes`, with its standard error. laws, lines: of M2 and
    M4."""

    config: HalfspaceConfig
    sizes: list[int]
    risk: list[float]
    risk_stderr: list[float]
    laws: dict[str, FittedLaw]
    lines: dict[str, Line]


def run(
    config: HalfspaceConfig,
    out: Any,
    hooks: Sequence[Any] = (),
    say: Callable[[str], None] = lambda line: None,
) -> HalfspaceResult:
    """Measure the curve, and fit M2 and M4 to it (see Study.run).

    - config: of the study.
    - out: its directory; the curve is measured anew each time.
    - hooks: not called: nothing is trained by scalax.train.
    - say: not called.
    """
    from scalax import laws

    sizes = np.unique(np.geomspace(config.smallest, config.largest, config.sizes).astype(int))
    risks = np.array([[risk_of(config, int(n), seed) for seed in range(config.seeds)] for n in sizes])
    mean = risks.mean(1)
    [fits] = laws.fit([laws.Curve(sizes, mean, config.name)], list(TRANSFORMS))
    return HalfspaceResult(
        config=config,
        sizes=sizes.tolist(),
        risk=mean.tolist(),
        risk_stderr=(risks.std(1) / np.sqrt(config.seeds)).tolist(),
        laws={name: FittedLaw(dict(fit.params), fit.rmsle) for name, fit in fits.items()},
        lines={name: straight(name, sizes, mean, config.label_noise) for name in fits},
    )


def risk_of(config: HalfspaceConfig, n: int, seed: int) -> float:
    """0-1 risk of logistic regression, in closed form from the angle to the true halfspace.

    - config: of the study.
    - n: examples of the training set.
    - seed: of the training set.
    """
    rng = np.random.default_rng([seed, n])
    truth = rng.standard_normal(config.dimension)
    x = rng.standard_normal((n, config.dimension))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = np.sign(x @ truth) * np.where(rng.random(n) < config.label_noise, -1, 1)
    w = logistic_regression(x * np.sqrt(config.dimension), y, config.ridge)
    cosine = w @ truth / np.linalg.norm(w) / np.linalg.norm(truth)
    angle = np.arccos(np.clip(cosine, -1, 1)) / np.pi
    return float(config.label_noise + (1 - 2 * config.label_noise) * angle)


def logistic_regression(x: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    """w [d] that minimises mean log(1 + exp(-y x.w)) + ridge |w|^2 / 2.

    - x: [n, d], the inputs.
    - y: [n], labels -1 and 1.
    - ridge: weight of |w|^2 / 2.
    """
    n, d = x.shape
    w = np.zeros(d)
    for _ in range(NEWTON_STEPS):
        p = 1 / (1 + np.exp(np.clip(y * (x @ w), -500, 500)))  # chance of the other label
        gradient = ridge * w - x.T @ (y * p) / n
        hessian = (x.T * (p * (1 - p))) @ x / n + ridge * np.eye(d)
        step = np.linalg.solve(hessian, gradient)
        size = np.linalg.norm(step)
        w -= step * min(1.0, 10 / max(size, 1e-12))
        if size < 1e-9 * (1 + np.linalg.norm(w)):
            break
    return w


def straight(name: str, sizes: Sequence[int] | np.ndarray, risk: np.ndarray, bayes: float) -> Line:
    """The law's own transform of the risk, which is a straight line in log n where the law holds.

    - name: m2 or m4.
    - sizes: [n] of training sets.
    - risk: [n].
    - bayes: the Bayes risk.

    log(risk - e_inf) for M2, less a log(e_0 - risk) for M4, with the limits known: e_inf the Bayes risk,
    e_0 a guess's 1/2; a by least squares over all sizes. Returns the transform, the line through the
    larger half of the sizes, and the root mean square distance from it there and over all sizes.
    """
    log_n = np.log(np.asarray(sizes, float))
    value, exponent = np.log(risk - bayes), 0.0
    if name == "m4":
        below = np.log(np.maximum(0.5 - risk, 1e-6))
        terms = np.stack([np.ones_like(log_n), log_n, below], -1)
        exponent = float(np.linalg.lstsq(terms, value, rcond=None)[0][2])
        value = value - exponent * below
    late = log_n >= np.median(log_n)
    slope, level = np.polyfit(log_n[late], value[late], 1)
    distance = value - level - slope * log_n
    rms = Distance(*(float(np.sqrt(np.mean(part**2))) for part in (distance[late], distance)))
    return Line(value.tolist(), exponent, float(slope), float(level), rms)


def report(result: HalfspaceResult, out: Any) -> str:
    """Write report.html, the figure (PNG) and its data (CSV) to `out`; returns the result as text."""
    from scalax.report.page import Page
    from scalax.report.tables import write_csv

    where, config = epath.Path(out), result.config
    plots = where / "figures"
    plots.mkdir(parents=True, exist_ok=True)
    draw(result, plots / "halfspace.png")
    straightest = min(result.lines, key=lambda name: result.lines[name].rms.all)
    lines = [f"the straightest over all sizes is {straightest.upper()}"]
    lines += [
        f"{name.upper()}: distance from the straight line through the larger half of the sizes, in log units:"
        f" {line.rms.late:.3f} there, {line.rms.all:.3f} over all sizes"
        for name, line in result.lines.items()
    ]
    fitted = [
        f"{name.upper()} fitted: RMSLE {law.rmsle:.4f}, e_inf {law.params['e_inf']:.4f}"
        f" (Bayes risk {config.label_noise:g})"
        for name, law in result.laws.items()
    ]
    page = Page("Noisy halfspace: which law is straight where")
    page.text(
        f"Logistic regression on the sphere in {config.dimension} dimensions, labels flipped with chance"
        f" {config.label_noise:g}; risk in closed form, mean of {config.seeds} training sets per size."
    )
    page.figure(
        plots / "halfspace.png",
        "Risk, and the transform of it that each law says is a straight line in log n",
    )
    for line in [*lines, *fitted]:
        page.text(line)
    page.code(json.dumps(dataclasses.asdict(config), indent=1))
    write_atomically(where / "report.html", page.render())
    columns = [result.sizes, result.risk, result.risk_stderr, *(line.value for line in result.lines.values())]
    heads = ["n", "risk", "risk_stderr", *(f"{name}_transform" for name in result.lines)]
    write_csv(plots / "halfspace.csv", heads, zip(*columns, strict=True))
    return "\n".join([*lines, *fitted, f"report: {where / 'report.html'}"])


def draw(result: HalfspaceResult, path: epath.Path) -> None:
    """The risk, and each law's transform of it with its straight line."""
    from scalax.report.figure_text import FORMULA
    from scalax.report.style import INK, looks, panels

    n = np.array(result.sizes, float)
    with panels(path, 3, (12, 3.8)) as (measured, *transformed):
        measured.errorbar(n, result.risk, result.risk_stderr, fmt=".", color=INK, label="measured")
        measured.axhline(result.config.label_noise, color=INK, ls=":", lw=0.9, label="Bayes risk")
        measured.set(xscale="log", yscale="log", xlabel="training examples n", ylabel="0-1 risk")
        measured.legend(fontsize=8)
        for look, (name, line), axes in zip(looks(), result.lines.items(), transformed, strict=False):
            axes.plot(n, line.value, ".", color=INK)
            axes.plot(n, line.level + line.slope * np.log(n), color=look.colour, lw=1.2)
            axes.set(xscale="log", xlabel="training examples n")
            axes.set_ylabel(TRANSFORMS[name], gid=FORMULA)
            axes.set_title(f"{name.upper()}: {line.rms.all:.3f} from the line over all n", fontsize=9)


STUDY = Study("halfspace", HalfspaceConfig, HalfspaceResult, run, report)
