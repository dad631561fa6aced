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
    ends = _ends(args, curves)
    print_remarks(args, curves.remarks)
    while True:
        made = _look(args, curves, ends, seen)
        for outlook in made:
            seen[outlook.name] = outlook
            history.append(outlook)
            print(f"{outlook.name or args.files[0]}: {outlook}", flush=True)
        if made:
            _write(args, curves, seen, history)
        if args.once or all(outlook.x >= outlook.end for outlook in seen.values()):
            break
        if len(history) == len(made):  # after the first look
            print(f"looking again every {args.every:g} s until the end; --once looks once", file=sys.stderr)
        time.sleep(args.every)
        curves = curves_of(args, least=1)
        ends = _ends(args, curves)
    print(f"wrote {args.out}/watch.json, watch.csv and figures/")


def _ends(args: argparse.Namespace, curves: "Curves") -> list[float]:
    """The planned last x of each curve: given, or of our own runs, where x is their FLOPs, the budget. A run
    of ours that is finished has ended with its last row."""
    from scalax import records

    places = [Path(file) for file in args.files if Path(file).is_dir()]
    runs = [run for place in places for run in (place, *sorted(place.glob("runs/*"))) if records.is_run(run)]
    if args.end is not None and args.once:
        return [args.end] * len(curves)
    if not runs or curves[0].labels[0] != "flops":
        if args.end is None:
            raise UserError("where does the run end? give its planned last x in `end`")
        return [args.end] * len(curves)
    infos = {run.name: records.read_info(run) for run in runs}
    most = max(info.schedule.budget_flops for info in infos.values())
    ends = []
    for curve in curves:
        info = infos.get(str(curve.key.get("run", curve.name)))
        end = args.end or (most if info is None else info.schedule.budget_flops)
        ends.append(min(end, float(curve.x.max())) if info is not None and info.finished else end)
    return ends


def _look(
    args: argparse.Namespace, curves: "Curves", ends: list[float], seen: "dict[str, Outlook]"
) -> "list[Outlook]":
    """Outlooks of the curves that have new rows, or have ended since."""
    from scalax.laws.watch import outlooks

    new = []
    for curve, end in zip(curves, ends, strict=True):
        known = seen.get(curve.name)
        now = (float(curve.x.max()), len(set(curve.x)), end)
        if known is None or (known.x, known.rows, known.end) != now:
            new.append((curve, end))
    target = _best(curves, ends) if args.best else args.target
    return outlooks([c for c, _ in new], [end for _, end in new], [target] * len(new), args.risk)


def _best(curves: "Curves", ends: list[float]) -> float | None:
    """The best last y of the runs that have ended, as it is written; None before one has."""
    pairs = zip(curves, ends, strict=True)
    ended = [float(c.y[c.x == c.x.max()].mean()) for c, end in pairs if c.x.max() >= end]
    return float(curves[0].scale.shown(min(ended))) if ended else None


def _write(
    args: argparse.Namespace, curves: "Curves", seen: "dict[str, Outlook]", history: "list[Outlook]"
) -> None:
    from scalax.report import watch_files

    watch_files.write(args.out, curves, list(seen.values()), history)
