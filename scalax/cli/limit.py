"""Say from how large an x on a law foretells the rest of a curve: on its rows, and without their noise."""

import argparse
from typing import TYPE_CHECKING

from scalax.cli._curves import add_curve_arguments, curves_of, print_remarks
from scalax.cli._given import refuse
from scalax.errors import UserError
from scalax.names import printable

if TYPE_CHECKING:
    from scalax.laws.limit import Limit

HELP = "from how large an x on a law foretells the rest of a curve"
TOLERANCE, CUTS = 0.05, 48


def configure(parser: argparse.ArgumentParser) -> None:
    add_curve_arguments(parser, "runs/limit")
    parser.add_argument("--law", dest="family", default="bnsl", help="the law that is fitted (bnsl)")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        metavar="RMSLE",
        help=f"extrapolation error that counts as foretold, for the rest of the curve ({TOLERANCE:g})",
    )
    parser.add_argument(
        "--cuts",
        type=int,
        default=CUTS,
        metavar="N",
        help=f"largest x to fit that are tried, at most, on each curve and without its noise ({CUTS})",
    )


def run(args: argparse.Namespace) -> None:
    if not args.tolerance > 0:
        raise UserError(f"`tolerance` must be positive, got {args.tolerance:g}")
    if args.cuts < 2:
        raise UserError(f"`cuts` must be at least 2, got {args.cuts}")
    refuse(args, ["split"], "to a limit, for which all rows count")
    curves = curves_of(args)
    from scalax.laws.limit import different_x, least_rows, limits
    from scalax.report import console, limit_files

    least = least_rows(args.family)
    kept = [curve for curve in curves if different_x(curve) >= least]
    if not kept:
        raise UserError(
            f"no curve has the {least} different x that the limit of {args.family} needs, the longest has"
            f" {max(map(different_x, curves))}; add rows, or name a law of fewer parameters in `family`"
        )
    with console.LateBar("fitting", len(kept) * 2 * args.cuts) as bar:
        found = limits(kept, args.family, args.tolerance, args.cuts, bar.update)
    limit_files.write(args.out, kept, found)
    print_remarks(args, curves.remarks)
    if short := [curve.name for curve in curves if curve not in kept]:
        print(printable(f"left out, with fewer than {least} different x: {', '.join(short)}"))
    _show(found, dict(zip((c.name for c in kept), (c.labels[0] for c in kept), strict=True)))
    print(printable(f"wrote {args.out}/limit.json, limit.csv, cuts.csv and limit.png"))


def _show(found: "list[Limit]", labels: dict[str, str]) -> None:
    from scalax.report import console

    short = console.short_names([each.curve for each in found])
    rows = [
        [
            short[each.curve],
            each.threshold,
            each.threshold_noiseless,
            ", ".join(f"{x:.4g}" for x in each.breaks),
            each.fit.rmsle,
            float(each.rows.x[0]),
            float(each.rows.x[-1]),
        ]
        for each in found
    ]
    law, tolerance = found[0].fit.family, found[0].tolerance
    heads = ["curve", "from x (rows)", "from x (noiseless)", "breaks", "RMSLE of all", "tried from", "to"]
    console.print_table(f"{law} foretells the rest of a curve to {tolerance:g} (RMSLE)", heads, rows)
    if len(found) == 1:
        print(printable(_sentence(found[0], labels[found[0].curve])))


def _sentence(one: "Limit", label: str) -> str:
    on_rows, noiseless = one.threshold, one.threshold_noiseless
    first = (
        f"rows up to {label} = {on_rows:.4g} foretell the rest to {one.tolerance:g}, as all longer parts do"
        if on_rows is not None
        else f"no part of the rows foretells the rest to {one.tolerance:g}"
    )
    then = (
        f"without noise {noiseless:.4g} would do"
        if noiseless is not None
        else "nor would one without their noise"
    )
    return f"{first}; {then}"
