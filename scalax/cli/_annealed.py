"""`scalax forecast` where learning rates are known: by the law of learning rates."""

import argparse
import math
from typing import TYPE_CHECKING

from scalax.cli._curves import flagged, print_forecasts, print_remarks
from scalax.errors import UserError
from scalax.names import printable

if TYPE_CHECKING:
    from scalax.laws import Curves
    from scalax.laws.rates import Rates

LEAST_ROWS = 8  # of different x


def add_rate_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "learning rates", "forecast losses by the law with annealing, L = e + a S1^-alpha - c S2"
    )
    group.add_argument(
        "--lr", metavar="COL", help="column of the learning rate; after the rows the last is held"
    )
    group.add_argument(
        "--lr-schedule",
        metavar="SPEC,SPEC",
        help="in place of a column, in units of x: constant:WARMUP, cosine:WARMUP:TOTAL[:LAST],"
        " linear:WARMUP:TOTAL[:LAST] or wsd:WARMUP:TOTAL[:DECAY[:LAST]], DECAY a share of TOTAL, LAST one of"
        " the peak; one, or one a curve",
    )
    group.add_argument("--then", metavar="SPEC", help="forecast a new run with this schedule instead")
    group.add_argument("--together", action="store_true", help="the curves differ in their schedules alone")


def is_annealed(args: argparse.Namespace, members: str) -> bool:
    """Whether learning rates are given. Raises UserError for options that do not apply.

    - members: the default of `--members`.
    """
    if args.lr is None and args.lr_schedule is None:
        for flag, value in (("--then", args.then), ("--together", args.together)):
            if value:
                raise UserError(f"{flag} needs learning rates: give --lr COL or --lr-schedule SPEC")
        return False
    if args.lr is not None and args.lr_schedule is not None:
        raise UserError("--lr and --lr-schedule both say what the learning rate is; give one")
    applicable = {
        "--target": args.target is None,
        "--members": args.members == members,
        "--each": not args.each,
        "--pool": args.pool is None,
    }
    for flag, applies in applicable.items():
        if not applies:
            raise UserError(f"{flag} does not apply where learning rates are given; leave it out")
    return True


def rates_of(args: argparse.Namespace, curves: "Curves") -> "tuple[list[Rates], list[Rates] | None]":
    """The rates of each curve, and of the run to be forecast where it is another, at the same peak."""
    from scalax.laws.rates import from_column, from_words

    if args.lr is not None:
        rates = []
        for curve in curves:
            try:
                rates.append(from_column(curve.x, curve.lr))
            except UserError as e:
                raise UserError(f"curve {curve.name!r}: {e}") from None
        peaks = [float(rate.at(curve.x).max()) for rate, curve in zip(rates, curves, strict=True)]
        return rates, [from_words(args.then, peak, "then") for peak in peaks] if args.then else None
    words = args.lr_schedule.split(",")
    if len(words) not in (1, len(curves)):
        raise UserError(
            f"--lr-schedule gives {len(words)} schedules for {len(curves)} curves; give one, or one for each:"
            f" {', '.join(curve.name for curve in curves)}"[:300]
        )
    words = words * len(curves) if len(words) == 1 else words
    then = [from_words(args.then, argument="then") for _ in words] if args.then else None
    return [from_words(each) for each in words], then


def run(args: argparse.Namespace, curves: "Curves", at: list[float] | None) -> None:
    """Fit, print, and write forecast.json, forecast.csv and figures."""
    from scalax.laws.annealing import forecast_annealed
    from scalax.report import annealing_files, console

    rates, then = rates_of(args, curves)
    forecasts = forecast_annealed(curves, rates, at, then, args.together)
    rows = annealing_files.write(args.out, curves, forecasts)
    short = console.short_names([curve.name for curve in curves])
    print_remarks(args, curves.remarks)
    print_forecasts(args, rows, short)
    lines = {}
    for f in forecasts:
        params = ", ".join(
            f"{name} {value:.4g} (to a factor of {math.exp(f.stderr[name]):.3g})"
            for name, value in f.law.params.items()
        )
        lines[short[f.name]] = [*f.notes, f"{params}; RMSLE {f.rmsle:.4f}"]
    console.print_notes(flagged(args, lines))
    print(printable(f"wrote {args.out}/forecast.json, forecast.csv and figures/"))
