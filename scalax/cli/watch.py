"""Watch runs that are still going: what they will end at, and whether to stop them."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from scalax.cli._curves import add_curve_arguments, curves_of, print_remarks
from scalax.errors import UserError

if TYPE_CHECKING:
    from scalax.laws import Curves
    from scalax.laws.watch import Outlook

HELP = "forecast the end of a run that is still going, and say stop or go on"
LONGEST_WAIT = 7 * 24 * 3600  # seconds between looks


def configure(parser: argparse.ArgumentParser) -> None:
    add_curve_arguments(parser, "runs/watch", example=False)
    add = parser.add_argument
    add("--end", type=float, metavar="X", help="planned last x (of our own runs: their budget)")
    add("--target", type=float, metavar="Y", help="stop where y at the end will hardly reach this")
    add("--best", action="store_true", help="the target is the best last y of the runs that have ended")
    add("--risk", type=float, default=0.05, help="chance of reaching the target to stop below (0.05)")
    add("--every", type=float, default=30.0, metavar="S", help="seconds between looks at the files (30)")
    add("--once", action="store_true", help="look once")


def run(args: argparse.Namespace) -> None:
    if args.best and args.target is not None:
        raise UserError("give `target` or `best`, not both")
    if not args.every > 0:
        raise UserError(f"`every` must be positive, got {args.every:g}")
    if args.every > LONGEST_WAIT:
        raise UserError(f"`every` must be {LONGEST_WAIT} at most, got {args.every:g}")
    if not 0 < args.risk < 1:
        raise UserError(f"`risk` must lie between 0 and 1, got {args.risk:g}")
    if args.end is not None and not 0 < args.end < float("inf"):
        raise UserError(f"`end` must be positive, got {args.end:g}")
    curves, seen, history = curves_of(args, least=1), {}, []
    end = _end(args, curves)
    print_remarks(args, curves.remarks)
    while True:
        made = _look(args, curves, end, seen)
        for outlook in made:
            seen[outlook.name] = outlook
            history.append(outlook)
            print(f"{outlook.name or args.files[0]}: {outlook}", flush=True)
        if made:
            _write(args, curves, seen, history)
        if args.once or all(outlook.x >= end for outlook in seen.values()):
            break
        if len(history) == len(made):  # after the first look
            print(f"looking again every {args.every:g} s until the end; --once looks once", file=sys.stderr)
        time.sleep(args.every)
        curves = curves_of(args, least=1)
    print(f"wrote {args.out}/watch.json, watch.csv and figures/")


def _end(args: argparse.Namespace, curves: "Curves") -> float:
    """The planned last x: given, or the budget of our own runs where x is their FLOPs."""
    from scalax import records

    places = [Path(file) for file in args.files if Path(file).is_dir()]
    runs = [run for place in places for run in (place, *sorted(place.glob("runs/*"))) if records.is_run(run)]
    if not runs or curves[0].labels[0] != "flops":
        if args.end is None:
            raise UserError("where does the run end? give its planned last x in `end`")
        return args.end
    budget = max(records.read_info(run).schedule.budget_flops for run in runs)
    if args.end is not None and args.end > budget:
        raise UserError(
            f"`end` {args.end:g} is past the budget of these runs, {budget:g} FLOPs; leave it out"
        )
    return budget if args.end is None else args.end


def _look(
    args: argparse.Namespace, curves: "Curves", end: float, seen: "dict[str, Outlook]"
) -> "list[Outlook]":
    """Outlooks of the curves that have new rows."""
    from scalax.laws.watch import outlooks

    rows = {curve.name: (float(curve.x.max()), len(set(curve.x))) for curve in curves}
    new = [c for c in curves if c.name not in seen or (seen[c.name].x, seen[c.name].rows) != rows[c.name]]
    target = _best(curves, end) if args.best else args.target
    return outlooks(new, [end] * len(new), [target] * len(new), args.risk)


def _best(curves: "Curves", end: float) -> float | None:
    """The best last y of the runs that have ended, as it is written; None before one has."""
    ended = [float(c.y[c.x == c.x.max()].mean()) for c in curves if c.x.max() >= end]
    return float(curves[0].scale.shown(min(ended))) if ended else None


def _write(
    args: argparse.Namespace, curves: "Curves", seen: "dict[str, Outlook]", history: "list[Outlook]"
) -> None:
    from scalax.report import watch_files

    watch_files.write(args.out, curves, list(seen.values()), history)
