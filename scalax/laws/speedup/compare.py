"""How many times less x one recipe needs than another, as a curve over targets, with intervals."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scalax.errors import UserError
from scalax.laws.curves import Curve, Scale, clean
from scalax.laws.flags import Flag
from scalax.laws.noise import HIDDEN, is_smoothed, row_noise
from scalax.laws.speedup.model import Model, Rows, first_crossings

DRAWS = 800
BEYOND = np.log(4.0)  # how far past the last x of both recipes a target is looked for
EDGE = 0.02  # log x past the last row that still counts as within the rows
TARGETS = 24
LEVEL = 0.9
MOST_ROWS, MOST_OF_CURVE = 480, 64  # longer curves are averaged in bins of log x


@dataclass(frozen=True)
class Speedup:
    """x that A needs over x that B needs, for the same y: over 1 where B is faster.

    - targets: [t], y as the user writes it, from the first that both were measured around to what A reaches.
    - ratio, low, high: [t], median and 90% interval.
    - x_a, x_b: [t], medians; inf where a target is not reached.
    - beyond: [t], whether B (or A) reaches it past its own rows, by extrapolation.
    - paired: whether curves of the two were taken in pairs.
    - curves: how many of each.
    - noise: standard deviation of a row, in log distance; seeds: of seeds around their recipe's curve.
    - flags: what to distrust.
    - x, bands: [m] and, for A and for B, (median, low, high) [m] of y (as a distance) with 90% bands.
    """

    targets: np.ndarray
    ratio: np.ndarray
    low: np.ndarray
    high: np.ndarray
    x_a: np.ndarray
    x_b: np.ndarray
    beyond: np.ndarray
    paired: bool
    curves: tuple[int, int]
    noise: float
    seeds: float
    flags: tuple[Flag, ...]
    labels: tuple[str, str]
    scale: Scale
    x: np.ndarray = field(repr=False)
    bands: tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]] = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        rows = ("targets", "ratio", "low", "high", "x_a", "x_b", "beyond")
        return {
            "x": self.labels[0],
            "y": self.labels[1],
            **{name: getattr(self, name).tolist() for name in rows},
            "level": LEVEL,
            "paired": self.paired,
            "curves": list(self.curves),
            "noise": self.noise,
            "seeds": self.seeds,
            "flags": [str(flag) for flag in self.flags],
            "flag_data": [dataclasses.asdict(flag) for flag in self.flags],
        }


def speedup(
    a: Sequence[Curve],
    b: Sequence[Curve],
    targets: ArrayLike | None = None,
    pairs: Sequence[tuple[int, int]] = (),
    seed: int = 0,
) -> Speedup:
    """Compare recipe B with recipe A.

    - a, b: curves of each, one a seed.
    - targets: y as the user writes it (None: TARGETS of them, even in log distance, down to what A reaches).
    - pairs: (i, j) of curves a[i] and b[j] that share a seed: what the seed does to both cancels.
    - seed: of draws.

    The interval holds the rows' noise, how much seeds differ, and that no law is assumed: curves are smooth
    (see model.py). With one curve each, seeds are not in it, and that is flagged.

    Raises UserError where a curve has too few rows, curves are of different y, or the recipes have no y in
    common.

    >>> import numpy as np
    >>> x = np.geomspace(1e6, 1e9, 30)
    >>> made = speedup([Curve(x, 0.1 + 40 * x**-0.3)], [Curve(x, 0.1 + 40 * (2 * x)**-0.3)], [0.25])
    >>> round(float(made.ratio[0]), 1)
    2.0
    """
    if not len(a) or not len(b):
        raise UserError("a speed-up is between two recipes: give one curve or more of each")
    curves = [*a, *b]
    scale = curves[0].scale
    if len(names := sorted({curve.labels[0] for curve in curves})) > 1:
        raise UserError(f"the x of the curves differ ({', '.join(names)}); name one that all have in `x`")
    for curve in curves:
        if curve.scale != scale or curve.x.ndim != 1:
            raise UserError(f"curve {curve.name!r}: all curves must have one x, and y with one bound")
    rows, flags = _rows(a, b, pairs)
    model = Model(rows, BEYOND)
    grid, drawn = model.grid, model.draws(DRAWS, seed)
    logs = _targets(rows, grid, drawn) if targets is None else np.log(_distances(targets, scale))
    reached = np.stack([first_crossings(grid, drawn[:, i], logs) for i in range(2)])
    with np.errstate(invalid="ignore"):
        log_ratio = reached[0] - reached[1]  # nan where neither is reached
    usable = np.isfinite(reached).any(0).mean(0) > 0.5
    low, middle, high = (_quantiles(log_ratio, share) for share in (0.05, 0.5, 0.95))
    low, middle, high = (np.where(usable, v, np.nan) for v in (low, middle, high))
    x_a, x_b = (np.quantile(v, 0.5, axis=0, method="inverted_cdf") for v in reached)
    ends = [rows.u[rows.recipe == i].max() for i in range(2)]
    begins = [rows.u[rows.recipe == i].min() for i in range(2)]
    past = [
        (x > end + EDGE) | (x < begin - EDGE) for x, begin, end in zip((x_a, x_b), begins, ends, strict=True)
    ]
    beyond = past[0] | past[1]
    if len(a) == len(b) == 1:
        flags.append(Flag("one_seed"))
    shown = tuple(
        tuple(np.exp(np.quantile(drawn[:, i], [0.5, 0.05, 0.95], axis=0))) for i in range(2)
    )  # fmt: skip
    with np.errstate(over="ignore"):
        return Speedup(
            targets=np.asarray(scale.shown(np.exp(logs)), float),
            ratio=np.exp(middle),
            low=np.exp(low),
            high=np.exp(high),
            x_a=np.exp(x_a),
            x_b=np.exp(x_b),
            beyond=beyond,
            paired=bool(len(pairs)),
            curves=(len(a), len(b)),
            noise=float(np.sqrt(np.mean(rows.variance))) * model.mean_of("noise"),
            seeds=model.mean_of("seeds"),
            flags=tuple(flags),
            labels=curves[0].labels,
            scale=scale,
            x=np.exp(grid),
            bands=(shown[0], shown[1]),
        )


def pairs_of(a: Sequence[Curve], b: Sequence[Curve], recipe: str = "") -> list[tuple[int, int]]:
    """Curves of the two recipes whose keys are the same, but for the column `recipe`; none where the keys do
    not tell curves of a recipe apart."""

    def keys(curves: Sequence[Curve]) -> list[tuple]:
        return [tuple(sorted((k, v) for k, v in curve.key.items() if k != recipe)) for curve in curves]

    own, others = keys(a), keys(b)
    if len(set(own)) < len(own) or len(set(others)) < len(others) or min(len(own), len(others)) < 2:
        return []
    return [(i, others.index(key)) for i, key in enumerate(own) if key in others]


def _distances(targets: ArrayLike, scale: Scale) -> np.ndarray:
    distances = scale.distance(np.atleast_1d(np.asarray(targets, float)))
    if not (np.isfinite(distances) & (distances > 0)).all():
        side = "positive" if scale.plain else f"{'below' if scale.below else 'above'} {scale.bound:g}"
        raise UserError(f"`targets` must be {side}, got {np.atleast_1d(targets).tolist()}")
    return distances


def _rows(
    a: Sequence[Curve], b: Sequence[Curve], pairs: Sequence[tuple[int, int]]
) -> tuple[Rows, list[Flag]]:
    """Rows to fit of all curves, in bins where there are many."""
    most = min(MOST_OF_CURVE, max(8, MOST_ROWS // (len(a) + len(b))))
    pair_of = {i: k for k, (i, _) in enumerate(pairs)} | {len(a) + j: k for k, (_, j) in enumerate(pairs)}
    parts, noises, smoothed = [], [], False
    for i, curve in enumerate((*a, *b)):
        points, _ = clean(curve)
        if len(np.unique(points.log_x)) < 4:
            raise UserError(f"curve {curve.name!r}: needs 4 rows of different x to compare")
        noises.append(row_noise(points))
        smoothed |= is_smoothed(points)
        u, v, count = _binned(points.log_x + points.center_x, points.log_y + points.center_y, most)
        ones = np.ones(len(u), int)
        parts.append((u, v, (i >= len(a)) * ones, i * ones, pair_of.get(i, -1) * ones, 1 / count))
    u, v, recipe, curve_of, pair, share = (np.concatenate(column) for column in zip(*parts, strict=True))
    noise = float(np.sqrt(np.mean(np.square(noises)))) * (HIDDEN if smoothed else 1.0)
    flags = [Flag("smoothed", numbers={"times": HIDDEN})] if smoothed else []
    return Rows(u, v, recipe, curve_of, pair, noise**2 * share), flags


def _binned(u: np.ndarray, v: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of u and v in at most `most` bins of u, and how many rows each has."""
    if len(u) <= most:
        return u, v, np.ones(len(u))
    edges = np.linspace(u.min(), u.max(), most + 1)
    index = np.clip(np.searchsorted(edges, u, side="right") - 1, 0, most - 1)
    count = np.bincount(index, minlength=most)
    kept = count > 0
    mean_u, mean_v = (np.bincount(index, values, most)[kept] / count[kept] for values in (u, v))
    return mean_u, mean_v, count[kept].astype(float)


def _targets(rows: Rows, grid: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Log y from the first that both recipes were measured around down to what A reaches.

    Raises UserError where there is none.
    """
    middle = np.median(drawn, 0)
    at = [np.interp([rows.u[rows.recipe == i].min(), rows.u[rows.recipe == i].max()], grid, middle[i])
          for i in range(2)]  # fmt: skip
    top, bottom = min(at[0][0], at[1][0]), at[0][1]
    if top <= bottom:
        raise UserError(
            "the recipes have no y in common: one is better in its first row than the other in its last;"
            " give rows from earlier on, or `targets`"
        )
    return np.linspace(top, bottom, TARGETS + 1)[1:]


def _quantiles(log_ratio: np.ndarray, share: float) -> np.ndarray:
    """[t]: of draws that are not nan; each is one of the values, so that infinite ones may be among them."""
    found = []
    for column in log_ratio.T:
        known = column[~np.isnan(column)]
        found.append(np.quantile(known, share, method="inverted_cdf") if len(known) else np.nan)
    return np.array(found)
