"""What `scalax fit`, `forecast` and `bench` share: arguments, a late progress bar, files and tables."""

import argparse
import csv
import math
import re
import threading
from pathlib import Path

from scalax.errors import UserError

AFTER_S = 2.0  # a command that is done sooner shows no bar


def add_curve_arguments(parser: argparse.ArgumentParser, out: str, example: bool = True) -> None:
    parser.add_argument("files", nargs="*", metavar="CURVES", help="CSV or JSONL files of learning curves")
    if example:
        parser.add_argument("--example", action="store_true", help="use three curves that come with scalax")
    parser.add_argument("--x", metavar="COL", help="column of x, e.g. examples seen or FLOPs")
    parser.add_argument("--y", metavar="COL", help="column of y, e.g. loss or error")
    parser.add_argument("--by", metavar="COL,COL", default="", help="columns whose values name a curve")
    parser.add_argument("--split", metavar="COL", help="column: 1 for a row to fit, 0 for one held out")
    parser.add_argument("--out", type=Path, default=Path(out), help=f"directory for results ({out})")


def curves_of(args: argparse.Namespace) -> list:
    """The curves the arguments name. Raises UserError without any, or where `--out` is a file."""
    from scalax import laws

    if args.out.exists() and not args.out.is_dir():
        raise UserError(f"--out {args.out}: is a file, want a directory")
    if getattr(args, "example", False):
        return laws.example_curves()
    if not args.files:
        raise UserError("no file of curves given" + ("; try --example" if hasattr(args, "example") else ""))
    by = tuple(column for column in args.by.split(",") if column)
    found = [c for file in args.files for c in laws.read_curves(file, args.x, args.y, by, args.split)]
    names = [curve.name for curve in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"two curves are named {twice[0]!r}; tell them apart with --by")
    return found


class LateBar:
    """A progress bar that appears once the work has taken two seconds; `update(n)` adds finished parts."""

    def __init__(self, what: str, total: int):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self.task = self.bar.add_task(what, total=total)
        self.timer = threading.Timer(AFTER_S, self.bar.start)

    def update(self, parts: int) -> None:
        self.bar.advance(self.task, parts)

    def __enter__(self) -> "LateBar":
        self.timer.daemon = True
        self.timer.start()
        return self

    def __exit__(self, *_) -> None:
        self.timer.cancel()
        if self.bar.live.is_started:
            self.bar.stop()


def write_csv(path: Path, rows: list[dict]) -> None:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def write_json(path: Path, data) -> None:
    from scalax.records import dumps, write_atomically

    write_atomically(path, dumps(data, indent=1) + "\n")


def print_table(title: str, columns: list[str], rows: list[list]) -> None:
    """Text left, numbers right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        numeric = all(not isinstance(row[i], str) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=numeric)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, str) else number(cell) for cell in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(table)


def number(value) -> str:
    """Four digits, '-' for a number that does not exist."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.4g}"


def print_notes(named: dict[str, list[str]]) -> None:
    for name, notes in named.items():
        for note in notes:
            print(f"  {name}: {note}")


def slugs(names: list[str]) -> list[str]:
    """File names of curves, each its own."""
    out: list[str] = []
    for name in names:
        slug = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")[:80] or "curve"
        while slug in out:
            slug += "_"
        out.append(slug)
    return out
