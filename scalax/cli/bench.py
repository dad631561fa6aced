"""Score every law and `auto` on curves with held-out rows."""

import argparse
from typing import TYPE_CHECKING

from scalax.cli._curves import (
    COLUMNS,
    add_curve_arguments,
    add_pool,
    check_held_out,
    curves_of,
    names,
    print_remarks,
)
from scalax.cli._given import refuse
from scalax.cli._numbers import numbers
from scalax.errors import UserError, suggest
from scalax.names import printable
from scalax.places import check_results

if TYPE_CHECKING:
    from scalax.laws import Curves
    from scalax.laws.ablation import Ratio
    from scalax.laws.coverage import Score

MOST = 10_000  # simulated curves of a law
LEAST_ROWS = 5  # of different x, that a forecast needs
HELP = "score laws and forecasts on held-out rows, or on simulated curves"


def configure(parser: argparse.ArgumentParser) -> None:
    add_curve_arguments(parser, "runs/bench", example=False)
    parser.add_argument(
        "--published",
        metavar="CSV",
        help="CSV of published RMSLE to show beside ours (Domain,Task,Model,M1..)",
    )
    parser.add_argument(
        "--simulated", action="store_true", help="score forecasts on simulated curves of five laws instead"
    )
    parser.add_argument(
        "--cut",
        default="",
        metavar="SHARE,SHARE",
        help="instead: cut whole curves at these shares, e.g. 0.1,0.25,0.5, and score what `watch` says",
    )
    parser.add_argument(
        "--rivals",
        metavar="COL,COL",
        help="with --cut: columns whose values compete, e.g. Model; curves alike in all others are a group"
        " (the last column that names curves)",
    )
    add_pool(parser)
    parser.add_argument(
        "--laws",
        dest="families",
        metavar="LAWS",
        help="instead: score these laws alone, e.g. m2,m4_alpha1,m4, by domain and task",
    )
    parser.add_argument(
        "--growth",
        action="store_true",
        help="instead: time fits and forecasts as curves and rows grow",
    )
    parser.add_argument("--count", type=int, default=60, help="simulated curves of each law and design (60)")


def run(args: argparse.Namespace) -> None:
    check_results(args.out, "--out")
    if args.simulated:
        return _simulated(args)
    refuse(args, ["count"], "without `simulated`")
    if args.growth:
        return _growth(args)
    if args.cut:
        return _cuts(args)
    if args.rivals is not None:
        raise UserError("`rivals` is of curves that are cut; give shares in `cut`")
    if args.families is not None:
        return _laws(args)
    curves = _scorable(args)
    from scalax.laws import benchmark
    from scalax.report import console, law_files

    published = benchmark.read_published(args.published) if args.published else None
    with console.LateBar("benchmark", len(curves) * benchmark.PARTS) as bar:
        pool = None if args.pool is None else names(args.pool)
        result = benchmark.bench(curves, published, progress=bar.update, pool=pool)
    law_files.write_bench(args.out, result)
    print_remarks(args, curves.remarks)
    shown, columns = [], ["curves of", "statistic", *benchmark.METHODS]
    for domain, part in result.summary["domains"].items():
        for statistic in ("mean", "median", "geometric_mean", "wins"):
            values = [part["methods"][m][statistic] for m in benchmark.METHODS]
            shown.append([f"{domain} ({part['curves']})", statistic.replace("_", " "), *values])
    console.print_table("held-out RMSLE", columns, shown)
    covers = [[d, *p["cover"].values()] for d, p in result.summary["domains"].items()]
    console.print_table("share of held-out points inside", ["curves of", "50%", "80%", "95%"], covers)
    if "published" in result.summary:
        both = result.summary["published"]["methods"]
        rows = [[m, *values.values()] for m, values in both.items()]
        title = f"beside published figures, {result.summary['published']['curves']} curves"
        console.print_table(title, ["method", "mean", "median", "geometric mean", "wins"], rows)
    wall = result.summary["wall_s"]
    print(f"fits {wall['fit']:.1f} s, auto {wall['auto']:.1f} s")
    print(printable(f"wrote {args.out}/bench.csv, bench.json and figures/"))


def _scorable(args: argparse.Namespace) -> "Curves":
    """The curves, some rows of which must be held out."""
    curves = curves_of(args, least=LEAST_ROWS)
    check_held_out(args, curves, ", or give shares in `cut` to cut whole curves")
    return curves


def _simulated(args: argparse.Namespace) -> None:
    if args.files:
        raise UserError("--simulated takes no files; leave one of them out")
    refuse(args, ["published", "pool", "families", "growth", "cut", "rivals", *COLUMNS], "beside `simulated`")
    if args.count < 1:
        raise UserError(f"--count must be at least 1, got {args.count}")
    if args.count > MOST:
        raise UserError(f"--count must be {MOST} at most, got {args.count}")
    from scalax.laws import coverage, simulated
    from scalax.report import console, law_files

    curves = args.count * len(simulated.LAWS) * len(simulated.DESIGNS)
    with console.LateBar("simulated curves", curves * coverage.PARTS) as bar:
        scores = coverage.simulated_bench(args.count, progress=bar.update)
    law_files.write_simulated(args.out, scores)
    for design in simulated.DESIGNS:
        _print_design(design, [score for score in scores if score.design == design])
    print(printable(f"wrote {args.out}/simulated.csv and figures/simulated.png"))


