"""Options of `scalax fit` about broken power laws: their segments, and how many breaks they have."""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from scalax.errors import UserError

if TYPE_CHECKING:
    from scalax.laws import Choice, Curve


def add_broken_arguments(parser: argparse.ArgumentParser) -> None:
    """`--segments` and `--choose-breaks`."""
    parser.add_argument(
        "--segments",
        action="store_true",
        help="take broken laws (bnsl, bnsl2, ...) apart: exponent and range of each segment, place and width"
        " of each break",
    )
    parser.add_argument(
        "--choose-breaks",
        type=int,
        metavar="MOST",
        help="also fit BNSL with 0 to MOST breaks from several first rows on, and keep what predicts the last"
        " fifth of the rows to fit best (MOST up to 4; needs ten rows)",
    )


def check(args: argparse.Namespace, families: Sequence[str]) -> None:
    """Raises UserError where more breaks are asked for than laws have, or segments of laws without any."""
    if args.choose_breaks is None and not args.segments:
        return
    from scalax.laws import lookup
    from scalax.laws.families.bnsl import MOST_BREAKS

    if args.choose_breaks is None:
        if not any(lookup(name).segments for name in families):
            raise UserError("`segments` is of broken laws; name one in `families`, e.g. bnsl")
    elif not 0 <= args.choose_breaks <= MOST_BREAKS:
        raise UserError(f"`choose_breaks` must be 0 to {MOST_BREAKS}, got {args.choose_breaks}")


def choose(args: argparse.Namespace, curves: "Sequence[Curve]", objective: str) -> "list[Choice]":
    """The breaks and first row of each curve, and choices.json and choices.csv; none where not asked for."""
    if args.choose_breaks is None:
        return []
    from scalax.laws.select import choose_all
    from scalax.report import console, law_files

    with console.LateBar("choosing breaks", len(curves)) as bar:
        choices = choose_all(curves, args.choose_breaks, objective=objective, progress=bar.update)
    law_files.write_choices(args.out, curves, choices)
    return choices


def name_of(choice: "Choice") -> str:
    """Of the chosen law among other fits of the curve."""
    return f"{choice.fit.family}-chosen"


def print_choices(curves: "Sequence[Curve]", choices: "Sequence[Choice]", short: Mapping[str, str]) -> None:
    """A line for each curve and first row: the tail's error by number of breaks, the chosen one starred."""
    from scalax.report import console

    rows = []
    for curve, choice in zip(curves, choices, strict=True):
        for crop, begin in choice.begins.items():
            own = {n: score for (n, share), score in choice.scores.items() if share == crop}
            stars = [(n, begin) == (choice.breaks, choice.first_x) for n in own]
            cells = [f"{score:.4g}{'*' * star}" for score, star in zip(own.values(), stars, strict=True)]
            rows.append([short[curve.name], begin, choice.tail_x, *cells])
    breaks = sorted({n for n, _ in choices[0].scores})
    heads = ["curve", "first row x", "tail from x", *(f"{n} break{'s' * (n != 1)}" for n in breaks)]
    console.print_table("RMSLE over the tail of the rows to fit; * is chosen", heads, rows)


def print_segments(rows: Sequence[Mapping], short: Mapping[str, str]) -> None:
    """A line for each segment with the break that follows it.

    - rows: of segments.csv.
    - short: names of curves in the table, by name.
    """
    from scalax.report import console
    from scalax.report.console import number

    shown = []
    for row in rows:
        place = row.get("break_x")
        wide = f"{number(row['break_last_x'] / row['break_first_x'])}x" if place else ""
        shown.append(
            [
                short[row["curve"]],
                row["law"],
                str(row["segment"]),
                f"{'start' if not row['first_x'] else number(row['first_x'])} to {_end(row['last_x'])}",
                str(row["rows"]),
                row["exponent"],
                row["actual"],
                number(place) if place else "",
                wide,
            ]
        )
    heads = ["curve", "law", "segment", "x", "rows", "exponent", "in the middle", "break after", "its width"]
    console.print_table("segments: y - limit = b x^-exponent", heads, shown)


def _end(x: float) -> str:
    from scalax.report.console import number

    return "end" if x == float("inf") else number(x)
