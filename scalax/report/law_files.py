"""What `scalax fit`, `forecast` and `bench` leave in a directory: JSON, CSV and figures."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scalax.laws import Curve, Fit, Forecast
from scalax.laws.benchmark import METHODS, Bench
from scalax.records import dumps, write_atomically
from scalax.report import law_figures


def write_fits(out: Path, curves: Sequence[Curve], fits: Sequence[Mapping[str, Fit]]) -> None:
    """fit.json, fit.csv and a figure of each curve, with one of every law that shows its parts.

    - out: directory to write to.
    - curves: that were fitted.
    - fits: of each curve, by law.
    """
    named = [(curve, fit) for curve, each in zip(curves, fits, strict=True) for fit in each.values()]
    write_json(out / "fit.json", [{"curve": curve.name, **fit.to_json()} for curve, fit in named])
    write_csv(out / "fit.csv", [_fit_row(curve, fit) for curve, fit in named])
    for slug, curve, each in zip(slugs([c.name for c in curves]), curves, fits, strict=True):
        if curve.x.ndim == 1:
            law_figures.draw_fits(curve, each, out / "figures" / f"{slug}.png")
            for name, fit in each.items():
                if fit.family_spec.parts:
                    law_figures.draw_parts(curve, fit, out / "figures" / f"{slug}-{name}.png")


def _fit_row(curve: Curve, fit: Fit) -> dict[str, Any]:
    scores = ("rmsle", "rsle", "rmsle_held_out", "rsle_held_out")
    row = {"curve": curve.name, "law": fit.family, **{name: getattr(fit, name) for name in scores}}
    params = {f"param {i}": f"{k}={v:.8g}" for i, (k, v) in enumerate(fit.params.items(), 1)}
    return {**row, "limit": fit.asymptote, **params}


def write_forecasts(
    out: Path, curves: Sequence[Curve], forecasts: Sequence[Forecast], target: float | None
) -> list[dict[str, Any]]:
    """forecast.json, forecast.csv and a figure of each curve; returns the rows of the CSV.

    - out: directory to write to.
    - curves: that were forecast.
    - forecasts: of each curve.
    - target: y whose x is wanted (None: none).
    """
    reached = [None if target is None else f.reach(target).to_json() for f in forecasts]
    data = [{**f.to_json(), "target": reach} for f, reach in zip(forecasts, reached, strict=True)]
    rows = [row for f in forecasts for row in forecast_rows(f)]
    write_json(out / "forecast.json", data)
    write_csv(out / "forecast.csv", rows)
    for slug, curve, f in zip(slugs([c.name for c in curves]), curves, forecasts, strict=True):
        law_figures.draw_forecast(curve, f, out / "figures" / f"{slug}.png", target)
    return rows


def forecast_rows(forecast: Forecast) -> list[dict[str, Any]]:
    """A row for each x: median, the ends of each interval, and every law's own median."""
    families, rows = forecast.by_family(forecast.x), []
    for i, x in enumerate(forecast.x):
        row = {"curve": forecast.name, "x": float(x), "median": float(forecast.median[i])}
        for level, (low, high) in forecast.intervals.items():
            row |= {f"low{level * 100:.0f}": float(low[i]), f"high{level * 100:.0f}": float(high[i])}
        rows.append(row | {name: float(y[i]) for name, y in families.items()})
    return rows


def write_bench(out: Path, result: Bench) -> None:
    """bench.csv, bench.json and a figure."""
    write_csv(out / "bench.csv", result.rows)
    write_json(out / "bench.json", result.summary)
    law_figures.draw_bench(result.rows, METHODS, out / "figures" / "bench.png")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Columns in the order in which they first occur; a row may lack some."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def write_json(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, dumps(data, indent=1) + "\n")


def slugs(names: Sequence[str]) -> list[str]:
    """File names of curves, each its own."""
    out: list[str] = []
    for name in names:
        slug = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")[:80] or "curve"
        while slug in out:
            slug += "_"
        out.append(slug)
    return out
