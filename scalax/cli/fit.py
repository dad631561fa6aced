"""Fit scaling laws to learning curves by least squares and say how well each does."""

import argparse

from scalax.cli._curves import add_curve_arguments, add_each, curves_of, flagged, names, print_remarks
from scalax.names import printable

HELP = "fit scaling laws to learning curves"


def configure(parser: argparse.ArgumentParser) -> None:
    add_curve_arguments(parser, "runs/fit")
    add_each(parser)
    parser.add_argument(
        "--laws",
        dest="families",
        metavar="LAWS",
        default="m1,m2,m3,m4,bnsl",
        help="laws to fit, e.g. m4,bnsl2,shifted_power (m1,m2,m3,m4,bnsl)",
    )
    parser.add_argument("--objective", default="sle", help="sle (squared log error), huber, excess or sle1p")


def run(args: argparse.Namespace) -> None:
    curves, families = curves_of(args), names(args.families)
    from scalax import laws
    from scalax.report import console, law_files

    with console.LateBar("fitting", len(curves) * len(families)) as bar:
        fits = laws.fit(curves, families, objective=args.objective, progress=bar.update)
    with console.LateBar("drawing", len(curves)) as bar:
        law_files.write_fits(args.out, curves, fits, args.each, bar.update)
    short = console.short_names([curve.name for curve in curves])
    rows, notes = [], {}
    for curve, each in zip(curves, fits, strict=True):
        curve_name, limit = short[curve.name], curve.scale.shown
        notes[curve_name] = next(iter(each.values())).notes
        for name, f in each.items():
            params = ", ".join(f"{k}={v:.4g}" for k, v in f.params.items())
            rows.append([curve_name, name, f.rmsle, f.rmsle_held_out, float(limit(f.asymptote)), params])
            notes[f"{curve_name}, {name}"] = f.flags
    print_remarks(args, curves)
    by = "squared log error" if args.objective == "sle" else f"objective {args.objective}"
    columns = ["curve", "law", "RMSLE", "held out", "limit", "parameters"]
    console.print_table(f"{len(curves)} curve(s), {by}", columns, rows)
    console.print_notes(flagged(args, notes))
    print(printable(f"wrote {args.out}/fit.json, fit.csv and figures/"))
