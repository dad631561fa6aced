"""Laws scored beside each other on held-out rows, by the groups that curves fall into."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.laws.curves import Curve
from scalax.laws.fitting import fit
from scalax.laws.resampled import ends, resampled

LEAST = 5  # curves that an interval needs


class LawScores(NamedTuple):
    """Held-out RMSLE of one curve by law. key: values of the columns that name the curve."""

    curve: str
    key: dict[str, str]
    rmsle: dict[str, float]


class Ratio(NamedTuple):
    """Geometric mean of a law's RMSLE over another's, with a 90% interval over resampled curves; nan where
    there are too few curves."""

    value: float
    low: float
    high: float


class GroupScores(NamedTuple):
    """Curves that agree in the first columns that name them.

    - group: values of these columns; () for all curves.
    - curves: in the group.
    - mean: of the RMSLE, by law. wins: share of the curves where the law has the lowest, ties shared.
    - over_last: each law's RMSLE over the last law's.
    """

    group: tuple[str, ...]
    curves: int
    mean: dict[str, float]
    wins: dict[str, float]
    over_last: dict[str, Ratio]


def score(
    curves: Sequence[Curve],
    families: Sequence[str],
    seed: int = 0,
    progress: Callable[[float], object] | None = None,
) -> list[LawScores]:
    """Fit each law to the rows to fit, and score it on the rows held out.

    - curves: with rows held out.
    - families: names of laws.
    - seed: of the fits.
    - progress: called with the number of fits just finished.

    Raises UserError where no row of a curve is held out.
    """
    for curve in curves:
        if curve.fit.all():
            raise UserError(
                f"curve {curve.name!r}: no row is held out to score; mark some by a column `split`, or leave"
                " the curve out"
            )
    fits = fit(curves, families, seed=seed, progress=progress)
    return [
        LawScores(curve.name, curve.key, {name: own[name].rmsle_held_out for name in families})
        for curve, own in zip(curves, fits, strict=True)
    ]


def shares_won(errors: np.ndarray) -> list[float]:
    """Share of curves where a method has the lowest error, ties shared: [curves, methods] -> [methods]."""
    lowest = errors == errors.min(1, keepdims=True)
    return (lowest / lowest.sum(1, keepdims=True)).mean(0).tolist()


def by_group(scores: Sequence[LawScores], seed: int = 0) -> list[GroupScores]:
    """All curves together, then by the first column that names them, by the first two and so on, but for the
    last: of Domain, Task and Model by Domain, and by Domain and Task.

    - scores: of curves with the same columns.
    - seed: of the resampled curves.
    """
    depth = max(1, len(scores[0].key))
    groups: dict[tuple[str, ...], list[LawScores]] = {}
    for length in range(depth):
        for each in scores:
            groups.setdefault(tuple(each.key.values())[:length], []).append(each)
    return [_summary(group, groups[group], seed) for group in sorted(groups)]


def _summary(group: tuple[str, ...], scores: Sequence[LawScores], seed: int) -> GroupScores:
    laws = list(scores[0].rmsle)
    table = np.array([[each.rmsle[law] for law in laws] for each in scores])
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(table / table[:, -1:])
    ratios = [_ratio(column, seed) for column in logs.T]
    return GroupScores(
        group,
        len(scores),
        dict(zip(laws, map(float, table.mean(0)), strict=True)),
        dict(zip(laws, shares_won(table), strict=True)),
        dict(zip(laws, ratios, strict=True)),
    )


def _ratio(logs: np.ndarray, seed: int) -> Ratio:
    if len(logs) < LEAST or not np.isfinite(logs).all():
        return Ratio(np.nan, np.nan, np.nan)
    return Ratio(*(float(np.exp(each)) for each in (logs.mean(), *ends(resampled(logs, seed).mean(1)))))
