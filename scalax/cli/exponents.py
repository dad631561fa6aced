"""Scaling exponents of learning curves by law, task and model, with intervals."""

import argparse
from typing import TYPE_CHECKING

from scalax.cli._curves import add_curve_arguments, check_held_out, curves_of, flagged, names, print_remarks
from scalax.errors import UserError
from scalax.names import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scalax.laws import Curves
    from scalax.laws.excess import Slope
    from scalax.laws.exponents import Exponent

BENT = "follow no straight line, and miss it by {:.0%}: their slope says little"
HELP = "scaling exponents of learning curves, by law, task and model"


def configure(parser: argparse.ArgumentParser) -> None:
    add_curve_arguments(parser, "runs/exponents")
    parser.add_argument(
        "--profile",
        action="store_true",
        help="also fit M2 at many fixed exponents: the best for rows to fit, and for rows held out",
    )
    parser.add_argument(
        "--excess",
        action="store_true",
        help="also the excess risk, y less the limit of each law, against x with its slope",
    )
    parser.add_argument("--laws", dest="families", default="m2,m4", help="laws with an exponent c (m2,m4)")


def run(args: argparse.Namespace) -> None:
    families = names(args.families)
    if not families:
        raise UserError("no law is named; give one or more in `families`, e.g. m2")
    curves = curves_of(args, least=5)
    if args.profile:
        check_held_out(args, curves, ", or leave `profile` out")
    from scalax.laws.exponents import contrast, exponents
    from scalax.report import console, exponent_files

    with console.LateBar("fitting", len(curves) * len(families)) as bar:
        found = exponents(curves, families, progress=bar.update)
    pairs = [(a, b) for i, b in enumerate(families) for a in families[i + 1 :]]
    contrasts = [contrast(found, a, b) for a, b in pairs]
    exponent_files.write(args.out, curves, found, contrasts)
    print_remarks(args, curves.remarks)
    short = console.short_names([curve.name for curve in curves])
    rows = [[short[e.curve], e.law, e.c, f"{e.low:.3g} to {e.high:.3g}", e.limit] for e in found]
    console.print_table(f"{len(curves)} curve(s)", ["curve", "law", "c", "80%", "limit"], rows)
    for each in contrasts:
        ratio, share = ("{:.3g} ({:.3g} to {:.3g})".format(*v) for v in (each.ratio, each.share))
        print(f"  {each.first} over {each.second}, {each.curves} curves: {ratio}, over 1 in {share} of them")
    if contrasts:
        print("ratios are medians; in brackets 90% of resampled curves")
    console.print_notes(flagged(args, {f"{short[e.curve]}, {e.law}": e.flags for e in found}))
    if args.excess:
        _excess(args, curves, found, short)
    if args.profile:
        _profiles(args, curves, short)
    print(f"wrote {args.out}/exponents.json, exponents.csv and exponents.png")


def _excess(
    args: argparse.Namespace, curves: "Curves", found: "Sequence[Exponent]", short: dict[str, str]
) -> None:
    from scalax.laws.excess import excess_risk, steadiness
    from scalax.report import console, excess_files

    by = {curve.name: curve for curve in curves}
    made = [excess_risk(by[each.curve], each.law, each.limit) for each in found]
    steady = steadiness(made)
    excess_files.write(args.out, curves, made, steady)
    rows = [
        [short[e.curve], e.law, e.limit, _slope(e.slope), -each.c, _slope(e.held_out), float(e.left_out)]
        for e, each in zip(made, found, strict=True)
    ]
    columns = ["curve", "law", "limit", "slope of later rows (80%)", "-c", "of held-out rows", "rows below"]
    console.print_table("excess risk, y less the limit, on log axes", columns, rows)
    for e in made:
        for rows_of, slope in (("later rows", e.slope), ("held-out rows", e.held_out)):
            if slope.bent:
                print(printable(f"  {short[e.curve]}, {e.law}: the {rows_of} {BENT.format(slope.miss)}"))
    for law, count, ratio in steady:
        held = "{:.3g} ({:.3g} to {:.3g})".format(*ratio)
        print(f"  {law}, {count} curves: slope of held-out rows over that of later rows to fit {held}")
    print(f"wrote {args.out}/excess.json, excess.csv and excess.png")


def _slope(slope: "Slope") -> str:
    return f"{slope.value:.3f} ({slope.low:.3f} to {slope.high:.3f})" if slope.value == slope.value else ""


def _profiles(args: argparse.Namespace, curves: "Curves", short: dict[str, str]) -> None:
    from scalax.laws.profile import profile
    from scalax.report import console, exponent_files

    made = {curve.name: profile(curve) for curve in curves if not curve.fit.all()}
    exponent_files.write_profiles(args.out, made)
    rows = [
        [
            short[name],
            p.best_fit,
            p.best_extrapolation,
            float(p.held_out[p.fitted.argmin()]),
            p.held_out.min(),
        ]
        for name, p in made.items()
    ]
    columns = ["curve", "c of best fit", "of best extrapolation", "held-out RMSLE", "at the other"]
    console.print_table("M2 at fixed exponents", columns, rows)
    print(f"wrote {args.out}/profiles.csv and profiles.png")
