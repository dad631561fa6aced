"""Say how large a model to train on how much data for a budget, from runs of many sizes, in two ways."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from scalax.cli._curves import check_paths, local, names, print_remarks
from scalax.cli._numbers import numbers
from scalax.errors import UserError

if TYPE_CHECKING:
    from scalax.laws.joint import Allocation

MOST_RESAMPLES, MOST_FLOPS = 100_000, 1e100
HELP = "which size and how much data to take for a budget of FLOPs"


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("files", nargs="*", metavar="RUNS", help="files of runs of many sizes, a row a measurement")
    add("--flops", default="", metavar="F,F", help="budgets (1, 10 and 100 times the most in RUNS)")
    add("--x", metavar="N,D", help="size and data, e.g. params,tokens or N,flops/6/N (guessed by name)")
    add("--y", metavar="COL", help="column of the loss or error (guessed)")
    add("--by", metavar="COL,COL", help="columns that name a run of several rows, '' for none (guessed)")
    add("--factor", type=float, default=6.0, help="training FLOPs for each unit of size times data (6)")
    add("--bound", type=float, metavar="Y", help="y at best: laws are of the distance from it")
    add("--decimal", metavar="MARK", help="'.' or ',', where numbers could be read either way")
    add(
        "--without-lowest",
        type=int,
        default=0,
        metavar="N",
        help="leave out the N rows of least data to size",
    )
    add("--resamples", type=int, default=200, metavar="N", help="of the runs, for intervals (200)")
    add("--out", type=local, default=Path("runs/allocate"), help="directory for results (runs/allocate)")


def run(args: argparse.Namespace) -> None:
    budgets = numbers("flops", args.flops)
    if budgets and max(budgets) > MOST_FLOPS:
        raise UserError(f"`flops` must be {MOST_FLOPS:g} at most, got {max(budgets):g}")
    if not args.factor > 0:
        raise UserError(f"`factor` must be positive, got {args.factor:g}")
    if args.without_lowest < 0:
        raise UserError(f"`without_lowest` must not be negative, got {args.without_lowest}")
    if args.resamples > MOST_RESAMPLES:
        raise UserError(f"`resamples` must be {MOST_RESAMPLES} at most, got {args.resamples}")
    if args.bound is not None and not math.isfinite(args.bound):
        raise UserError(f"`bound` must be a finite number, got {args.bound}")
    check_paths(args)
    import numpy as np

    from scalax.laws.joint import allocate
    from scalax.laws.readers.several import guess_size_and_data, read_runs
    from scalax.report import allocation_files

    x = names(args.x) if args.x else guess_size_and_data(args.files[0], args.factor)
    by = None if args.by is None else names(args.by)
    runs, remarks = read_runs(args.files, x, args.y, by, args.bound, args.decimal)
    runs = runs.without_lowest(args.without_lowest)
    if runs.x.shape[1] != 2:
        raise UserError(f"`x` must name two variables, size and data, got {len(runs.variables)}")
    if runs.variables[0] == runs.variables[1]:
        raise UserError(f"`x` must name two variables, size and data, got {runs.variables[0]!r} twice")
    with np.errstate(over="ignore", under="ignore"):
        flops = args.factor * runs.x.prod(1)
    most = float(flops.max())
    if not (flops.min() > 1 / MOST_FLOPS and most < MOST_FLOPS):
        raise UserError(
            f"`x`: size times data times `factor` {args.factor:g} goes from {flops.min():g} to {most:g}"
            f" FLOPs; want {1 / MOST_FLOPS:g} to {MOST_FLOPS:g}"
        )
    made = allocate(runs, budgets or [most, 10 * most, 100 * most], args.factor, args.resamples)
    allocation_files.write(args.out, made)
    print_remarks(args, remarks)
    if not args.x:
        print(f"size and data are taken from {', '.join(x)}; name others in --x")
    _show(made)
    print(f"wrote {args.out}/allocation.json, allocation.csv, levels.csv and allocation.png")


def _show(made: "Allocation") -> None:
    from scalax.report import console

    size, data = made.fit.variables
    rows = [[f"{c.flops:.3g}", c.method, *(_cell(*each) for each in _numbers_of(c))] for c in made.choices]
    columns = ["FLOPs", "by", f"{size} (80%)", f"{data} (80%)", f"{made.runs.label} (80%)"]
    console.print_table(f"{len(made.runs)} rows of {made.fit.runs} runs", columns, rows)
    for method, (slope, low, high) in made.exponents.items():
        ends = f" ({low:.3f} to {high:.3f})" if low == low else ""
        print(f"  by {method}: best {size} grows as FLOPs^{slope:.3f}{ends}")
    for flag in made.flags:
        print(f"  {flag}")


def _numbers_of(choice) -> list[tuple[float, tuple[float, float], str]]:
    return [
        (choice.size, choice.size_ends, ".3g"),
        (choice.data, choice.data_ends, ".3g"),
        (choice.y, choice.y_ends, ".4g"),
    ]


def _cell(value: float, ends: tuple[float, float], spec: str) -> str:
    known = ends[0] == ends[0]
    return f"{value:{spec}}" + (f" ({ends[0]:{spec}} to {ends[1]:{spec}})" if known else "")
