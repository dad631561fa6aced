"""Names of users in figures, as they are: Matplotlib reads a pair of dollars as a formula."""

import re

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter

from scalax.names import printable_lines

FORMULA = "formula"  # the gid of a text of ours that is one
NUMBER = re.compile(r"\$\\mathdefault\{-?[\d.]*(\\times)?(10\^\{[-−]?[\d.]+\})?\}\$")  # of Matplotlib's axes


def as_written(drawing: Figure) -> None:
    """Have all texts of a figure drawn as they are written, but those with the gid FORMULA."""
    for text in drawing.findobj(Text):
        if isinstance(text, Text) and text.get_gid() != FORMULA:
            text.set_text(_plain(text.get_text()))
    for axes in drawing.findobj(Axes):
        for axis in (axes.xaxis, axes.yaxis) if isinstance(axes, Axes) else ():
            formatter = axis.get_major_formatter()
            if isinstance(formatter, FixedFormatter | FuncFormatter):  # ticks with names of their own
                axis.set_major_formatter(FuncFormatter(lambda x, at, of=formatter: _plain(of(x, at))))


def _plain(text: str) -> str:
    return text if NUMBER.fullmatch(text) else re.sub(r"(?<!\\)\$", r"\\$", printable_lines(text))
