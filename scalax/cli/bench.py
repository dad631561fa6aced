"""Score every law and `auto` on curves with held-out rows."""

import argparse

from scalax.cli._curves import add_curve_arguments, curves_of, print_remarks

LEAST_ROWS = 5  # of different x, that a forecast needs
HELP = "score laws and forecasts on held-out rows"


def configure(parser: argparse.ArgumentParser) -> None:
    add_curve_arguments(parser, "runs/bench", example=False)
    parser.add_argument(
        "--published",
        metavar="CSV",
        help="CSV of published RMSLE to show beside ours (Domain,Task,Model,M1..)",
    )


def run(args: argparse.Namespace) -> None:
    curves = curves_of(args, least=LEAST_ROWS)
    from scalax.laws import benchmark
    from scalax.report import console, law_files

    published = benchmark.read_published(args.published) if args.published else None
    with console.LateBar("benchmark", len(curves) * benchmark.PARTS) as bar:
        result = benchmark.bench(curves, published, progress=bar.update)
    law_files.write_bench(args.out, result)
    print_remarks(args, curves)
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
    print(f"wrote {args.out}/bench.csv, bench.json and figures/")
