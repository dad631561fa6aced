"""Fit scaling laws to learning curves by least squares and say how well each does."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scalax.cli import _broken, _joint
from scalax.cli._curves import (
    add_curve_arguments,
    add_each,
    check_paths,
    curves_of,
    flagged,
    names,
    print_remarks,
)
from scalax.errors import UserError
from scalax.names import printable

if TYPE_CHECKING:
    from scalax.laws import Curve

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
    _broken.add_broken_arguments(parser)
    _joint.add_joint_arguments(parser)


def run(args: argparse.Namespace) -> None:
    if _joint.several(args):
        return _joint.run(args)
    if args.without_lowest or args.resamples is not None:
        raise UserError("`without_lowest` and `resamples` are of several variables; name them in `x`")
    families, objective = names(LAWS if args.families is None else args.families), args.objective or "sle"
    check_paths(args)
    _broken.check(args, families)
    _check_laws(families)
    from scalax import laws
    from scalax.laws import peak, select
    from scalax.report import console, law_files, segment_files

    needed = {peak.LEAST_ROWS: args.until_peak, select.LEAST: args.choose_breaks is not None}
    curves = curves_of(args, least=max([2, *(rows for rows, wanted in needed.items() if wanted)]))
    _check_directions(families, curves)
    peaks = {}
    if args.until_peak:
        found = [laws.until_peak(curve) for curve in curves]
        peaks = {curve.name: [str(peak)] for curve, peak in zip(curves, found, strict=True)}
        curves[:] = [laws.before_peak(curve, peak) for curve, peak in zip(curves, found, strict=True)]

    with console.LateBar("fitting", len(curves) * len(families)) as bar:
        fits = laws.fit(curves, families, objective=objective, progress=bar.update)
    choices = _broken.choose(args, curves, objective)
    for each, choice in zip(fits, choices, strict=False):
        each[_broken.name_of(choice)] = choice.fit
    with console.LateBar("drawing", len(curves)) as bar:
        law_files.write_fits(args.out, curves, fits, args.each, bar.update)
    segments = segment_files.write(args.out, curves, fits, args.each) if args.segments else []
    short = console.short_names([curve.name for curve in curves])
    rows, notes = [], {}
    for curve, each in zip(curves, fits, strict=True):
        curve_name, limit = short[curve.name], curve.scale.shown
        notes[curve_name] = [*peaks.get(curve.name, ()), *next(iter(each.values())).notes]
        for name, f in each.items():
            params = ", ".join(f"{k}={v:.4g}" for k, v in f.params.items())
            scores = f.diagnostics["points"], f.rmsle, f.rmsle_held_out, float(limit(f.asymptote))
            rows.append([curve_name, name, *scores, params])
            notes[f"{curve_name}, {name}"] = f.flags
    print_remarks(args, curves.remarks)
    by = "squared log error" if objective == "sle" else f"objective {objective}"
    columns = ["curve", "law", "rows", "RMSLE", "held out", "limit", "parameters"]
    console.print_table(f"{len(curves)} curve(s), {by}", columns, rows, f"{args.out}/fit.csv")
    if choices:
        _broken.print_choices(curves, choices, short)
    if segments:
        _broken.print_segments(segments, short)
    console.print_notes(flagged(args, notes))
    files = ["fit", *(["choices"] if choices else []), *(["segments"] if segments else [])]
    print(
        printable(f"wrote {args.out}/{', '.join(f'{name}.json, {name}.csv' for name in files)} and figures/")
    )


def _check_laws(families: Sequence[str]) -> None:
    """Raises UserError for a law that is not of one x."""
    from scalax.laws import FAMILIES
    from scalax.laws.joint import FORMS

    for name in families:
        if name in FORMS:
            raise UserError(
                f"{name!r} in `families` is a law of several variables; name their columns in `x`, e.g."
                " `x`=params,tokens"
            )
        if name in FAMILIES and FAMILIES[name].variables > 1:
            raise UserError(
                f"{name!r} in `families` is a law of {FAMILIES[name].variables} variables; name their columns"
                f" in `x`, and laws such as {', '.join(FORMS)}"
            )


def _check_directions(families: Sequence[str], curves: "Sequence[Curve]") -> None:
    """Raises UserError for a law that rises where every curve falls."""
    from scalax.laws import lookup

    falls = all(curve.y[curve.x.argmax()] < curve.y[curve.x.argmin()] for curve in curves)
    for law in map(lookup, families):
        if falls and law.rises:
            raise UserError(
                f"law {law.name!r} rises with x ({law.formula}), and every curve falls; name another in"
                " `families`"
            )
