"""Fit scaling laws to learning curves by least squares and say how well each does."""

import argparse

from scalax.cli import _joint
from scalax.cli._curves import add_curve_arguments, add_each, curves_of, flagged, names, print_remarks
from scalax.errors import UserError
from scalax.names import printable

LAWS = "m1,m2,m3,m4,bnsl"
HELP = "fit scaling laws to learning curves"


def configure(parser: argparse.ArgumentParser) -> None:
    add_curve_arguments(parser, "runs/fit")
    add_each(parser)
    parser.add_argument(
        "--laws",
        dest="families",
        metavar="LAWS",
        help="laws to fit, e.g. m4,bnsl2,shifted_power (m1,m2,m3,m4,bnsl; of several variables powers,"
        "powers_one_exponent,powers_no_limit)",
    )
    parser.add_argument("--objective", help="sle (squared log error), huber, excess or sle1p (sle)")
    parser.add_argument(
        "--until-peak",
        action="store_true",
        help="fit rows before y begins to rise, as on a small upstream set that is overfitted",
    )
    _joint.add_joint_arguments(parser)


def run(args: argparse.Namespace) -> None:
    if _joint.several(args):
        return _joint.run(args)
    if args.without_lowest or args.resamples is not None:
        raise UserError("`without_lowest` and `resamples` are of several variables; name them in `x`")
    curves = curves_of(args)
    families, objective = names(LAWS if args.families is None else args.families), args.objective or "sle"
    from scalax import laws
    from scalax.report import console, law_files

    peaks = {}
    if args.until_peak:
        found = [laws.until_peak(curve) for curve in curves]
        peaks = {curve.name: [str(peak)] for curve, peak in zip(curves, found, strict=True)}
        curves[:] = [laws.before_peak(curve, peak) for curve, peak in zip(curves, found, strict=True)]

    with console.LateBar("fitting", len(curves) * len(families)) as bar:
        fits = laws.fit(curves, families, objective=objective, progress=bar.update)
    with console.LateBar("drawing", len(curves)) as bar:
        law_files.write_fits(args.out, curves, fits, args.each, bar.update)
    short = console.short_names([curve.name for curve in curves])
    rows, notes = [], {}
    for curve, each in zip(curves, fits, strict=True):
        curve_name, limit = short[curve.name], curve.scale.shown
        notes[curve_name] = [*peaks.get(curve.name, ()), *next(iter(each.values())).notes]
        for name, f in each.items():
            params = ", ".join(f"{k}={v:.4g}" for k, v in f.params.items())
            rows.append([curve_name, name, f.rmsle, f.rmsle_held_out, float(limit(f.asymptote)), params])
            notes[f"{curve_name}, {name}"] = f.flags
    print_remarks(args, curves.remarks)
    by = "squared log error" if objective == "sle" else f"objective {objective}"
    columns = ["curve", "law", "RMSLE", "held out", "limit", "parameters"]
    console.print_table(f"{len(curves)} curve(s), {by}", columns, rows, f"{args.out}/fit.csv")
    console.print_notes(flagged(args, notes))
    print(printable(f"wrote {args.out}/fit.json, fit.csv and figures/"))
