"""What `scalax speedup` leaves in a directory: JSON, CSV and a figure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from etils import epath
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from scalax.laws import Curve
from scalax.laws.speedup import Speedup
from scalax.report.law_files import write_csv, write_json
from scalax.report.style import COLOURS, INK, log_axes, panels

OF = (COLOURS[0], COLOURS[5])  # of A and B


def write(out: Path, made: Speedup, a: Sequence[Curve], b: Sequence[Curve], titles: tuple[str, str]) -> None:
    """speedup.json, speedup.csv (a row a target) and speedup.png.

    - out: directory to write to.
    - made: the comparison.
    - a, b: the curves that it is of.
    - titles: what A and B are called.
    """
    write_json(out / "speedup.json", {"a": titles[0], "b": titles[1], **made.to_json()})
    write_csv(out / "speedup.csv", [_row(made, i) for i in range(len(made.targets))])
    draw(out / "speedup.png", made, a, b, titles)


def _row(made: Speedup, i: int) -> dict[str, Any]:
    names = {
        "target": "targets",
        "ratio": "ratio",
        "low90": "low",
        "high90": "high",
        "x_a": "x_a",
        "x_b": "x_b",
    }
    row: dict[str, Any] = {shown: float(getattr(made, name)[i]) for shown, name in names.items()}
    return row | {"beyond": bool(made.beyond[i])}


def draw(path: Path, made: Speedup, a: Sequence[Curve], b: Sequence[Curve], titles: tuple[str, str]) -> None:
    """Left: rows and curves of both, with 90% bands. Right: the ratio against the target, with its band.

    - path: of the PNG file.
    - made: the comparison.
    - a, b: the curves that it is of.
    - titles: what A and B are called.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with panels(epath.Path(path), 2, (10.6, 4.2)) as (left, right):
        _curves(left, made, (a, b), titles)
        _ratio(right, made, titles)


def _curves(axes: Axes, made: Speedup, recipes: tuple, titles: tuple[str, str]) -> None:
    for curves, bands, colour, title in zip(recipes, made.bands, OF, titles, strict=True):
        x = np.concatenate([curve.x[curve.fit] for curve in curves])
        y = np.concatenate([curve.y[curve.fit] for curve in curves])
        axes.scatter(x, y, s=7, color=colour, alpha=0.5, lw=0)
        shown = made.x >= x.min()
        middle, low, high = (band[shown] for band in bands)
        inside = made.x[shown] <= x.max()
        axes.fill_between(made.x[shown][inside], low[inside], high[inside], color=colour, alpha=0.25, lw=0)
        axes.plot(
            made.x[shown][inside], middle[inside], color=colour, lw=1.6, label=f"{title}, {len(curves)}"
        )
    log_axes(axes, made.labels[0], made.labels[1])
    low, high = axes.get_ylim()
    if high < 10 * low:
        axes.yaxis.set_major_locator(MaxNLocator(7))
    _as_written(axes, made, "yaxis")
    axes.legend(title="runs", fontsize=8)


def _ratio(axes: Axes, made: Speedup, titles: tuple[str, str]) -> None:
    known = np.isfinite(made.ratio)
    at = made.scale.distance(made.targets)[known]
    low, high, middle = made.low[known], made.high[known], made.ratio[known]
    finite = np.where(np.isfinite(high), high, np.nanmax(np.where(np.isfinite(high), high, middle)) * 2)
    axes.fill_between(at, low, finite, color=INK, alpha=0.18, lw=0, label="90%")
    within = ~made.beyond[known]
    axes.plot(at, np.where(within, middle, np.nan), color=INK, marker="o", ms=3, label="within the rows")
    if not within.all():
        axes.plot(at, np.where(within, np.nan, middle), color=INK, marker="o", mfc="w", ms=4, ls=":", lw=1.2,
                  label="beyond the rows")  # fmt: skip
    axes.axhline(1, color=OF[0], lw=1)
    axes.set_ylim(max(0, min(0.9, 0.9 * np.nanmin(low))), min(1.1 * np.nanmax(finite), 3 * np.nanmax(middle)))
    label = f"times less {made.labels[0]}: {titles[1]} than {titles[0]}"
    axes.set(xscale="log", xlabel=made.labels[1], ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_minor_locator(NullLocator())
    _as_written(axes, made, "xaxis")
    axes.invert_xaxis()
    axes.legend(fontsize=8)


def _as_written(axes: Axes, made: Speedup, which: str) -> None:
    axis = getattr(axes, which)
    axis.set_major_formatter(lambda y, _: f"{float(made.scale.shown(y)):.4g}")
    if made.scale.below and which == "yaxis":
        axes.invert_yaxis()
