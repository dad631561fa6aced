"""Say from how large an x on a law foretells the rest of a curve: on its rows, and without their noise."""

import argparse
from typing import TYPE_CHECKING

from scalax.cli._curves import add_curve_arguments, curves_of, print_remarks
from scalax.errors import UserError
from scalax.names import printable

if TYPE_CHECKING:
    from scalax.laws.limit import Extrapolations, Limit

HELP = "from how large an x on a law foretells the rest of a curve"
TOLERANCE, CUTS, MOST_CUTS = 0.05, 48, 1000  # as in laws.limit, which imports JAX


def configure(parser: argparse.ArgumentParser) -> None:
    add_curve_arguments(parser, "runs/limit", split=False)
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
        help=f"how many largest x to fit are tried without noise; of a curve's own rows at most as many"
        f" ({CUTS})",
    )


def run(args: argparse.Namespace) -> None:
    if not 0 < args.tolerance < float("inf"):
        raise UserError(f"`tolerance` must be positive and finite, got {args.tolerance:g}")
    if not 2 <= args.cuts <= MOST_CUTS:
        raise UserError(f"`cuts` must lie between 2 and {MOST_CUTS}, got {args.cuts}")
    curves = curves_of(args, least=1)
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
    print_remarks(args, curves.remarks, split=False)
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
            _threshold(each.rows, each.tolerance),
            _threshold(each.noiseless, each.tolerance),
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


def _threshold(found: "Extrapolations", tolerance: float) -> str | float | None:
    """As the table shows it: at most the first x, where that and all others do."""
    at = found.threshold(tolerance)
    return at if at is None or not found.all_within(tolerance) else f"<= {at:.4g}"


def _sentence(one: "Limit", label: str) -> str:
    rows, noiseless, tolerance = one.threshold, one.threshold_noiseless, one.tolerance
    first = f"no part of the rows foretells the rest to {tolerance:g}"
    if rows is not None:
        first = f"rows up to {label} = {rows:.4g} foretell the rest to {tolerance:g}, as all longer parts do"
        first += " (fewer were not tried)" if one.rows.all_within(tolerance) else ""
    then = "nor would one without their noise" if rows is None else "without noise no part would do"
    if noiseless is not None:
        then = f"without noise {noiseless:.4g} would do"
        then += " (the least that was tried)" if one.noiseless.all_within(tolerance) else ""
    return f"{first}; {then}"
