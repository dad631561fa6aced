"""Figures of fitted and forecast learning curves, log-log, as PNG files."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from scalax.files import replacing
from scalax.laws import FAMILIES, Curve, Fit, Forecast, Law
from scalax.laws.coverage import ALL, Score
from scalax.laws.growth import Timing
from scalax.report.figure_text import as_written

# Okabe and Ito's colours, told apart by the colour-blind too. A law that declares one has it in every figure.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
AUTO = {"auto": "#56B4E9"}  # of the average, where it is drawn beside laws
SHOWN = 0.05  # least weight of a law that is drawn in a forecast
SIZE = (7.6, 4.4)  # inches; the legend stands beside the axes


def draw_fits(curve: Curve, fits: Mapping[str, Fit], path: Path) -> None:
    """The curve's points, each law's line, and its limit as a dotted line of the same colour.

    - curve: whose points are drawn.
    - fits: by law.
    - path: of the PNG file.
    """
    figure, axes = plt.subplots(figsize=SIZE)
    _points(axes, curve)
    low, _ = axes.get_ylim()
    shown = "held out" if (~curve.fit).any() else "RMSLE"
    for (name, fitted), colour in zip(fits.items(), colours(fits), strict=True):
        error = fitted.rmsle_held_out if np.isfinite(fitted.rmsle_held_out) else fitted.rmsle
        x = np.geomspace(first_drawn(curve, fitted), curve.x.max() * 2, 300)
        few = f", {fitted.diagnostics['points']} rows" if x[0] > curve.x.min() else ""
        axes.plot(x, fitted.predict(x), color=colour, lw=1.3, label=f"{name}, {shown} {error:.4f}{few}")
        if low / 4 < fitted.asymptote < np.inf:
            axes.axhline(fitted.asymptote, color=colour, ls=":", lw=0.9)
    axes.plot([], [], color="0.4", ls=":", lw=0.9, label="limits")
    _finish(figure, axes, curve, curve.name, path)


def first_drawn(curve: Curve, law: Law) -> float:
    """x from which a law is drawn: of the curve's first row, or of the first that the law was fitted to where
    it left earlier rows to fit out."""
    first = float(np.exp(law.around[0]))
    return first if first > curve.x[curve.fit].min() * (1 + 1e-9) else float(curve.x.min())


def draw_forecast(
    curve: Curve, forecast: Forecast, path: Path, target: float | None = None, end: float | None = None
) -> None:
    """The points, the median with its bands beyond the data, and the laws that count with their limits.

    - curve: whose points are drawn.
    - forecast: of the curve.
    - path: of the PNG file.
    - target: y, as the user writes it, whose x is marked (None: none).
    - end: x up to which it is drawn, and which is marked (None: the last that was forecast).
    """
    figure, axes = plt.subplots(figsize=SIZE)
    _points(axes, curve)
    low, _ = axes.get_ylim()
    right = max(forecast.x.max() if end is None else end, curve.x.max()) * 1.1
    x = np.geomspace(curve.x.min(), right, 300)
    beyond = x[x >= 0.8 * np.exp(forecast.data.points.center_x)]
    for level in sorted(forecast.intervals, reverse=True):
        axes.fill_between(beyond, *forecast.interval(beyond, level), color="k", alpha=0.1, lw=0)
    axes.plot(x, forecast.predict(x), color="k", lw=1.6, label="auto, 50, 80, 95%")
    weights = forecast.weights
    families = {name: y for name, y in forecast.by_family(x).items() if weights[name] >= SHOWN}
    for (name, y), colour in zip(families.items(), colours(families), strict=True):
        axes.plot(x, y, color=colour, lw=1.1, ls="--", label=f"{name}, counts {weights[name]:.0%}")
        if low / 4 < forecast.limits[name] < np.inf:
            axes.axhline(forecast.limits[name], color=colour, ls=":", lw=0.9, label=f"limit of {name}")
    if target is not None:
        distance = float(curve.scale.distance(target))
        axes.axhline(distance, color="k", ls="-.", lw=0.8, label=f"target {target:g}")
    if end is not None:
        axes.axvline(end, color="k", ls=":", lw=1, label=f"planned end {end:.4g}")
    _finish(figure, axes, curve, curve.name, path)


def draw_bench(rows: Sequence[Mapping], methods: Sequence[str], path: Path) -> None:
    """Each curve's held-out RMSLE by method, log scale; the bar and the number are the mean.

    - rows: of laws.benchmark.Bench.
    - methods: columns of the rows that are drawn.
    - path: of the PNG file.
    """
    figure, axes = plt.subplots(figsize=(6.4, 4.0))
    rng = np.random.default_rng(0)
    names = []
    for i, (method, colour) in enumerate(zip(methods, colours(methods), strict=True)):
        values = np.maximum([row[method] for row in rows], 1e-5)
        axes.scatter(i + 0.2 * rng.uniform(-1, 1, len(values)), values, s=12, alpha=0.7, lw=0, color=colour)
        axes.hlines(np.mean(values), i - 0.35, i + 0.35, color="k", lw=1.5)
        names.append(f"{method}\n{np.mean(values):.4f}")
    axes.set_xticks(range(len(methods)), names)
    axes.set_yscale("log")
    axes.set_ylabel("held-out RMSLE")
    _finish(figure, axes, None, f"{len(rows)} curves; bars and numbers are means", path)


def draw_simulated(scores: Sequence[Score], path: Path) -> None:
    """Coverage of 80% and 95% bands, and error beside the baseline's, by reach; a column for each design.

    - scores: of `auto` and the baseline, from laws.coverage.
    - path: of the PNG file.
    """
    designs = list(dict.fromkeys(score.design for score in scores))
    laws = [law for law in dict.fromkeys(score.law for score in scores)]
    figure, axes = plt.subplots(3, len(designs), figsize=(2.6 * len(designs), 7), squeeze=False, sharey="row")
    for column, design in zip(axes.T, designs, strict=True):
        for law, colour in zip(laws, colours(laws), strict=True):
            look = dict(color="k", lw=2.2) if law == ALL else dict(color=colour, lw=1.1)
            own = [s for s in scores if (s.design, s.law, s.method) == (design, law, "auto")]
            base = [s for s in scores if (s.design, s.law) == (design, law) and s.method != "auto"]
            reach = [score.reach for score in own]
            column[0].plot(reach, [score.inside80 for score in own], marker=".", label=law, **look)
            column[1].plot(reach, [score.inside95 for score in own], marker=".", **look)
            column[2].plot(reach, [score.rms for score in own], marker=".", **look)
            column[2].plot(reach, [score.rms for score in base], ls=":", **look)
        for part, level in zip(column, (0.8, 0.95), strict=False):
            part.axhline(level, color="0.6", lw=0.8, zorder=0)
            part.set_ylim(0.4, 1.02)
        column[2].set_yscale("log")
        column[2].set_xlabel("times the last x")
        column[0].set_title(design, fontsize=9)
        for part in column:
            part.set_xscale("log")
            part.grid(alpha=0.2)
    names = ("truth inside 80%", "truth inside 95%", "rms of log y (dotted: M2)")
    for part, name in zip(axes[:, 0], names, strict=True):
        part.set_ylabel(name)
    axes[0, 0].legend(fontsize=6)
    _save(figure, path)


def draw_growth(timings: Sequence[Timing], path: Path) -> None:
    """Wall time by curves and by rows, on log axes, beside lines of slope one.

    - timings: of laws.growth.
    - path: of the PNG file.
    """
    figure, both = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True)
    for axes, by, names in zip(both, ("curves", "rows"), (("five laws", "forecast"), ("m2",)), strict=True):
        for name, colour in zip(names, COLOURS, strict=False):
            own = [timing for timing in timings if timing.what == name]
            size, wall = np.array([(getattr(t, by), t.wall_s) for t in own]).T
            axes.plot(size, wall, marker=".", color=colour, label=name)
            axes.plot(size, wall[-1] * size / size[-1], color=colour, ls=":", lw=0.9)
        axes.set(xscale="log", yscale="log", xlabel=by)
        axes.grid(alpha=0.2, which="both")
        axes.legend(fontsize=8)
    both[0].set_ylabel("seconds (dotted: in proportion)")
    both[0].set_title("curves of 30 rows", fontsize=9)
    both[1].set_title("one curve", fontsize=9)
    _save(figure, path)


def colours(names: Iterable[str]) -> list[str]:
    """Each law's own colour; other laws get those that none here has, in turn."""
    names = list(names)
    own = {name: FAMILIES[name].colour if name in FAMILIES else AUTO.get(name, "") for name in names}
    spare = itertools.cycle([colour for colour in COLOURS if colour not in own.values()] or COLOURS)
    return [own[name] or next(spare) for name in names]


def _points(axes, curve: Curve) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.scatter(curve.x[curve.fit], curve.y[curve.fit], s=9, color="k", lw=0, label="to fit", zorder=3)
    if (~curve.fit).any():
        held = curve.x[~curve.fit], curve.y[~curve.fit]
        axes.scatter(*held, s=14, facecolors="w", edgecolors="k", lw=0.7, label="held out", zorder=3)


def _finish(figure, axes, curve: Curve | None, title: str, path: Path) -> None:
    axes.set_title(title[:90], fontsize=9)
    axes.grid(alpha=0.2, which="both")
    low, high = axes.get_ylim()
    if high < 300 * low:  # few decades: label 1, 2, 5 in plain digits, or evenly where even those are rare
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if high > 5 * low else MaxNLocator(6))
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:.4g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    if curve and not curve.scale.plain:
        axes.yaxis.set_major_formatter(lambda y, _: f"{float(curve.scale.shown(y)):.4g}")
        if curve.scale.below:
            axes.invert_yaxis()
    if curve:
        axes.set_xlabel(curve.labels[0])
        axes.set_ylabel(curve.labels[1])
        axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    _save(figure, path)


def _save(figure, path: Path) -> None:
    as_written(figure)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=120)
    plt.close(figure)
