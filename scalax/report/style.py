"""One look for all figures: Okabe-Ito colours (safe for colour-blind readers), log axes with plain labels."""

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from etils import epath
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.figure import Figure

from scalax.files import write_atomically
from scalax.report.figure_text import as_written
from scalax.units import flops_text

COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"]
LINES = ["-", (0, (5, 1.5)), (0, (1, 1))]
MARKERS = ["o", "s", "^"]
INK = "#222222"
KEY_MARK, KEY_LETTER = 0.5, 0.055  # inches, of a key in small letters
LABEL_ROOM = 0.2  # share of the height that a label of a transition takes below it
RC: dict[Any, Any] = {
    "figure.dpi": 110,
    "savefig.dpi": 160,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


class Look(NamedTuple):
    colour: str
    line: Any
    marker: str


def looks() -> Iterator[Look]:
    """A look for each series, never the same twice: all colours, then again with other lines and markers."""
    for line, marker in zip(LINES, MARKERS, strict=True):
        for colour in COLOURS:
            yield Look(colour, line, marker)


@contextmanager
def panels(path: epath.Path, count: int, size: tuple[float, float]) -> Iterator[list[Axes]]:
    """Axes to draw on, side by side; saved as PNG at the end.

    - path: of the file.
    - count: of panels.
    - size: of all of them, in inches.
    """
    with plt.rc_context(RC), _quiet():
        drawing, axes = plt.subplots(1, count, figsize=size, layout="constrained", squeeze=False)
        try:
            yield list(axes[0])
            _save(drawing, path)
        finally:
            plt.close(drawing)


@contextmanager
def grid(
    path: epath.Path, count: int, columns: int, size: tuple[float, float], labels: float = 0.0
) -> Iterator[list[Axes]]:
    """Small axes in rows, all alike; saved as PNG at the end.

    - path: of the file.
    - count: of axes.
    - columns: of a row; the last row may be shorter.
    - size: of one of the axes, in inches.
    - labels: room that each needs to its left beyond that of numbers, in inches.
    """
    rows = -(-count // columns)
    left, right, bottom, top = 0.65 + labels, 0.1, 0.55, 0.75  # inches, for what the whole figure says
    across, up = size[0] * columns + labels * (columns - 1) + left + right, size[1] * rows + bottom + top
    with plt.rc_context({**RC, "font.size": 7.5, "axes.titlesize": 7.5, "axes.linewidth": 0.6}), _quiet():
        # Margins by hand: a layout engine takes minutes for some hundred axes.
        drawing, axes = plt.subplots(rows, columns, figsize=(across, up), squeeze=False)
        sides = {"left": left / across, "right": 1 - right / across}
        drawing.subplots_adjust(
            **sides, bottom=bottom / up, top=1 - top / up, wspace=0.27 + labels / size[0], hspace=0.5
        )
        try:
            for spare in axes.flat[count:]:
                spare.set_visible(False)
            yield list(axes.flat[:count])
            _save(drawing, path, dpi=130)
        finally:
            plt.close(drawing)


def key_above(panels: Sequence[Axes]) -> None:
    """One key of all that `grid`'s panels show, above them.

    panels: whose labelled series, each label once, are in the key.
    """
    found = [zip(*axes.get_legend_handles_labels(), strict=True) for axes in panels]
    handles = {label: handle for pairs in found for handle, label in pairs}
    wide = [KEY_MARK + KEY_LETTER * len(label) for label in handles]  # inches
    drawing = panels[0].get_figure(root=True)
    assert drawing is not None
    room = drawing.get_figwidth()

    def across(columns: int) -> float:
        return sum(part.max() for part in np.array_split(wide, columns))  # as matplotlib deals them out

    columns = max((n for n in range(1, len(wide) + 1) if across(n) < room), default=1)
    drawing.legend([*handles.values()], [*handles], loc="upper left", ncols=columns, fontsize=6.5)


@contextmanager
def _quiet() -> Iterator[None]:
    """Numbers at the ends of the floats, or none of a log axis, are drawn as well as can be, without the
    libraries' warnings of them."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Attempt to set")  # limits of axes
        yield


def _save(drawing: Figure, path: epath.Path, dpi: float | None = None) -> None:
    as_written(drawing)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # of names in scripts that the font lacks
        drawing.savefig(picture, format="png", dpi=dpi or RC["savefig.dpi"])
    write_atomically(path, picture.getvalue())


@contextmanager
def figure(path: epath.Path, size: tuple[float, float] = (6.4, 4.2)) -> Iterator[Axes]:
    """The same with one axes."""
    with panels(path, 1, size) as (axes,):
        yield axes


def mark_transitions(axes: Axes, transitions: Sequence[tuple[float, float, str]]) -> None:
    """A diamond at each change of a plan, and which shape it changes to. Call it when all else is drawn.

    - axes: to draw on; their y axis grows downwards where a label would not fit above the x axis.
    - transitions: FLOPs and value of each change, and the new shape.
    """
    if not transitions:
        return
    low, high = (math.log(end) for end in axes.get_ylim())
    least = math.log(min(value for _, value, _ in transitions))
    axes.set_ylim(math.exp(min(low, (least - LABEL_ROOM * high) / (1 - LABEL_ROOM))), math.exp(high))
    first, last = (math.log(end) for end in axes.get_xlim())
    for flops, value, after in transitions:
        to_the_left = math.log(flops) - first > 0.35 * (last - first)
        axes.plot(flops, value, "D", ms=7, color=INK, mfc="white", zorder=6)
        axes.annotate(
            f"to {after}\nat {value:.3g}, {flops_text(flops)}",
            (flops, value),
            xytext=(-12, -30) if to_the_left else (12, 10),
            textcoords="offset points",
            ha="right" if to_the_left else "left",
            fontsize=8.5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
            zorder=7,
        )


def log_axes(axes: Axes, x_label: str, y_label: str) -> None:
    """Log-log axes with plain numbers on the y axis.

    - axes: to set.
    - x_label, y_label: of the axes.
    """
    axes.set(xscale="log", yscale="log", xlabel=x_label, ylabel=y_label)
    plain_ticks(axes.yaxis, *axes.get_ylim())


def plain_ticks(axis: Axis, low: float, high: float) -> None:
    """Plain numbers on a log axis from `low` to `high`.

    They are 1, 2, 5 a decade, denser over a short range, and round steps over one so short that it is nearly
    linear.
    """
    if high / low < 1.6:
        axis.set_major_locator(ticker.MaxNLocator(6))
        axis.set_minor_locator(ticker.NullLocator())
    elif isinstance(axis, XAxis):  # numbers side by side need more room than one below the other
        steps = (1, 2, 5) if high / low > 5 else (1, 1.5, 2, 3, 4, 6, 8)
        axis.set_major_locator(ticker.LogLocator(subs=steps))
    else:
        steps = (1, 2, 5) if high / low > 5 else (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)
        axis.set_major_locator(ticker.LogLocator(subs=steps))
    axis.set_major_formatter(ticker.FuncFormatter(lambda y, _: f"{y:g}"))
    axis.set_minor_formatter(ticker.NullFormatter())
