"""What `scalax exponents --excess` leaves in a directory: JSON, CSV and a figure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from etils import epath
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from scalax.laws import Curve
from scalax.laws.excess import Excess, Steadiness
from scalax.report.console import short_names
from scalax.report.law_figures import colours
from scalax.report.law_files import write_csv, write_json
from scalax.report.style import INK, grid, key_above, plain_ticks

COLUMNS = 6
NAME = 26  # characters
WIDE = 30  # times the least excess, from which ticks are powers of ten alone


def write(out: Path, curves: Sequence[Curve], found: Sequence[Excess], steady: Sequence[Steadiness]) -> None:
    """excess.json (limits and slopes), excess.csv (a row a curve, law and x) and excess.png.

    - out: directory to write to.
    - curves: that the excesses are of.
    - found: of each curve and law.
    - steady: of each law.
    """
    arrays = ("x", "excess", "fit")
    data = [{k: v for k, v in each._asdict().items() if k not in arrays} for each in found]
    for row, each in zip(data, found, strict=True):
        row |= {"slope": each.slope._asdict(), "held_out": each.held_out._asdict()}
    write_json(out / "excess.json", {"excess": data, "steadiness": [each._asdict() for each in steady]})
    write_csv(
        out / "excess.csv",
        [
            {"curve": each.curve, "law": each.law, "x": float(x), "excess": float(y), "fit": int(fit)}
            for each in found
            for x, y, fit in zip(each.x, each.excess, each.fit, strict=True)
        ],
    )
    draw(out / "excess.png", curves, found)


def draw(path: Path, curves: Sequence[Curve], found: Sequence[Excess]) -> None:
    """Excess against x on log axes, a panel a curve: rows to fit as dots, rows held out as rings, the line
    of the later rows to fit.

    - path: of the PNG file.
    - curves: that the excesses are of.
    - found: of each curve and law.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    laws = list(dict.fromkeys(each.law for each in found))
    legend = dict(zip(laws, colours(laws), strict=True))
    columns, short = min(COLUMNS, len(curves)), short_names([curve.name for curve in curves], NAME)
    with grid(epath.Path(path), len(curves), columns, (2.0, 1.6)) as panels:
        for axes, curve in zip(panels, curves, strict=True):
            slopes = []
            for each in (each for each in found if each.curve == curve.name):
                colour, x = legend[each.law], each.x
                slope = f"{each.law} {each.slope.value:.2f}" if np.isfinite(each.slope.value) else each.law
                slopes.append(Line2D([], [], color=colour, label=f"{slope}{', bent' * each.slope.bent}"))
                axes.plot(x[each.fit], each.excess[each.fit], ".", color=colour, ms=2.5)
                axes.plot(x[~each.fit], each.excess[~each.fit], "o", color=colour, ms=2.5, mfc="w", mew=0.5)
                if np.isfinite(each.slope.value):
                    ends = np.array([x.min(), x.max()])
                    line = np.exp(each.slope.level + each.slope.value * np.log(ends))
                    axes.plot(ends, line, color=colour, lw=0.7, alpha=0.7)
            axes.set(xscale="log", yscale="log")
            _ticks(axes)
            axes.set_title(short[curve.name], fontsize=7)
            axes.set_xlabel(curve.labels[0], fontsize=6.5, labelpad=1)
            axes.legend(handles=slopes, fontsize=5, handlelength=1)
        panels[0].set_ylabel("y less the law's limit")
        panels[0].plot([], [], ".", color=INK, ms=2.5, label="rows to fit")
        panels[0].plot([], [], "o", color=INK, ms=2.5, mfc="w", mew=0.5, label="rows held out")
        panels[0].plot([], [], color=INK, lw=0.7, label="line of the later rows to fit")
        key_above(panels)


def _ticks(axes: Axes) -> None:
    """Few enough for a small panel."""
    axes.xaxis.set_minor_formatter(NullFormatter())
    low, high = axes.get_ylim()
    if high < WIDE * low:
        plain_ticks(axes.yaxis, low, high)
        return
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_minor_formatter(NullFormatter())
