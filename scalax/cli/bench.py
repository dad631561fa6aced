"""Score every law and `auto` on curves with held-out rows."""

import argparse

from scalax.report.law_files import add_curve_arguments

HELP = "score laws and forecasts on held-out rows"


def configure(parser: argparse.ArgumentParser) -> None:
    add_curve_arguments(parser, "runs/bench", example=False)
    parser.add_argument(
        "--published", metavar="CSV", help="published RMSLE to show beside (Domain,Task,Model,M1..)"
    )


def run(args: argparse.Namespace) -> None:
    from scalax.laws import benchmark
    from scalax.report import law_figures, law_files

    curves = law_files.curves_of(args)
    published = benchmark.read_published(args.published) if args.published else None
    parts = len(curves) * (len(benchmark.LAWS) + 3)
    with law_files.LateBar("benchmark", parts) as bar:
        result = benchmark.bench(curves, published, progress=bar.update)
    args.out.mkdir(parents=True, exist_ok=True)
    law_files.write_csv(args.out / "bench.csv", result.rows)
    law_files.write_json(args.out / "bench.json", result.summary)
    law_figures.draw_bench(result.rows, benchmark.METHODS, args.out / "figures" / "bench.png")
    shown, columns = [], ["curves of", "statistic", *benchmark.METHODS]
    for domain, part in result.summary["domains"].items():
        for statistic in ("mean", "median", "geometric_mean", "wins"):
            values = [part["methods"][m][statistic] for m in benchmark.METHODS]
            shown.append([f"{domain} ({part['curves']})", statistic.replace("_", " "), *values])
    law_files.print_table("held-out RMSLE", columns, shown)
    covers = [[d, *p["cover"].values()] for d, p in result.summary["domains"].items()]
    law_files.print_table("share of held-out points inside", ["curves of", "50%", "80%", "95%"], covers)
    if "published" in result.summary:
        both = result.summary["published"]["methods"]
        rows = [[m, *values.values()] for m, values in both.items()]
        title = f"beside published figures, {result.summary['published']['curves']} curves"
        law_files.print_table(title, ["method", "mean", "median", "geometric mean", "wins"], rows)
    wall = result.summary["wall_s"]
    print(f"fits {wall['fit']:.1f} s, auto {wall['auto']:.1f} s")
    print(f"wrote {args.out}/bench.csv, bench.json and figures/")
