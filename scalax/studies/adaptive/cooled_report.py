"""What is said and drawn of runs whose learning rate falls to zero at their end."""

import math
import statistics

import numpy as np
from etils import epath

from scalax import metrics
from scalax.names import file_name
from scalax.report.page import Page
from scalax.report.style import INK, figure, log_axes, looks
from scalax.report.tables import Table, write_csv
from scalax.studies.adaptive.figures import X_LABEL
from scalax.studies.adaptive.result import Cooled, CooledTarget, LadderResult, Saved
from scalax.studies.adaptive.tables import mean_flops, range_text
from scalax.studies.adaptive.verdict import SPEAKERS, is_even, middle, needed_text, ratio_text, unsure
from scalax.units import flops_text

COOLED = (
    "Cooled runs: the learning rate falls to zero at the end of each. They branch off the runs above, keep"
    " the shape that these have there, and are charged the FLOPs until there too. Between the budgets at"
    " which they end, FLOPs and error go evenly in log. Savings are against the cooled static shape that"
    " reaches the target first: the columns at a constant rate say what it costs not to cool down."
)


def sentence(ladder: LadderResult, metric: str) -> str:
    """What changing the shape saved where all runs cool down, and where only the fixed shapes do; empty where
    there are no cooled runs, or no run changes its shape.

    - ladder: what was measured.
    - metric: that the targets are values of.
    """
    method = next((name for name in SPEAKERS if name in ladder.runs), None)
    if ladder.cooled is None or method is None:
        return ""
    who, row = SPEAKERS[method], told(ladder.cooled, method)
    goal = f"to reach {metrics.get(metric).title} of {row.target:.3g}"
    start = f"With a learning rate that falls to zero at the end of every run, {goal} {who}"
    flat = _short(row.constant[method])
    return (
        f"{start} {_needed(row.cooled[method], 'the best fixed shape')}; at a constant rate against the same"
        f" cooled shapes it {flat}"
    )


def told(cooled: Cooled, method: str) -> CooledTarget:
    """The target that is told of: the middle one, of those at which the method had changed its shape if there
    are any."""
    later = [row for row in cooled.targets if not _same(row.cooled[method])] or cooled.targets
    return middle(cooled.targets) if middle(cooled.targets) in later else middle(later)


def _same(saved: Saved) -> bool:
    """Whether it was the best static shape itself in every seed: other runs do not end at the same FLOPs."""
    return all(ratio == 1 for ratio in saved.savings_by_seed)


def _needed(saved: Saved, against: str) -> str:
    if _same(saved):
        return f"is {against} itself, and saves nothing"
    if not math.isfinite(saved.savings):
        return _missed(saved)
    return f"{needed_text(saved.savings, saved.savings_by_seed, against)}{unsure(saved.savings_by_seed)}"


def _short(saved: Saved) -> str:
    if not math.isfinite(saved.savings):
        return _missed(saved)
    if is_even(saved.savings):
        return "needed as many"
    if saved.savings < 1:
        return f"needed {ratio_text(1 / saved.savings)} more"
    return f"needed {ratio_text(saved.savings)} fewer"


def _missed(saved: Saved) -> str:
    missed = sum(not math.isfinite(value) for value in saved.savings_by_seed)
    seeds = len(saved.savings_by_seed)
    return f"did not get there in {missed} of {seeds} seeds" if seeds > 1 else "did not get there"


def table(ladder: LadderResult, cooled: Cooled, metric: str) -> Table:
    """For each target: the best cooled static shape, its FLOPs, and what the others save against it.

    - ladder: that the runs are of.
    - cooled: what came of them.
    - metric: that the targets are values of.
    """
    ours = [name for name in SPEAKERS if name in ladder.runs]
    rows = []
    for row in cooled.targets:
        best = [row.cooled[name].flops[i] for i, name in enumerate(row.best_static) if name is not None]
        names = sorted({name for name in row.best_static if name is not None})
        rows.append(
            [
                f"{row.target:.4g}",
                ", ".join(names) or "none",
                mean_flops(best) if len(best) == len(row.best_static) else "not reached",
                *(_cell(row.cooled[name]) for name in ladder.others),
                _cell(row.static_constant),
                *(_cell(row.constant[name]) for name in ours),
            ]
        )
    heads = [metric, "best cooled static", "its FLOPs", *(f"{name}, cooled" for name in ladder.others)]
    heads += ["best static, constant rate", *(f"{name}, constant rate" for name in ours)]
    return Table(heads, rows)


