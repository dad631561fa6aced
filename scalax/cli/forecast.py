"""Forecast learning curves beyond their data, with intervals, without choosing a law."""

import argparse

from scalax.cli import _annealed
from scalax.cli._curves import (
    add_curve_arguments,
    add_each,
    add_pool,
    curves_of,
    flagged,
    names,
    print_forecasts,
    print_remarks,
)
from scalax.cli._numbers import numbers
from scalax.errors import UserError
from scalax.names import printable

MEMBERS = "m1,m2,m3,m4,bnsl,shifted_power"
LEAST_ROWS = 5  # of different x
HELP = "say where learning curves go next, and how sure that is"


def configure(parser: argparse.ArgumentParser) -> None:
    add_curve_arguments(parser, "runs/forecast")
    add_each(parser)
    parser.add_argument(
        "--at", default="", metavar="X,X", help="where to forecast (2, 4 and 10 times the last x to fit)"
    )
    parser.add_argument("--target", type=float, help="also show at which x the curve reaches this y")
    parser.add_argument(
        "--members",
        default=MEMBERS,
        metavar="LAWS",
        help=f"laws to weigh, each with a prior ({MEMBERS})",
    )
    add_pool(parser)
    _annealed.add_rate_arguments(parser)


def run(args: argparse.Namespace) -> None:
    pool = None if args.pool is None else names(args.pool)
    at, members = numbers("at", args.at) or None, names(args.members)
    if args.target is not None and not abs(args.target) < float("inf"):
        raise UserError(f"--target must be a number, got {args.target}")
    by_rates = _annealed.is_annealed(args, MEMBERS)
    curves = curves_of(args, least=_annealed.LEAST_ROWS if by_rates else LEAST_ROWS)
    if by_rates:
        return _annealed.run(args, curves, at)
    for curve in curves:
        _check_target(args.target, curve)
    from scalax import laws
    from scalax.report import console, law_files

    with console.LateBar("forecasting", len(curves) * len(members)) as bar:
        forecasts = laws.forecast(curves, at, bar.update, members, pool)
    with console.LateBar("drawing", len(curves)) as bar:
        rows = law_files.write_forecasts(args.out, curves, forecasts, args.target, args.each, bar.update)
    short = console.short_names([curve.name for curve in curves])
    print_remarks(args, curves.remarks)
    print_forecasts(args, rows, short, members)
    lines = {short[f.name]: _lines(f, c.scale, args.target) for c, f in zip(curves, forecasts, strict=True)}
    console.print_notes(flagged(args, lines))
    print(printable(f"wrote {args.out}/forecast.json, forecast.csv and figures/"))


def _check_target(target: float | None, curve) -> None:
    """Raises UserError where no y of the curve can be the target, before the work begins."""
    if target is not None and curve.scale.distance(target) <= 0:
        if curve.scale.plain:
            raise UserError(f"--target must be positive, got {target}")
        side = "below" if curve.scale.below else "above"
        units = f"; {curve.labels[1]} is written as {curve.scale.shown(curve.y[-1]):.4g} in the last row"
        raise UserError(f"--target must be {side} {curve.scale.bound:g}, got {target}{units}")


def _lines(forecast, scale, target: float | None) -> list[str]:
    """Its notes, how much it hangs on the last rows, and where it reaches the target."""
    lines = [*forecast.notes, *map(str, forecast.flags)]
    ranked = sorted(forecast.weights.items(), key=lambda each: -each[1])
    lines.append("laws count " + ", ".join(f"{name} {weight:.0%}" for name, weight in ranked))
    for rows, median in forecast.stability.items():
        moved = ", ".join(f"{v:+.2%}" for v in scale.shown(median) / scale.shown(forecast.median) - 1)
        lines.append(f"without the last {rows} rows: {moved}")
    return lines if target is None else [*lines, f"target {target:g}: {forecast.reach(target, scale)}"]
