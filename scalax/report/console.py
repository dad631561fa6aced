"""What commands print: tables, notes, and a progress bar that comes late."""

import math
import threading
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from scalax.names import printable

AFTER_S = 2.0  # a command that is done sooner shows no bar
MOST_ROWS = 200  # of a table on the terminal
WIDE = 10_000  # characters of a line in a file


def as_written(text: object) -> Text:
    """The text as a cell or title of rich's that is shown as it is: no markup, no control characters."""
    return Text(printable(text))


def stdout(highlight: bool = True) -> Console:
    """Where tables are printed. In a file, or in a pipe, their lines are as long as they need be.

    highlight: whether numbers are coloured.
    """
    console = Console(highlight=highlight)
    return console if console.is_terminal else Console(width=WIDE, highlight=highlight)


class LateBar:
    """A progress bar that appears once the work has taken two seconds; `update(n)` adds finished parts."""

    def __init__(self, what: str, total: int):
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self.task = self.bar.add_task(what, total=total)
        self.timer = threading.Timer(AFTER_S, self.bar.start)

    def update(self, parts: float) -> None:
        self.bar.advance(self.task, parts)

    def __enter__(self) -> "LateBar":
        self.timer.daemon = True
        if self.bar.console.is_terminal:
            self.timer.start()
        return self

    def __exit__(self, *_) -> None:
        self.timer.cancel()
        if self.bar.live.is_started:
            self.bar.stop()


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str | float | None]], whole: str = ""
) -> None:
    """Print a table: text left, numbers right. A column without a head is shown where a cell says something.

    - title: above it.
    - columns: their heads.
    - rows: a cell for each column.
    - whole: the file that has all rows; with it the first 200 are shown.
    """
    every = len(rows)
    rows = rows[:MOST_ROWS] if whole else rows
    table = Table(title=as_written(title), title_justify="left")
    shown = [i for i, column in enumerate(columns) if column or any(row[i] != "" for row in rows)]
    for i in shown:
        numeric = all(not isinstance(row[i], str) for row in rows)
        side = "right" if numeric else "left"
        table.add_column(as_written(columns[i]), justify=side, no_wrap=numeric, overflow="fold")
    for row in rows:
        table.add_row(
            *(as_written(cell if isinstance(cell, str) else number(cell)) for cell in (row[i] for i in shown))
        )
    stdout().print(table)
    if len(rows) < every:
        print(printable(f"the first {len(rows)} of {every:,} rows; all are in {whole}"))


def short_names(names: Sequence[str], most: int = 48) -> dict[str, str]:
    """Names as tables show them, the middle of long ones left out; in full where two would look the same."""
    half = most // 2
    short = {name: name if len(name) <= most else f"{name[:half]}…{name[-half:]}" for name in names}
    return short if len(set(short.values())) == len(short) else {name: name for name in names}


def number(value: float | None) -> str:
    """Four digits, '-' for a number that does not exist."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.4g}"


def print_notes(named: Mapping[str, Iterable[object]]) -> None:
    """A line for each note, after the name of what it is about."""
    for name, notes in named.items():
        for note in notes:
            print(printable(f"  {name}: {note}"))
