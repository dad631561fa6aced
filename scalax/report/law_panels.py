"""Many curves on one page, a small log-log panel for each, on one pair of axes so that hundreds are quick."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection, PolyCollection

from scalax.files import replacing
from scalax.laws import Curve, Fit, Forecast
from scalax.laws.bank import evaluate
from scalax.report.console import short_names
from scalax.report.figure_text import as_written
from scalax.report.law_figures import colours, first_drawn

MANY = 9  # curves; more go to one page
PANEL = (2.1, 1.7)  # inches
LEFT, WIDTH, TOP, HEIGHT = 0.16, 0.8, 0.16, 0.66  # of a panel's frame
POINTS = 50  # of a line
NAME = 30  # characters
MARGIN = 0.3  # of the frame that lines may take beyond the points


class Panel(NamedTuple):
    """Lines, of a colour each, and bands of one curve: x [n], y [n] or its ends ([n], [n])."""

    lines: list[tuple[str, np.ndarray, np.ndarray]]
    bands: list[tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]]


def draw_fits_page(
    curves: Sequence[Curve],
    fits: Sequence[Mapping[str, Fit]],
    path: Path,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Each curve's points and each law's line.

    - curves: that are drawn.
    - fits: of each, by law.
    - path: of the PNG file.
    - progress: called with the number of panels just drawn.
    """
    laws = list(fits[0])
    legend = dict(zip(laws, colours(laws), strict=True))

    def panel(i: int) -> Panel:
        x = np.geomspace(curves[i].x.min(), curves[i].x.max() * 2, POINTS)
        own = fits[i].values()
        log_y = evaluate([fit.family_spec for fit in own], [fit.p for fit in own], np.log(x))
        lines = []
        for (name, fit), line in zip(fits[i].items(), log_y, strict=True):
            drawn = x >= first_drawn(curves[i], fit)
            lines.append((legend[name], x[drawn], np.exp(line[drawn])))
        return Panel(lines, [])

    _page(curves, panel, legend, path, progress)


def draw_forecasts_page(
    curves: Sequence[Curve],
    forecasts: Sequence[Forecast],
    path: Path,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Each curve's points, and the median with its 80% and 95% bands beyond them.

    - curves: that are drawn.
    - forecasts: of each.
    - path: of the PNG file.
    - progress: called with the number of panels just drawn.
    """

    def panel(i: int) -> Panel:
        forecast = forecasts[i]
        last = float(np.exp(forecast.data.points.center_x))
        beyond = np.geomspace(last, max(forecast.x.max(), 1.1 * last), POINTS // 2)
        x = np.geomspace(curves[i].x.min(), beyond[-1], POINTS)
        bands = [(beyond, forecast.interval(beyond, level)) for level in (0.95, 0.8)]
        return Panel([("k", x, forecast.predict(x))], bands)

    _page(curves, panel, {"median, with 80% and 95% bands": "k"}, path, progress)


def _page(
    curves: Sequence[Curve],
    panel: Callable[[int], Panel],
    legend: Mapping[str, str],
    path: Path,
    progress: Callable[[int], object] | None,
) -> None:
    columns = math.ceil(math.sqrt(1.3 * len(curves)))
    rows = math.ceil(len(curves) / columns)
    height = PANEL[1] * rows + 0.4
    figure = plt.figure(figsize=(PANEL[0] * columns, height))
    axes = figure.add_axes((0, 0, 1, 1 - 0.4 / height), xlim=(0, columns), ylim=(rows, 0))
    axes.set_axis_off()
    short = short_names([curve.name for curve in curves], NAME)
    lines, shades, bands, frames, kept, held = [], [], [], [], [], []
    for i, curve in enumerate(curves):
        drawn, corner = panel(i), np.array([i % columns, i // columns])
        place = _placing(curve, drawn, corner)
        lines += [place(x, y) for _, x, y in drawn.lines]
        shades += [colour for colour, *_ in drawn.lines]
        bands += [np.concatenate([place(x, low), place(x, high)[::-1]]) for x, (low, high) in drawn.bands]
        left, top = corner + np.array([LEFT, TOP])
        right, bottom = left + WIDTH, top + HEIGHT
        frames.append([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)])
        kept.append(place(curve.x[curve.fit], curve.y[curve.fit]))
        held.append(place(curve.x[~curve.fit], curve.y[~curve.fit]))
        axes.text(left, top - 0.02, short[curve.name], fontsize=6)
        _ends(axes, curve, place, left, bottom)
        if progress:
            progress(1)
    axes.add_collection(PolyCollection(bands, facecolors="k", alpha=0.15, lw=0))
    axes.add_collection(LineCollection(frames, colors="0.6", lw=0.5))
    axes.scatter(*np.concatenate(held).T, s=4, facecolors="w", edgecolors="0.3", lw=0.4)
    axes.scatter(*np.concatenate(kept).T, s=4, color="0.2", lw=0)
    axes.add_collection(LineCollection(lines, colors=shades, lw=0.8, zorder=3))
    for i, (name, colour) in enumerate(legend.items()):
        figure.text((0.16 + i * 0.5) / columns, 1 - 0.3 / height, f"― {name}", color=colour, fontsize=8)
    as_written(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=90)
    plt.close(figure)


def _placing(
    curve: Curve, drawn: Panel, corner: np.ndarray
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """(x [n], y [n]) -> where they lie on the page, [n, 2]; what leaves the frame is kept at its edge."""
    ys = [np.log(y) for _, _, y in drawn.lines] + [np.log(end) for _, ends in drawn.bands for end in ends]
    x = np.concatenate([np.log(curve.x), *(np.log(x) for _, x, _ in drawn.lines)])
    low, high = np.log(curve.y).min(), np.log(curve.y).max()
    room = max(MARGIN * (high - low), 1e-3)
    low = max(low - room, min([low - room / 10, *(y[np.isfinite(y)].min(initial=low) for y in ys)]))
    high = min(high + room, max([high + room / 10, *(y[np.isfinite(y)].max(initial=high) for y in ys)]))

    def place(at: np.ndarray, y: np.ndarray) -> np.ndarray:
        across = LEFT + WIDTH * (np.log(at) - x.min()) / (x.max() - x.min())
        with np.errstate(divide="ignore"):
            down = np.clip((high - np.log(y)) / (high - low), 0, 1)
        down = 1 - down if curve.scale.below else down
        return np.column_stack([across, TOP + HEIGHT * down]) + corner

    return place


def _ends(axes, curve: Curve, place: Callable, left: float, bottom: float) -> None:
    """The ends of the data, as the user writes them."""
    x, y = (np.array([v.min(), v.max()]) for v in (curve.x, curve.y))
    for value, (across, _) in zip(x, place(x, y), strict=True):
        axes.text(across, bottom + 0.07, f"{value:.3g}", fontsize=5, ha="center")
    for value, (_, down) in zip(curve.scale.shown(y), place(x, y), strict=True):
        axes.text(left - 0.01, down, f"{float(value):.3g}", fontsize=5, ha="right", va="center")
