"""Figures of an adaptive study. Each draws one ladder and returns its path; label: of the metric's axis."""

import numpy as np
from etils import epath
from matplotlib.axes import Axes

from scalax.report.style import INK, figure, log_axes, looks, mark_transition
from scalax.studies.adaptive.result import LadderResult, MethodRun

X_LABEL = "training compute (FLOPs)"


def static_laws(path: epath.Path, ladder: LadderResult, label: str) -> epath.Path:
    """Static runs of each shape, and their laws.

    - path: of the PNG.
    - ladder: of the study.
    - label: of the metric.

    Returns `path`.
    """
    with figure(path) as axes:
        _laws(axes, ladder)
        for look, runs in zip(looks(), _static(ladder).values(), strict=False):
            for run in runs:
                axes.plot(run.flops, run.values, look.marker, ms=3.5, alpha=0.75, color=look.colour)
        log_axes(axes, X_LABEL, label)
        axes.legend(title="shape: law (line), runs (points)")
    return path


def schedule(path: epath.Path, ladder: LadderResult, label: str) -> epath.Path:
    """The plan: laws of the shapes, and where it changes from one to the next.

    - path: of the PNG.
    - ladder: of the study.
    - label: of the metric.

    Returns `path`.
    """
    plan = ladder.plan
    with figure(path) as axes:
        _laws(axes, ladder)
        first = min((law.flops[0] for law in ladder.laws.values()), default=0.0)
        kept = [(x, y) for x, y in zip(plan.flops, plan.errors, strict=True) if x > first / 4]
        if kept:
            axes.plot(*zip(*kept, strict=True), color=INK, lw=2.4, ls="--", label="planned")
        for transition in plan.transitions:
            mark_transition(axes, transition.flops, transition.error, transition.after)
        log_axes(axes, X_LABEL, label)
        axes.legend(loc="upper right")
    return path


def adaptive(path: epath.Path, ladder: LadderResult, label: str) -> epath.Path:
    """The adaptive runs against the static ones.

    - path: of the PNG.
    - ladder: of the study.
    - label: of the metric.

    Returns `path`.
    """
    plan = ladder.plan
    with figure(path) as axes:
        for look, (shape, runs) in zip(looks(), _static(ladder).items(), strict=False):
            for i, run in enumerate(runs):
                axes.plot(
                    run.flops,
                    run.values,
                    color=look.colour,
                    ls=look.line,
                    lw=1.3,
                    alpha=0.8,
                    label="" if i else shape,
                )
        for i, run in enumerate(ladder.runs["adaptive"]):
            axes.plot(run.flops, run.values, color=INK, lw=2.6, zorder=1.9, label="" if i else "adaptive")
        kept = [(x, y) for x, y in zip(plan.flops, plan.errors, strict=True) if x >= plan.flops[-1] / 100]
        axes.plot(*zip(*kept, strict=True), color=INK, lw=1.2, ls=":", label="planned")
        log_axes(axes, X_LABEL, label)
        low, high = axes.get_ylim()
        for transition in plan.transitions:
            axes.axvline(transition.flops, color=INK, lw=0.8, alpha=0.4)
            axes.text(
                transition.flops,
                low,
                f"  to {transition.after}",
                va="bottom",
                ha="right",
                fontsize=8.5,
                rotation=90,
            )
        axes.set_ylim(low, high)
        axes.legend(loc="lower left")
    return path


def baselines(path: epath.Path, ladder: LadderResult, label: str) -> epath.Path:
    """Each method but the static shapes: median and range over the seeds of the best value so far.

    - path: of the PNG.
    - ladder: of the study.
    - label: of the metric.

    Returns `path`.
    """
    names = ladder.others
    with figure(path) as axes:
        for look, name in zip(looks(), names, strict=False):
            runs = ladder.runs[name]
            first = max(max(run.flops[0] for run in runs), min(run.flops[-1] for run in runs) / 50)
            x = np.geomspace(first, min(run.flops[-1] for run in runs), 200)
            best = [np.minimum.accumulate(run.values) for run in runs]
            values = np.array([np.interp(x, run.flops, b) for run, b in zip(runs, best, strict=True)])
            ours = name == "adaptive"
            colour, line, width = (INK, "-", 2.6) if ours else (look.colour, look.line, 1.4)
            axes.plot(x, np.median(values, 0), color=colour, ls=line, lw=width, label=name)
            if len(runs) > 1:
                axes.fill_between(x, values.min(0), values.max(0), color=colour, alpha=0.15, lw=0)
        log_axes(axes, X_LABEL, f"best {label} so far")
        axes.legend(loc="lower left")
    return path


def _static(ladder: LadderResult) -> dict[str, list[MethodRun]]:
    return {shape: ladder.runs[shape] for shape in ladder.shapes}


def _laws(axes: Axes, ladder: LadderResult) -> None:
    for look, (shape, law) in zip(looks(), ladder.laws.items(), strict=False):
        axes.plot(law.flops, law.values, color=look.colour, ls=look.line, label=shape)
