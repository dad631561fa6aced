"""Scaling exponents of learning curves by law, task and model, with intervals."""

import argparse

from scalax.cli._curves import add_curve_arguments, curves_of, names, print_remarks
from scalax.errors import UserError

HELP = "scaling exponents of learning curves, by law, task and model"


def configure(parser: argparse.ArgumentParser) -> None:
    add_curve_arguments(parser, "runs/exponents")
    parser.add_argument("--laws", dest="families", default="m2,m4", help="laws with an exponent c (m2,m4)")


def run(args: argparse.Namespace) -> None:
    families = names(args.families)
    if not families:
        raise UserError("no law is named; give one or more in `families`, e.g. m2")
    curves = curves_of(args, least=5)
    from scalax.laws.exponents import contrast, exponents
    from scalax.report import console, exponent_files

    with console.LateBar("fitting", len(curves) * len(families)) as bar:
        found = exponents(curves, families, progress=bar.update)
    pairs = [(a, b) for i, b in enumerate(families) for a in families[i + 1 :]]
    contrasts = [contrast(found, a, b) for a, b in pairs]
    exponent_files.write(args.out, curves, found, contrasts)
    print_remarks(args, curves.remarks)
    short = console.short_names([curve.name for curve in curves])
    rows = [
        [short[e.curve], e.law, e.c, f"{e.low:.3g} to {e.high:.3g}", e.limit, "" if e.trusted else "flagged"]
        for e in found
    ]
    console.print_table(f"{len(curves)} curve(s)", ["curve", "law", "c", "80%", "limit", ""], rows)
    for each in contrasts:
        ratio, share = ("{:.3g} ({:.3g} to {:.3g})".format(*v) for v in (each.ratio, each.share))
        print(f"  {each.first} over {each.second}, {each.curves} curves: {ratio}, over 1 in {share} of them")
    print("ratios are medians; in brackets 90% of resampled curves")
    print(f"wrote {args.out}/exponents.json, exponents.csv and exponents.png")
