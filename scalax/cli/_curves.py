"""Arguments of `scalax fit`, `forecast` and `bench` that name curves, and the curves that they name."""

import argparse
import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scalax.cli._given import refuse
from scalax.errors import UserError, with_flags
from scalax.names import printable
from scalax.places import check_results, on_this_machine

if TYPE_CHECKING:
    from scalax.laws import Curves
    from scalax.records.remark import Remark


def add_curve_arguments(
    parser: argparse.ArgumentParser, out: str, example: bool = True, split: bool = True
) -> None:
    """Files, their columns, and where to write.

    - parser: of the command.
    - out: directory for results by default.
    - example: whether to offer ours.
    - split: whether it matters which rows are held out.
    """
    parser.add_argument(
        "files", nargs="*", metavar="CURVES", help="files or directories of learning curves, of any trainer"
    )
    if example:
        parser.add_argument("--example", action="store_true", help="use three curves that come with scalax")
    parser.add_argument(
        "--x", metavar="COL", help="column of x, e.g. flops, epoch+1 or step*524288 (guessed)"
    )
    parser.add_argument("--y", metavar="COL,COL", help="columns of y, e.g. loss or 'val_*' (guessed)")
    parser.add_argument(
        "--by", metavar="COL,COL", help="columns whose values name a curve, '' for none (guessed)"
    )
    if split:
        parser.add_argument(
            "--split", metavar="COL", help="column that is 1 in rows to fit, and 0 in rows held out"
        )
    parser.add_argument(
        "--bound",
        type=float,
        metavar="Y",
        help="y at best: laws are fitted to the distance from it (1 or 100 for accuracies, else 0)",
    )
    parser.add_argument(
        "--decimal", metavar="MARK", help="'.' or ',', where numbers could be read either way"
    )
    parser.add_argument(
        "--repeats", action="store_true", help="rows of one x are repeats of one curve, in whatever order"
    )
    parser.add_argument("--out", type=local, default=Path(out), help=f"directory for results ({out})")


def local(text: str) -> Path:
    """An argument that is a path on this machine."""
    try:
        return on_this_machine(text, "path")
    except UserError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


COLUMNS = ("x", "y", "by", "split", "bound", "decimal", "repeats")  # what says how files are read


def add_each(parser: argparse.ArgumentParser) -> None:
    """Whether each of many curves has a figure of its own."""
    parser.add_argument(
        "--each", action="store_true", help="a figure of each curve; else over 9 go to one page of panels"
    )


def add_pool(parser: argparse.ArgumentParser) -> None:
    """Whether curves of one file tell of each other."""
    parser.add_argument(
        "--pool",
        metavar="COL,COL",
        help="forecast curves together: those that share a value of these columns, and all of them, have"
        " something in common as far as their rows show it ('*' for every column, '' for none)",
    )


def curves_of(args: argparse.Namespace, least: int = 2) -> "Curves":
    """The curves the arguments name; those with fewer than `least` rows of different x are left out, and
    remarked. Raises UserError without any, or where `--out` is a file."""
    is_example = getattr(args, "example", False)
    if is_example:
        refuse(args, ("files", *COLUMNS), "beside `example`")
    check_paths(args)
    from scalax import laws
    from scalax.report import console

    if is_example:
        return laws.example_curves()
    with console.LateBar("reading", len(args.files)) as bar:
        return laws.read_curves(
            args.files,
            args.x,
            args.y,
            None if args.by is None else names(args.by),
            getattr(args, "split", None),
            args.bound,
            args.decimal,
            args.repeats,
            least,
            getattr(args, "lr", None),
            progress=bar.update,
        )


def check_held_out(args: argparse.Namespace, curves: "Curves", instead: str = "") -> None:
    """Raises UserError where no curve has rows held out.

    - args: of the command.
    - curves: that were read.
    - instead: what else may be done, as the end of the sentence.
    """
    if all(curve.fit.all() for curve in curves):
        files = ", ".join(map(str, args.files)) or "the example"
        raise UserError(
            f"{files[:200]}: no row is held out; name in `split` the column that is 1 in rows to fit and 0 in"
            f" rows held out{instead}"
        )


def check_paths(args: argparse.Namespace) -> None:
    """Raises UserError where `--out` cannot be made, no file is named, or one is missing; imports no JAX."""
    check_results(args.out, "--out")
    if not args.files and not getattr(args, "example", False):
        raise UserError("no file of curves given" + ("; try --example" if hasattr(args, "example") else ""))
    for file in args.files:
        _exists(on_this_machine(file, "`files`"))


def _exists(path: Path) -> None:
    if path.exists():
        return
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, siblings, n=1)
    hint = f" (did you mean {str(path.parent / near[0])!r}?)" if near else ""
    raise UserError(f"{path}: no such file or directory{hint}; give a file of curves")


def print_remarks(args: argparse.Namespace, remarks: "Iterable[Remark]", split: bool = True) -> None:
    """A line for each thing that was guessed or left out, but for what the curves' own notes say.

    - args: of the command.
    - remarks: of a reader.
    - split: whether it matters which rows are held out.
    """
    for remark in remarks:
        if split or remark.kind != "held_out":
            print(printable(with_flags(str(remark), args.flags)))


def print_forecasts(
    args: argparse.Namespace,
    rows: Sequence[Mapping],
    short: Mapping[str, str],
    members: Sequence[str] = (),
) -> None:
    """The table of forecasts.

    - args: of the command; forecast.csv is in `out`.

    - rows: of forecast.csv.
    - short: names of curves in the table, by name.
    - members: laws whose own medians are shown.
    """
    from scalax.report import console

    shown = [
        [
            short[r["curve"]],
            f"{r['x']:.4g}",
            r["median"],
            *(f"{r[f'low{level}']:.4g} to {r[f'high{level}']:.4g}" for level in (50, 80, 95)),
            *(r[name] for name in members),
        ]
        for r in rows
    ]
    columns = ["curve", "x", "median", "50%", "80%", "95%", *members]
    console.print_table("forecast of a new observation", columns, shown, f"{args.out}/forecast.csv")


def flagged(args: argparse.Namespace, named: Mapping[str, Sequence[object]]) -> dict[str, list[str]]:
    """Notes on curves by name, with flags for the arguments that they name."""
    return {name: [with_flags(str(note), args.flags) for note in notes] for name, notes in named.items()}


def names(text: str) -> tuple[str, ...]:
    """The parts of 'a,b'."""
    return tuple(name for name in text.split(",") if name)