def _cell(saved: Saved) -> str:
    return "no change yet" if _same(saved) else range_text(saved.savings, saved.savings_by_seed)


def drawn(path: epath.Path, ladder: LadderResult, cooled: Cooled, label: str) -> epath.Path:
    """The ends of the cooled runs over the runs at a constant rate, of all seeds.

    - path: of the PNG.
    - ladder: that the runs are of.
    - cooled: what came of them.
    - label: of the metric.

    Returns `path`.
    """
    first = min(curve.flops[0] for curves in cooled.curves.values() for curve in curves)
    ours = [name for name in SPEAKERS if name in ladder.runs]
    with figure(path) as axes:
        for look, name in zip(looks(), [*ladder.shapes, *ours], strict=False):
            colour = {"adaptive": INK, "online": "#888888"}.get(name, look.colour)
            for run in ladder.runs[name]:
                flops, values = np.array(run.flops), np.array(run.values)
                shown = flops >= first / 2
                axes.plot(flops[shown], values[shown], color=colour, ls=":", lw=1, alpha=0.6)
            for i, curve in enumerate(cooled.curves[name]):
                axes.plot(
                    curve.flops,
                    curve.values,
                    color=colour,
                    marker=look.marker,
                    ms=4,
                    lw=3 if name in ours else 1.4,
                    zorder=1.9 if name in ours else 2,  # until it changes it is a static shape itself
                    label="" if i else f"{name}, cooled",
                )
        axes.plot([], [], color=INK, ls=":", lw=1, label="at a constant rate")
        log_axes(axes, X_LABEL, label)
        axes.legend(fontsize=9)
    return path


def part(page: Page, plots: epath.Path, name: str, ladder: LadderResult, metric: str, label: str) -> None:
    """Of the report: the figure, the table, and the data of the figure as CSV.

    - page: gets them.
    - plots: directory of the figures.
    - name: of the ladder.
    - ladder: what was measured; nothing is said where it has no cooled runs.
    - metric: of the study.
    - label: of the metric.
    """
    cooled = ladder.cooled
    if cooled is None:
        return
    stem = f"{file_name(name)}_cooled"
    page.figure(
        drawn(plots / f"{stem}.png", ladder, cooled, label),
        "Points: where runs end whose learning rate falls to zero over the end of their FLOPs. Dotted: the"
        " runs at a constant rate that they branch off. All seeds.",
    )
    page.text(COOLED)
    page.table(*table(ladder, cooled, metric))
    rows = [
        (method, run, share, flops, value)
        for method, curves in cooled.curves.items()
        for curve in curves
        for run, share, flops, value in zip(curve.runs, cooled.shares, curve.flops, curve.values, strict=True)
    ]
    write_csv(plots / f"{stem}.csv", ["method", "run", "share", "flops", "value"], rows)


def remark(cooled: Cooled, ladder: LadderResult) -> str:
    """Where the cooled runs ended at the whole of what they had."""
    ends = {
        name: statistics.fmean(curve.values[-1] for curve in curves) for name, curves in cooled.curves.items()
    }
    best = min(ladder.shapes, key=ends.__getitem__)
    others = ", ".join(f"{name} {ends[name]:.4g}" for name in ladder.others)
    flops = max(curve.flops[-1] for curve in cooled.curves[best])
    told = f"cooled, at {flops_text(flops)}: best static ({best}) {ends[best]:.4g}"
    return f"{told}, {others}" if others else told
