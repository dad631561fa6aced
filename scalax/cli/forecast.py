"""Forecast learning curves beyond their data, with intervals, without choosing a law."""

import argparse

from scalax.errors import UserError
from scalax.report.law_files import add_curve_arguments

HELP = "say where learning curves go next, and how sure that is"


def configure(parser: argparse.ArgumentParser) -> None:
    add_curve_arguments(parser, "runs/forecast")
    parser.add_argument(
        "--at", default="", metavar="X,X", help="x to forecast at (2, 4, 10 times the last x)"
    )
    parser.add_argument("--target", type=float, help="y whose x is wanted")


def run(args: argparse.Namespace) -> None:
    at = _numbers(args.at) or None
    if args.target is not None and not 0 < args.target < float("inf"):
        raise UserError(f"--target must be positive, got {args.target}")
    from scalax import laws
    from scalax.laws.posterior import MEMBERS_OF_AUTO
    from scalax.report import law_figures, law_files

    curves = law_files.curves_of(args)
    with law_files.LateBar("forecasting", len(curves) * len(MEMBERS_OF_AUTO)) as bar:
        forecasts = laws.forecast(curves, at, progress=bar.update)
    rows, data, lines = [], [], {}
    for f in forecasts:
        families = f.by_family(f.x)
        for i, x in enumerate(f.x):
            row = {"curve": f.name, "x": float(x), "median": float(f.median[i])}
            for level, (low, high) in f.intervals.items():
                row |= {f"low{level * 100:.0f}": float(low[i]), f"high{level * 100:.0f}": float(high[i])}
            rows.append(row | {name: float(y[i]) for name, y in families.items()})
        lines[f.name] = list(f.notes)
        moved = {n: [f"{v:+.2%}" for v in m / f.median - 1] for n, m in f.stability.items()}
        for n, shift in moved.items():
            lines[f.name].append(f"without the last {n} rows: {', '.join(shift)}")
        reach = f.reach(args.target) if args.target is not None else None
        if reach:
            lines[f.name].append(f"target {args.target:g}: {reach}")
        data.append(
            {
                "curve": f.name,
                "at": f.x.tolist(),
                "median": f.median.tolist(),
                "intervals": {f"{k:g}": [v[0].tolist(), v[1].tolist()] for k, v in f.intervals.items()},
                "by_family": {k: v.tolist() for k, v in families.items()},
                "limit": f.limit,
                "limits": f.limits,
                "noise": f.noise,
                "inflation": f.inflation,
                "stability": {str(k): v.tolist() for k, v in f.stability.items()},
                "target": reach.__dict__ if reach else None,
                "notes": list(f.notes),
            }
        )
    args.out.mkdir(parents=True, exist_ok=True)
    law_files.write_json(args.out / "forecast.json", data)
    law_files.write_csv(args.out / "forecast.csv", rows)
    for slug, curve, f in zip(law_files.slugs([c.name for c in curves]), curves, forecasts, strict=True):
        law_figures.draw_forecast(curve, f, args.out / "figures" / f"{slug}.png", args.target)
    shown = [
        [r["curve"], f"{r['x']:.4g}", r["median"]]
        + [f"{r[f'low{level}']:.4g} to {r[f'high{level}']:.4g}" for level in (50, 80, 95)]
        + [r[n] for n in MEMBERS_OF_AUTO]
        for r in rows
    ]
    columns = ["curve", "x", "median", "50%", "80%", "95%", *MEMBERS_OF_AUTO]
    law_files.print_table("forecast of a new observation", columns, shown)
    law_files.print_notes(lines)
    print(f"wrote {args.out}/forecast.json, forecast.csv and figures/")


def _numbers(text: str) -> list[float]:
    out = []
    for word in filter(None, text.split(",")):
        try:
            value = float(word)
        except ValueError:
            value = float("nan")
        if not 0 < value < float("inf"):
            raise UserError(f"--at: {word!r} is not a positive number")
        out.append(value)
    return out
