"""Forecast learning curves beyond their data, with intervals, without choosing a law."""

import argparse

from scalax.cli._curves import add_curve_arguments, curves_of, names
from scalax.errors import UserError

HELP = "say where learning curves go next, and how sure that is"


def configure(parser: argparse.ArgumentParser) -> None:
    add_curve_arguments(parser, "runs/forecast")
    parser.add_argument(
        "--at", default="", metavar="X,X", help="where to forecast (2, 4 and 10 times the last x)"
    )
    parser.add_argument("--target", type=float, help="also show at which x the curve reaches this y")
    parser.add_argument(
        "--members",
        default="m3,m4,bnsl",
        metavar="LAWS",
        help="laws to average, each with a prior (m3,m4,bnsl)",
    )


def run(args: argparse.Namespace) -> None:
    at, members = _numbers(args.at) or None, names(args.members)
    if args.target is not None and not 0 < args.target < float("inf"):
        raise UserError(f"--target must be positive, got {args.target}")
    from scalax import laws
    from scalax.report import console, law_files

    curves = curves_of(args)
    with console.LateBar("forecasting", len(curves) * len(members)) as bar:
        forecasts = laws.forecast(curves, at, progress=bar.update, members=members)
    rows = law_files.write_forecasts(args.out, curves, forecasts, args.target)
    shown = [
        [
            r["curve"],
            f"{r['x']:.4g}",
            r["median"],
            *(f"{r[f'low{level}']:.4g} to {r[f'high{level}']:.4g}" for level in (50, 80, 95)),
            *(r[name] for name in members),
        ]
        for r in rows
    ]
    columns = ["curve", "x", "median", "50%", "80%", "95%", *members]
    console.print_table("forecast of a new observation", columns, shown)
    console.print_notes({f.name: _lines(f, args.target) for f in forecasts})
    print(f"wrote {args.out}/forecast.json, forecast.csv and figures/")


def _lines(forecast, target: float | None) -> list[str]:
    """Its notes, how much it hangs on the last rows, and where it reaches the target."""
    lines = list(forecast.notes)
    for rows, median in forecast.stability.items():
        moved = ", ".join(f"{v:+.2%}" for v in median / forecast.median - 1)
        lines.append(f"without the last {rows} rows: {moved}")
    return lines if target is None else [*lines, f"target {target:g}: {forecast.reach(target)}"]


def _numbers(text: str) -> list[float]:
    out = []
    for word in filter(None, text.split(",")):
        try:
            value = float(word)
        except ValueError:
            value = float("nan")
        if not 0 < value < float("inf"):
            raise UserError(f"--at: {word!r} is not a positive number")
        out.append(value)
    return out
