"""Forecasts that need no choice of law: some, as the rows weigh them, with intervals, limits and
stability."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from scalax.errors import UserError
from scalax.laws.anchored import Anchored, anchored
from scalax.laws.backtests import LEAST_ROWS, Backtest, backtests, inflation
from scalax.laws.curves import Curve, Points, clean
from scalax.laws.falls import WIDER, falls_faster
from scalax.laws.family import Family
from scalax.laws.flags import Flag
from scalax.laws.forecast_result import Forecast
from scalax.laws.mixture import Ensemble, ensembles, general_odds, priors_of, weigh
from scalax.laws.noise import HIDDEN, fewness, is_smoothed, noise_behind
from scalax.laws.pooling import LEAST, Pooled, few_to_pool, groups_of
from scalax.laws.pooling import pool as pooled
from scalax.laws.posterior import modes
from scalax.laws.registry import lookup
from scalax.laws.suspicious import without_suspicious

MEMBERS = ("m1", "m2", "m3", "m4", "bnsl", "shifted_power")  # laws that a forecast weighs
LEVELS = (0.5, 0.8, 0.95)
DROPS = (0.1, 0.2, 0.3)  # shares of the rows, from the end, that backtests leave out


def forecast(
    curves: Sequence[Curve],
    at: ArrayLike | None = None,
    progress: Callable[[float], object] | None = None,
    members: Sequence[str | Family] = MEMBERS,
    pool: Sequence[str] | None = None,
) -> list[Forecast]:
    """Forecast each curve beyond its data.

    - at: x [n] to forecast at (None: 2, 4 and 10 times each curve's last x to fit).
    - progress: called with how much was just done, in searches of one law on one curve.
    - members: names of laws, or laws, each with a prior.
    - pool: columns of the curves' keys (`Curve.key`). Curves that share a value, and all curves given, tell
      of each other's priors, as far as their rows show that they have something in common (pooling.py). "*"
      among them is every column; without any, all curves are pooled alike. None: each curve is alone.

    Each law counts by how well it explains the curve's rows, under priors (its wide one, and the one learned
    from many curves) and with room for being wrong, whose amount is inferred too (see mixture.py and
    posterior.py); the median and the bands are those of all together. Rows that no neighbour supports are
    left out, and flagged. Only rows to fit are seen.

    Raises UserError for a curve with fewer than five usable rows, an `at` that is not positive, or a law
    without a prior.

    >>> import numpy as np
    >>> x = np.geomspace(1e6, 1e9, 40)
    >>> [f] = forecast([Curve(x, 0.1 + 40 * x**-0.3)], at=[4e9])
    >>> low, high = f.intervals[0.8]
    >>> bool(low[0] < 0.1 + 40 * 4e9**-0.3 < high[0])
    True
    """
    if at is not None:
        at = np.atleast_1d(np.asarray(at, float))
        if not (np.isfinite(at) & (at > 0)).all():
            raise UserError(f"x in `at` must be positive, got {at[~(np.isfinite(at) & (at > 0))][0]}")
    if not members:
        raise UserError("no law is named; give one or more in `members`, e.g. m4")
    told: list[list[Flag]] = [[] for _ in curves] if pool is None else few_to_pool(curves, pool)
    laws = [lookup(member) for member in members]
    kinds = {early: [priors_of(law, early) for law in laws] for early in (False, True)}
    cleaned = [clean(curve) for curve in curves]
    for curve, (points, _) in zip(curves, cleaned, strict=True):
        rows = len(np.unique(points.log_x))
        if points.log_x.ndim != 1 or rows < LEAST_ROWS:
            raise UserError(
                f"curve {curve.name!r}: needs {LEAST_ROWS} rows of different x to forecast, got {rows}"
            )
    kept = [without_suspicious(points) for points, _ in cleaned]
    data = [anchored(points) for points, _ in kept]
    kept = [
        (points, [*flags, *falls_faster(points, a.noise)])
        for (points, flags), a in zip(kept, data, strict=True)
    ]
    smoothed = [is_smoothed(points) for points, _ in kept]

    of_curve, found = [kinds[a.grows_steeper] for a in data], [[] for _ in data]
    for early, own in kinds.items():
        alike = [i for i, a in enumerate(data) if a.grows_steeper == early]
        of_law = modes(laws, [data[i] for i in alike], [[p for _, p in of] for of in own], progress)
        for i, *each in zip(alike, *of_law, strict=True):
            found[i] = each
    if pool is not None and len(curves) >= LEAST:
        of_each = pooled(laws, data, of_curve, found, smoothed, groups_of(curves, pool))
    else:
        odds = [general_odds(len(laws), smooth) for smooth in smoothed]
        of_each = Pooled(found, of_curve, odds)
    components = [weigh(*each) for each in zip(*of_each, smoothed, strict=True)]
    parts = ensembles(laws, data, components)
    tests = backtests(laws, data, components, DROPS)
    each = zip(curves, cleaned, kept, told, smoothed, data, parts, tests, strict=True)
    return [
        _assemble(curve, notes, points, [*flags, *few], smooth, a, laws_of, past, at)
        for curve, (_, notes), (points, flags), few, smooth, a, laws_of, past in each
    ]


def _assemble(
    curve: Curve,
    notes: Sequence[str],
    points: Points,
    flags: Sequence[Flag],
    smoothed: bool,
    data: Anchored,
    parts: dict[str, Ensemble],
    tests: Sequence[Backtest],
    at: np.ndarray | None,
) -> Forecast:
    if smoothed:
        flags = [*flags, Flag("smoothed", numbers={"times": HIDDEN})]
    x = np.exp(data.points.center_x) * np.array([2.0, 4.0, 10.0]) if at is None else at
    rows = len(data.points.log_x)
    falls = any(flag.kind == "falls_faster" for flag in flags)
    draft = Forecast(
        name=curve.name,
        x=x,
        median=np.zeros(0),
        intervals={},
        notes=tuple(notes),
        flags=tuple(flags),
        noise=noise_behind(points) if smoothed else data.noise,
        inflation=fewness(points) * (WIDER if falls else inflation(data, parts, tests)),
        stability={rows - len(test.short.points.log_x): np.exp(test.predict(np.log(x))) for test in tests},
        data=data,
        parts=parts,
    )
    intervals = {level: draft.interval(x, level) for level in LEVELS}
    return dataclasses.replace(draft, median=draft.predict(x), intervals=intervals)
