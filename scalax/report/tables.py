"""Tables of text: on a page, on a terminal, and numbers to a CSV file."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from etils import epath

from scalax.files import write_atomically
from scalax.names import printable

DASH = "–"


class Table(NamedTuple):
    """The first column is text, to the left; the others to the right."""

    header: list[str]
    rows: list[list[str]]


def terminal_text(parts: Iterable[str | Table]) -> str:
    """Lines and tables one below the other, as a terminal shows them; tables are as wide as they need be."""
    from rich.console import Console

    from scalax.report.console import WIDE

    console = Console(width=WIDE)
    with console.capture() as capture:
        for part in parts:
            if isinstance(part, Table):
                console.print(_drawn(part))
            else:
                line = part.lstrip("\n")  # empty lines come before it, none within it
                text = part[: len(part) - len(line)] + printable(line)
                console.print(text, soft_wrap=True, highlight=False, markup=False)
    return capture.get()


def times_text(ratio: float) -> str:
    """'1.50x'; nan is a dash."""
    return f"{ratio:.2f}x" if math.isfinite(ratio) else DASH


def write_csv(path: epath.Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file; numbers that are not finite are left empty.

    - path: of the file.
    - header: names of the columns.
    - rows: a cell for each column.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(header)
    for row in rows:
        table.writerow("" if isinstance(cell, float) and not math.isfinite(cell) else cell for cell in row)
    write_atomically(path, text.getvalue())


def _drawn(table: Table):
    from rich.table import Table as Drawn

    from scalax.report.console import as_written

    drawn = Drawn()
    for i, cell in enumerate(table.header):
        drawn.add_column(as_written(cell), justify="left" if i == 0 else "right")
    for row in table.rows:
        drawn.add_row(*map(as_written, row))
    return drawn
