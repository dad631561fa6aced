"""Figures of an adaptive study. Each draws one ladder and returns its path; label: of the metric's axis."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from etils import epath
from matplotlib.axes import Axes

from scalax.report.style import INK, Look, figure, log_axes, looks, mark_transitions
from scalax.studies.adaptive.result import LadderResult, MethodRun, Needed
from scalax.studies.adaptive.verdict import middle

X_LABEL = "training compute (FLOPs)"
SHOWN = 50  # curves of medians begin where this share of the FLOPs is spent: 1 / SHOWN
RED = "#c44e52"
OURS = ("adaptive", "online")  # drawn above all others


def against_static(path: epath.Path, ladder: LadderResult, label: str) -> epath.Path:
    """The runs that plans were made for against the static ones.

    - path: of the PNG.
    - ladder: of the study.
    - label: of the metric.

    Returns `path`.
    """
    plan = ladder.plan
    with figure(path) as axes:
        for look, (shape, runs) in zip(looks(), _static(ladder).items(), strict=False):
            _runs(axes, runs, shape, color=look.colour, ls=look.line, lw=1.3, alpha=0.8)
        ours = {name: ladder.runs[name] for name in OURS if name in ladder.runs}
        for name, width in zip(ours, (2.6, 1.6), strict=False):
            _runs(
                axes, ours[name], name, color=INK if name == "adaptive" else "#888888", lw=width, zorder=1.9
            )
        if "adaptive" in ours and plan.flops:
            kept = [(x, y) for x, y in zip(plan.flops, plan.errors, strict=True) if x >= plan.flops[-1] / 100]
            axes.plot(*zip(*kept, strict=True), color=INK, lw=1.2, ls=":", label="planned")
        log_axes(axes, X_LABEL, label)
        for transition in plan.transitions if "adaptive" in ours else ():
            axes.axvline(transition.flops, color=INK, lw=0.8, alpha=0.4)
            axes.text(
                transition.flops,
                0.99,
                f"to {transition.after} ",
                transform=axes.get_xaxis_transform(),
                va="top",
                ha="right",
                fontsize=8.5,
                rotation=90,
            )
        axes.legend(loc="lower left")
    return path


def laws_and_plan(path: epath.Path, ladder: LadderResult, label: str, first_flops: float) -> epath.Path:
    """Static runs of each shape, their laws, and the plan: where it changes from one to the next.

    - path: of the PNG.
    - ladder: of the study.
    - label: of the metric.
    - first_flops: what was measured before is left out of the laws, and drawn pale.

    Returns `path`.
    """
    plan = ladder.plan
    with figure(path) as axes:
        for look, (shape, runs) in zip(looks(), _static(ladder).items(), strict=False):
            for run in runs:
                _points(axes, run, look, first_flops)
            if shape in ladder.laws and np.isfinite(ladder.laws[shape].values).any():
                law = ladder.laws[shape]
                axes.plot(law.flops, law.values, color=look.colour, ls=look.line, label=f"law of {shape}")
        if any(run.flops[0] < first_flops for runs in _static(ladder).values() for run in runs):
            axes.axvline(first_flops, color=INK, lw=0.8, ls=":", label="laws are fitted from here on")
        kept = [(x, y) for x, y in zip(plan.flops, plan.errors, strict=True) if x >= first_flops]
        if kept:
            axes.plot(*zip(*kept, strict=True), color=INK, lw=2.4, ls="--", label="planned")
        log_axes(axes, X_LABEL, label)
        mark_transitions(axes, [(t.flops, t.error, t.after) for t in plan.transitions])
        axes.legend(fontsize=9)
    return path


def baselines(path: epath.Path, ladder: LadderResult, label: str) -> epath.Path:
    """Each method, and the static shapes: median and range over the seeds of the best value so far.

    - path: of the PNG.
    - ladder: of the study.
    - label: of the metric.

    Returns `path`.
    """
    with figure(path) as axes:
        series = looks()
        for shape, runs in _static(ladder).items():
            look = next(series)
            x, best = _best_so_far(runs)
            axes.plot(x, np.median(best, 0), color=look.colour, ls=":", lw=1.2, label=f"{shape} alone")
        for name in ladder.others:
            look = next(series)
            x, best = _best_so_far(ladder.runs[name])
            ours = name == "adaptive"
            colour, line, width = (INK, "-", 2.6) if ours else (look.colour, look.line, 1.4)
            axes.plot(x, np.median(best, 0), color=colour, ls=line, lw=width, label=name)
            if len(best) > 1:
                axes.fill_between(x, best.min(0), best.max(0), color=colour, alpha=0.15, lw=0)
        log_axes(axes, X_LABEL, f"best {label} so far")
        axes.legend(fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return path


class Series(NamedTuple):
    """What is drawn on one of two scales: its label, its values, and more of each value (its seeds)."""

    label: str
    values: Sequence[float]
    each: Sequence[Sequence[float]]


def savings_at_middle(needed: Sequence[Sequence[Needed]]) -> Series:
    """Savings at the middle target. needed: of each x, what is needed for each target."""
    at_middle = [middle(each) for each in needed]
    return Series(
        "savings at the middle target",
        [each.savings for each in at_middle],
        [each.savings_by_seed for each in at_middle],
    )


def two_scales(
    path: epath.Path,
    xs: Sequence[float],
    x_label: str,
    left: Series,
    right: Series,
    mark: float | None = None,
) -> epath.Path:
    """Two series over the same x, in log: the one solid, the other dashed.

    - path: of the PNG.
    - xs: of the values of both.
    - x_label: of these.
    - left, right: of either scale.
    - mark: an x with a vertical line.

    Returns `path`.
    """
    with figure(path) as axes:
        beside = axes.twinx()
        for of, series, colour, look in ((axes, left, INK, "-o"), (beside, right, RED, "--s")):
            of.plot(xs, series.values, look, color=colour, ms=6)
            for x, each in zip(xs, series.each, strict=True):
                of.plot([x] * len(each), each, look[-1], color=colour, ms=3, alpha=0.5, mew=0)
        log_axes(axes, x_label, left.label)
        axes.set_yscale("linear")
        if not np.isfinite(left.values).any():
            axes.set_yticks([])
        beside.grid(visible=False)
        beside.set_ylabel(right.label, color=RED)
        axes.set_xticks(list(xs), [f"{x:g}" for x in xs])
        axes.set_xticks([], minor=True)
        if mark is not None:
            axes.axvline(mark, color=INK, lw=0.8, ls=":")
    return path


def _best_so_far(runs: Sequence[MethodRun]) -> tuple[np.ndarray, np.ndarray]:
    """FLOPs that all runs of a method were measured at, [n], and their least values by then, [runs, n]."""
    last = min(run.flops[-1] for run in runs)
    x = np.geomspace(max(last / SHOWN, *(run.flops[0] for run in runs)), last, 200)
    best = [np.interp(x, run.flops, np.minimum.accumulate(run.values)) for run in runs]
    return x, np.array(best)


def _runs(axes: Axes, runs: Sequence[MethodRun], name: str, **look) -> None:
    """Every run as a line; the legend names the first."""
    for i, run in enumerate(runs):
        axes.plot(run.flops, run.values, label="" if i else name, **look)


def _points(axes: Axes, run: MethodRun, look: Look, first_flops: float) -> None:
    flops, values = np.array(run.flops), np.array(run.values)
    for part, alpha in ((flops < first_flops, 0.2), (flops >= first_flops, 0.75)):
        axes.plot(flops[part], values[part], look.marker, ms=3.5, alpha=alpha, color=look.colour, mew=0)


def _static(ladder: LadderResult) -> dict[str, list[MethodRun]]:
    return {shape: ladder.runs[shape] for shape in ladder.shapes}