def _growth(args: argparse.Namespace) -> None:
    if args.files:
        raise UserError("--growth takes no files; leave one of them out")
    refuse(args, ["published", "pool", "families", "cut", "rivals", *COLUMNS], "beside `growth`")
    from scalax.laws import growth
    from scalax.report import console, law_files

    with console.LateBar("timing", 2 * len(growth.COUNTS) + len(growth.ROWS)) as bar:
        timings = growth.growth(progress=bar.update)
    law_files.write_growth(args.out, timings)
    console.print_table("seconds, compiled before", ["what", "curves", "rows", "wall", "CPU"], timings)
    for what, by in (("five laws", "curves"), ("forecast", "curves"), ("m2", "rows")):
        own = [timing for timing in timings if timing.what == what]
        print(f"{what}: wall time as {by}^{growth.power(own, by):.2f} between the two largest")
    print(printable(f"wrote {args.out}/growth.csv and figures/growth.png"))


def _print_design(design: str, scores: "list[Score]") -> None:
    """A line for each law and reach, `auto` beside the baseline."""
    from scalax.report import console

    shown, columns = [], ["truth", "reach", "in 80%", "M2", "in 95%", "M2", "new in 80%", "bias", "rms", "M2"]
    for auto in (score for score in scores if score.method == "auto"):
        [base] = [s for s in scores if (s.law, s.reach) == (auto.law, auto.reach) and s.method != "auto"]
        shares = (auto.inside80, base.inside80, auto.inside95, base.inside95, auto.observed80)
        numbers = [*(f"{v:.2f}" for v in shares), f"{auto.bias:+.3f}", f"{auto.rms:.3f}", f"{base.rms:.3f}"]
        shown.append([auto.law, f"{auto.reach:g}x", *numbers])
    console.print_table(f"truth inside bands, {design}", columns, shown)


def _laws(args: argparse.Namespace) -> None:
    refuse(args, ["published", "pool"], "beside `families`")
    families = names(args.families)
    if not families:
        raise UserError("no law is named; give one or more in `families`, e.g. m2")
    curves = _scorable(args)
    from scalax.laws import ablation
    from scalax.report import console, law_files

    with console.LateBar("fitting", len(curves) * len(families)) as bar:
        scores = ablation.score(curves, families, progress=bar.update)
    groups = ablation.by_group(scores)
    law_files.write_ablation(args.out, scores, groups)
    print_remarks(args, curves.remarks)
    rows = [["/".join(g.group) or "all", float(g.curves), *g.mean.values()] for g in groups]
    console.print_table("mean held-out RMSLE", ["curves of", "curves", *families], rows)
    columns = ["curves of", *(f"{name} over {families[-1]}" for name in families[:-1])]
    rows = [
        ["/".join(g.group) or "all", *(_ratio(g.over_last[name]) for name in families[:-1])]
        for g in groups
        if all(ratio.value == ratio.value for ratio in g.over_last.values())
    ]
    if rows and len(families) > 1:
        console.print_table("geometric means of ratios; 90% of resampled curves", columns, rows)
    print(printable(f"wrote {args.out}/laws.csv and laws.json"))


def _ratio(ratio: "Ratio") -> str:
    return f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def _cuts(args: argparse.Namespace) -> None:
    refuse(args, ["families", "pool", "split"], "beside `cut`")
    if args.published:
        raise UserError("`published` is of held-out rows; leave it out, or leave out `cut`")
    cuts = numbers("cut", args.cut)
    if max(cuts) >= 1:
        raise UserError(f"`cut` must lie between 0 and 1, got {max(cuts):g}")
    curves = curves_of(args, least=LEAST_ROWS)
    rivals = tuple(curves[0].key)[-1:] if args.rivals is None else names(args.rivals)
    if unknown := [name for name in rivals if name not in curves[0].key]:
        raise UserError(f"`rivals`: {unknown[0]!r} names no curve{suggest(unknown[0], curves[0].key)}")
    groups = ["/".join(v for k, v in curve.key.items() if k not in rivals) for curve in curves]
    from scalax.laws.pruning import measure
    from scalax.report import console, watch_files

    with console.LateBar("forecasting", len(curves) * len(cuts)) as bar:
        scores = measure(curves, groups, cuts, progress=bar.update)
    watch_files.write_cuts(args.out, scores)
    print_remarks(args, curves.remarks, split=False)
    if args.rivals is None and len(curves[0].key) > 1:
        print(printable(f"curves that differ in {rivals[0]!r} alone compete; name other columns in --rivals"))
    rows = [[f"{s.cut:.0%}", float(s.curves), s.inside80, s.error, s.error_now] for s in scores]
    columns = ["cut at", "curves", "inside 80%", "rms of log", "of the value now"]
    console.print_table("the value at the end", columns, rows)
    rows = [
        [f"{s.cut:.0%}", float(s.groups), s.regret, s.regret_median, s.regret_one, s.regret_one_median]
        for s in scores
    ]
    columns = ["cut at", "groups", "regret", "of median pruner", "one goes on", "the best now"]
    console.print_table("log excess of the best that is left, at equal compute", columns, rows)
    rows = [[f"{s.cut:.0%}", s.stopped, s.wrong] for s in scores]
    console.print_table("against the best of the others", ["cut at", "stopped", "of these wrong"], rows)
    print(f"wrote {args.out}/cuts.csv and cuts.json")
