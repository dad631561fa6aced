"""Arguments of `scalax fit`, `forecast` and `bench` that name curves, and the curves that they name."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from scalax.errors import UserError

if TYPE_CHECKING:
    from scalax.laws import Curve


def add_curve_arguments(parser: argparse.ArgumentParser, out: str, example: bool = True) -> None:
    """Files, their columns, and where to write (`out` by default); example: whether to offer ours."""
    parser.add_argument("files", nargs="*", metavar="CURVES", help="CSV or JSONL files of learning curves")
    if example:
        parser.add_argument("--example", action="store_true", help="use three curves that come with scalax")
    parser.add_argument("--x", metavar="COL", help="column of x, e.g. examples seen or FLOPs")
    parser.add_argument("--y", metavar="COL", help="column of y, e.g. loss or error")
    parser.add_argument("--by", metavar="COL,COL", default="", help="columns whose values name a curve")
    parser.add_argument(
        "--split", metavar="COL", help="column that is 1 in rows to fit, and 0 in rows held out"
    )
    parser.add_argument("--out", type=Path, default=Path(out), help=f"directory for results ({out})")


def curves_of(args: argparse.Namespace) -> list["Curve"]:
    """The curves the arguments name. Raises UserError without any, or where `--out` is a file."""
    from scalax import laws

    if args.out.exists() and not args.out.is_dir():
        raise UserError(f"--out {args.out}: is a file, want a directory")
    if getattr(args, "example", False):
        return laws.example_curves()
    if not args.files:
        raise UserError("no file of curves given" + ("; try --example" if hasattr(args, "example") else ""))
    found = [
        c for file in args.files for c in laws.read_curves(file, args.x, args.y, names(args.by), args.split)
    ]
    curve_names = [curve.name for curve in found]
    if twice := [name for name in curve_names if curve_names.count(name) > 1]:
        raise UserError(f"two curves are named {twice[0]!r}; tell them apart with --by")
    return found


def names(text: str) -> tuple[str, ...]:
    """The parts of 'a,b'."""
    return tuple(name for name in text.split(",") if name)
