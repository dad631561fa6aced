"""What `scalax fit`, `forecast` and `bench` leave in a directory: JSON, CSV and figures."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scalax.laws import Choice, Curve, Fit, Forecast, Scale
from scalax.laws.ablation import GroupScores, LawScores
from scalax.laws.benchmark import METHODS, Bench
from scalax.laws.coverage import Score
from scalax.laws.curves import PLAIN
from scalax.laws.growth import Timing
from scalax.names import file_names
from scalax.records import dumps, write_atomically
from scalax.report import law_figures, law_panels

if TYPE_CHECKING:
    from scalax.laws.annealing import AnnealedForecast


def write_fits(
    out: Path,
    curves: Sequence[Curve],
    fits: Sequence[Mapping[str, Fit]],
    each: bool = False,
    progress: Callable[[int], object] | None = None,
) -> None:
    """fit.json, fit.csv and a figure of each curve; of many curves one page of panels.

    - out: directory to write to.
    - curves: that were fitted.
    - fits: of each curve, by law, or by a name of its own.
    - each: a figure of each curve however many there are.
    - progress: called with the number of curves just drawn.
    """
    named = [(curve, *item) for curve, own in zip(curves, fits, strict=True) for item in own.items()]
    data = [{"curve": curve.name, **_bound(curve.scale), **fit.to_json()} for curve, _, fit in named]
    for row, (curve, name, fit) in zip(data, named, strict=True):
        row |= {} if name == fit.family else {"name": name}
        row["limit"] = float(curve.scale.shown(fit.asymptote))
    write_json(out / "fit.json", data)
    write_csv(out / "fit.csv", [_fit_row(*each) for each in named])
    if len(curves) > law_panels.MANY and not each and all(curve.x.ndim == 1 for curve in curves):
        law_panels.draw_fits_page(curves, fits, out / "figures" / "all.png", progress)
        return
    plots = out / "figures"
    for file, curve, own in zip(file_names([c.name for c in curves]), curves, fits, strict=True):
        if curve.x.ndim == 1:
            law_figures.draw_fits(curve, own, plots / f"{file}.png")
        if progress:
            progress(1)


def _fit_row(curve: Curve, name: str, fit: Fit) -> dict[str, Any]:
    scores = ("rmsle", "rsle", "rmsle_held_out", "rsle_held_out")
    row = {"curve": curve.name, "law": name, **{score: getattr(fit, score) for score in scores}}
    params = {f"param {i}": f"{k}={v:.8g}" for i, (k, v) in enumerate(fit.params.items(), 1)}
    return {**row, "limit": float(curve.scale.shown(fit.asymptote)), **params}


def write_choices(out: Path, curves: Sequence[Curve], choices: Sequence[Choice]) -> None:
    """choices.json, and choices.csv with a row for each alternative.

    - out: directory to write to.
    - curves: whose breaks were chosen.
    - choices: of each curve.
    """
    data = [{"curve": curve.name, **made.to_json()} for curve, made in zip(curves, choices, strict=True)]
    write_json(out / "choices.json", data)
    rows = [
        {"curve": each["curve"], **score, "tail_x": each["tail_x"], "chosen": int(_is_chosen(each, score))}
        for each in data
        for score in each["scores"]
    ]
    write_csv(out / "choices.csv", rows)


def _is_chosen(choice: Mapping[str, Any], score: Mapping[str, Any]) -> bool:
    return all(choice[name] == score[name] for name in ("breaks", "first_x"))


def _bound(scale: Scale) -> dict[str, float]:
    """What laws are fitted to the distance from, where y itself is not what they are fitted to."""
    return {} if scale.plain else {"bound": scale.bound}


def write_forecasts(
    out: Path,
    curves: Sequence[Curve],
    forecasts: Sequence[Forecast],
    target: float | None,
    each: bool = False,
    progress: Callable[[int], object] | None = None,
) -> list[dict[str, Any]]:
    """forecast.json, forecast.csv and a figure of each curve, or of many one page of panels; returns the rows
    of the CSV. y is as the user writes it.

    - out: directory to write to.
    - curves: that were forecast.
    - forecasts: of each curve.
    - target: y whose x is wanted (None: none).
    - each: a figure of each curve however many there are.
    - progress: called with the number of curves just drawn.
    """
    data, rows = [], []
    for curve, f in zip(curves, forecasts, strict=True):
        reach = None if target is None else f.reach(target, curve.scale).to_json()
        data.append({**_shown(f.to_json(), curve.scale), **_bound(curve.scale), "target": reach})
        rows += forecast_rows(f, curve.scale)
    write_json(out / "forecast.json", data)
    write_csv(out / "forecast.csv", rows)
    if len(curves) > law_panels.MANY and not each:
        law_panels.draw_forecasts_page(curves, forecasts, out / "figures" / "all.png", progress)
        return rows
    for file, curve, f in zip(file_names([c.name for c in curves]), curves, forecasts, strict=True):
        law_figures.draw_forecast(curve, f, out / "figures" / f"{file}.png", target)
        if progress:
            progress(1)
    return rows


def forecast_rows(forecast: Forecast, scale: Scale = PLAIN) -> list[dict[str, Any]]:
    """A row for each x: median, the ends of each interval, and every law's own median, all as `scale` writes
    them."""
    families = forecast.by_family(forecast.x)
    return [
        row | {name: float(scale.shown(y[i])) for name, y in families.items()}
        for i, row in enumerate(band_rows(forecast, scale))
    ]


def band_rows(forecast: "Forecast | AnnealedForecast", scale: Scale) -> list[dict[str, Any]]:
    """A row for each x: median and the ends of each interval, as `scale` writes them."""
    rows = []
    for i, x in enumerate(forecast.x):
        row = {"curve": forecast.name, "x": float(x), "median": float(scale.shown(forecast.median[i]))}
        for level, ends in forecast.intervals.items():
            low, high = sorted(float(scale.shown(end[i])) for end in ends)
            row |= {f"low{level * 100:.0f}": low, f"high{level * 100:.0f}": high}
        rows.append(row)
    return rows


def _shown(data: dict[str, Any], scale: Scale) -> dict[str, Any]:
    """What `Forecast.to_json` gives, with y as the user writes it; noise stays in log distance."""

    def of(y: Any) -> Any:
        return {k: of(v) for k, v in y.items()} if isinstance(y, dict) else scale.shown(y).tolist()

    written = {k: of(data[k]) for k in ("median", "by_family", "limit", "limits", "stability")}
    ends = {level: of(pair)[:: -1 if scale.below else 1] for level, pair in data["intervals"].items()}
    return {**data, **written, "intervals": ends}


def write_bench(out: Path, result: Bench) -> None:
    """bench.csv, bench.json and a figure."""
    write_csv(out / "bench.csv", result.rows)
    write_json(out / "bench.json", result.summary)
    law_figures.draw_bench(result.rows, METHODS, out / "figures" / "bench.png")


def write_ablation(out: Path, scores: Sequence[LawScores], groups: Sequence[GroupScores]) -> None:
    """laws.csv, a row a curve, and laws.json, the groups.

    - out: directory to write to.
    - scores: of each curve.
    - groups: of curves.
    """
    write_csv(out / "laws.csv", [{"curve": each.curve, **each.key, **each.rmsle} for each in scores])
    ratios = [{name: ratio._asdict() for name, ratio in each.over_last.items()} for each in groups]
    data = [{**g._asdict(), "over_last": own} for g, own in zip(groups, ratios, strict=True)]
    write_json(out / "laws.json", data)


def write_growth(out: Path, timings: Sequence[Timing]) -> None:
    """growth.csv and a figure."""
    write_csv(out / "growth.csv", [timing._asdict() for timing in timings])
    law_figures.draw_growth(timings, out / "figures" / "growth.png")


def write_simulated(out: Path, scores: Sequence[Score]) -> None:
    """simulated.csv and a figure."""
    write_csv(out / "simulated.csv", [score._asdict() for score in scores])
    law_figures.draw_simulated(scores, out / "figures" / "simulated.png")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Columns in the order in which they first occur; a row may lack some."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def write_json(path: Any, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, dumps(data, indent=1) + "\n")
