"""Figures of double descent, and their data."""

from collections.abc import Mapping

import numpy as np
from etils import epath
from matplotlib.axes import Axes

from scalax.laws import FAMILIES, Curve, Law
from scalax.laws.segments import segments_of
from scalax.report import segment_files
from scalax.report.style import COLOURS, INK, grid, panels, plain_ticks
from scalax.report.tables import write_csv
from scalax.studies.double_descent.result import (
    AFTER_PEAK,
    CHOSEN,
    OVER,
    Cut,
    DoubleDescentResult,
    LawScore,
    Sweep,
)

X_LABELS = {"width": "random features", "steps": "steps of gradient descent"}
Y_LABEL = "test error (target's variance 1)"
FINE = 600  # places of x at which a law is drawn


def draw_all(result: DoubleDescentResult, plots: epath.Path) -> None:
    """Both curves with laws fitted to all; laws fitted up to each cut; the broken law's segments."""
    sweeps = {"width": result.width, "steps": result.steps}
    with panels(plots / "double_descent.png", 2, (12, 4.4)) as both:
        for axes, (name, sweep) in zip(both, sweeps.items(), strict=True):
            _whole(axes, name, sweep)
        examples = result.config.width.examples
        both[0].axvline(examples, color=INK, ls=":", lw=1, label=f"{examples} training examples")
        both[0].legend(fontsize=8)
    for name, sweep in sweeps.items():
        cuts = sweep.cuts[:-1]
        with grid(plots / f"{name}_cuts.png", len(cuts), min(3, len(cuts)), (3.3, 2.5)) as parts:
            for axes, cut in zip(parts, cuts, strict=True):
                _cut(axes, name, sweep, cut)
            parts[0].figure.suptitle(f"{Y_LABEL}: rows to fit filled, rows after the cut hollow")
        scored = sweep.cuts[-1].most_broken()
        labels = (X_LABELS[name], Y_LABEL)
        curve = Curve(sweep.x, sweep.error, f"over {OVER[name]}", labels=labels)
        law = law_of(scored)
        segment_files.draw(plots / f"{name}_segments.png", curve, law, segments_of(law, curve))


def law_of(scored: LawScore) -> Law:
    return Law(FAMILIES[scored.law], np.array(scored.p), scored.around)


def _whole(axes: Axes, name: str, sweep: Sweep) -> None:
    axes.fill_between(sweep.x, sweep.low, sweep.high, color=INK, alpha=0.12, lw=0)
    axes.plot(sweep.x, sweep.error, ".", color=INK, label="mean over seeds", zorder=4)
    whole = sweep.cuts[-1]
    shown = (whole.law("m2"), whole.law("m4"), whole.most_broken())
    for scored, colour in zip(shown, COLOURS[:3], strict=True):
        x = np.geomspace(sweep.x[0], sweep.x[-1], FINE)
        label = f"{scored.name}, RMSLE {scored.fitted.value:.3g}"
        axes.plot(x, law_of(scored).predict(x), color=colour, lw=1.5, label=label)
    axes.set(xscale="log", yscale="log", xlabel=X_LABELS[name], ylabel=Y_LABEL)
    plain_ticks(axes.yaxis, *axes.get_ylim())
    axes.set_title(f"over {OVER[name]}")
    axes.legend(fontsize=8)


def _cut(axes: Axes, name: str, sweep: Sweep, cut: Cut) -> None:
    x, y = np.array(sweep.x), np.array(sweep.error)
    to_fit = x <= cut.x
    axes.plot(x[to_fit], y[to_fit], ".", color=INK, ms=4, zorder=4)
    axes.plot(x[~to_fit], y[~to_fit], "o", color=INK, mfc="white", ms=3, mew=0.6, zorder=4)
    axes.axvline(cut.x, color=INK, ls=":", lw=0.8)
    frame = y.min() / 2, y.max() * 2
    shown = ["m4", AFTER_PEAK, cut.most_broken().name, CHOSEN]
    for label, colour in zip(shown, (COLOURS[1], COLOURS[5], COLOURS[2], COLOURS[0]), strict=True):
        if label not in cut.names():
            continue
        scored = cut.law(label)
        fine = np.geomspace(scored.first_x, x[-1], FINE)
        with np.errstate(over="ignore"):
            axes.plot(fine, law_of(scored).predict(fine), color=colour, lw=1.2, label=label)
    axes.set(xscale="log", yscale="log", ylim=frame)
    plain_ticks(axes.yaxis, *frame)
    axes.set_title(f"up to {cut.x:,g} ({sweep.part(cut.x)})")
    axes.set_xlabel(X_LABELS[name], labelpad=1)
    axes.legend(fontsize=6)


def write_data(sweeps: Mapping[str, Sweep], plots: epath.Path) -> None:
    """double_descent.csv, the curves; scores.csv, a row for each law and cut."""
    curves = [
        (name, *row) for name, s in sweeps.items() for row in zip(s.x, s.error, s.low, s.high, strict=True)
    ]
    write_csv(plots / "double_descent.csv", ("over", "x", "error", "low80", "high80"), curves)
    ends = ("", "_low90", "_high90")
    heads = ["over", "cut", "rows", "name", "law", "first_x"]
    heads += [f"{what}{end}" for what in ("fitted", "later") for end in ends]
    none = ("", "", "")
    scores = []
    for name, sweep in sweeps.items():
        for cut in sweep.cuts:
            for law in cut.laws:
                what = (name, cut.x, cut.rows, law.name, law.law, law.first_x)
                scores.append((*what, *law.fitted, *(law.later or none)))
            if cut.still:
                scores.append((name, cut.x, cut.rows, "still", "", "", *none, *cut.still))
    write_csv(plots / "scores.csv", heads, scores)
