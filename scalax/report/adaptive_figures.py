"""Figures of an adaptive-patch study. Each takes one model's part of study.json and returns its path."""

from etils import epath
from matplotlib.axes import Axes

from scalax.report.style import INK, figure, log_axes, looks
from scalax.report.units import flops_text

X_LABEL = "training compute (FLOPs)"


def static_laws(path: epath.Path, model: dict, label: str) -> epath.Path:
    with figure(path) as axes:
        _laws(axes, model)
        for look, runs in zip(looks(), model["static"].values(), strict=False):
            for run in runs:
                axes.plot(run["flops"], run["values"], look.marker, ms=3.5, alpha=0.75, color=look.colour)
        log_axes(axes, X_LABEL, label)
        axes.legend(title="shape: law (line), runs (points)")
    return path


def schedule(path: epath.Path, model: dict, label: str) -> epath.Path:
    plan = model["plan"]
    with figure(path) as axes:
        _laws(axes, model)
        first = min((law["flops"][0] for law in model["laws"].values()), default=0.0)
        kept = [(x, y) for x, y in zip(plan["flops"], plan["errors"], strict=True) if x > first / 4]
        if kept:
            axes.plot(*zip(*kept, strict=True), color=INK, lw=2.4, ls="--", label="planned")
        for transition in plan["transitions"]:
            axes.plot(transition["flops"], transition["error"], "D", ms=7, color=INK, mfc="white", zorder=5)
            patch = transition["after"].rpartition("/")[2]
            axes.annotate(
                f"to patch {patch}\nat {transition['error']:.3g}, {flops_text(transition['flops'])}",
                (transition["flops"], transition["error"]),
                xytext=(-10, -26),
                textcoords="offset points",
                ha="right",
                fontsize=8.5,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
            )
        log_axes(axes, X_LABEL, label)
        axes.legend(loc="upper right")
    return path


def adaptive(path: epath.Path, model: dict, label: str) -> epath.Path:
    plan = model["plan"]
    with figure(path) as axes:
        for look, (shape, runs) in zip(looks(), model["static"].items(), strict=False):
            for i, run in enumerate(runs):
                axes.plot(
                    run["flops"],
                    run["values"],
                    color=look.colour,
                    ls=look.line,
                    lw=1.3,
                    alpha=0.8,
                    label="" if i else shape,
                )
        for i, run in enumerate(model["adaptive"]):
            axes.plot(
                run["flops"], run["values"], color=INK, lw=2.6, zorder=1.9, label="" if i else "adaptive"
            )
        kept = [
            (x, y) for x, y in zip(plan["flops"], plan["errors"], strict=True) if x >= plan["flops"][-1] / 100
        ]
        axes.plot(*zip(*kept, strict=True), color=INK, lw=1.2, ls=":", label="planned")
        log_axes(axes, X_LABEL, label)
        low, high = axes.get_ylim()
        for transition in plan["transitions"]:
            axes.axvline(transition["flops"], color=INK, lw=0.8, alpha=0.4)
            patch = transition["after"].rpartition("/")[2]
            axes.text(
                transition["flops"],
                low,
                f"  to patch {patch}",
                va="bottom",
                ha="right",
                fontsize=8.5,
                rotation=90,
            )
        axes.set_ylim(low, high)
        axes.legend(loc="lower left")
    return path


def _laws(axes: Axes, model: dict) -> None:
    for look, (shape, law) in zip(looks(), model["laws"].items(), strict=False):
        axes.plot(law["flops"], law["values"], color=look.colour, ls=look.line, label=shape)
