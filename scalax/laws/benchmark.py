"""The extrapolation benchmark: fit on the rows to fit, score on the rows held out."""

import csv
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.laws.ablation import shares_won
from scalax.laws.curves import Curve
from scalax.laws.fit_result import rmsle
from scalax.laws.fitting import fit
from scalax.laws.forecasting import LEVELS, MEMBERS, forecast

LAWS = ("m1", "m2", "m3", "m4", "bnsl")
METHODS = (*LAWS, "auto")
PARTS = len(LAWS) + len(MEMBERS)  # of the work on a curve, as `progress` counts them
COVER = tuple(f"cover{level * 100:.0f}" for level in LEVELS)
PUBLISHED = ("M1", "M2", "M3", "M4", "BNSL")


class Bench(NamedTuple):
    """`rows`: per curve, Domain, Task, Model, the held-out RMSLE of each method and the share of held-out
    points in each interval. `summary`: per domain and "all", see `summarise`."""

    rows: list[dict]
    summary: dict


def bench(
    curves: Sequence[Curve],
    published: dict | None = None,
    seed: int = 0,
    progress: Callable[[float], object] | None = None,
    pool: Sequence[str] | None = None,
) -> Bench:
    """Score the least-squares laws and `auto` on every curve.

    - curves: with rows held out.
    - published: from `read_published`, shown beside ours on the curves both have.
    - seed: of the fits.
    - progress: called with how many parts were just done, of PARTS a curve.
    - pool: columns by which curves tell of each other, see `forecast`.

    Raises UserError where no row of a curve is held out.
    """
    for curve in curves:
        if curve.fit.all():
            raise UserError(
                f"curve {curve.name!r}: no row is held out to score; mark some by a column `split`, or leave"
                " the curve out"
            )
    began = time.monotonic()
    fits = fit(curves, LAWS, seed=seed, progress=progress)
    fitted = time.monotonic()
    forecasts = forecast(curves, progress=progress, pool=pool)
    rows = []
    for curve, laws, auto in zip(curves, fits, forecasts, strict=True):
        held = ~curve.fit & curve.usable
        x, y = curve.x[held], curve.y[held]
        domain, task, model = ([*curve.name.split("/", 2), "", ""])[:3]
        row = {"Domain": domain, "Task": task, "Model": model}
        row |= {name: laws[name].rmsle_held_out for name in LAWS}
        row["auto"] = rmsle(np.log(auto.predict(x)) - np.log(y))[0]
        for column, level in zip(COVER, LEVELS, strict=True):
            low, high = auto.interval(x, level)
            row[column] = float(np.mean((low <= y) & (y <= high)))
        rows.append(row)
    done = time.monotonic()
    summary = summarise(rows, published)
    summary["wall_s"] = {"fit": fitted - began, "auto": done - fitted, "curves": len(rows)}
    return Bench(rows, summary)


def summarise(rows: list[dict], published: dict | None = None) -> dict:
    """Per domain and overall: mean, median and geometric mean of each method's RMSLE, the share of
    curves on which it is the lowest (ties shared), and the mean coverage of the intervals."""
    groups = {"all": rows}
    for row in rows:
        groups.setdefault(row["Domain"], []).append(row)
    summary = {"domains": {name: _statistics(group, METHODS) for name, group in groups.items()}}
    for name, group in groups.items():
        summary["domains"][name]["cover"] = {c: float(np.mean([row[c] for row in group])) for c in COVER}
    if published:
        both = []
        for row in rows:
            theirs = published.get((row["Domain"], row["Task"], row["Model"]))
            if theirs:
                both.append(row | theirs)
        if both:
            summary["published"] = _statistics(both, (*METHODS, *(f"published {m}" for m in PUBLISHED)))
    return summary


def _statistics(rows: list[dict], methods: Sequence[str]) -> dict:
    table = np.array([[row[m] for m in methods] for row in rows])
    with np.errstate(divide="ignore"):
        geometric = np.exp(np.log(table).mean(0))
    columns = zip(table.mean(0), np.median(table, 0), geometric, shares_won(table), strict=True)
    named = ("mean", "median", "geometric_mean", "wins")
    methods_out = {
        m: dict(zip(named, map(float, v), strict=True)) for m, v in zip(methods, columns, strict=True)
    }
    return {"curves": len(rows), "methods": methods_out}


def read_published(path: str | Path) -> dict[tuple[str, str, str], dict[str, float]]:
    """{(Domain, Task, Model): {"published M1": RMSLE, ...}} of a CSV with those columns.

    Raises UserError where a column is missing or a cell is not a positive number.
    """
    path, table = Path(path), {}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            for line, row in enumerate(csv.DictReader(file), start=2):
                for column in ("Domain", "Task", "Model", *PUBLISHED):
                    if row.get(column) is None:
                        raise UserError(
                            f"{path}, row {line}: no column {column!r}; want Domain,Task,Model,M1..M4,BNSL"
                        )
                values = {}
                for m in PUBLISHED:
                    try:
                        values[f"published {m}"] = float(row[m])
                    except ValueError:
                        raise UserError(
                            f"{path}, row {line}, column {m!r}: {row[m][:30]!r} is not a number"
                        ) from None
                table[row["Domain"], row["Task"], row["Model"]] = values
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise UserError(f"{path}: cannot be read as CSV ({e})") from None
    return table
