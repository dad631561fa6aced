"""Forecasts that need no choice of law: the average of some, with intervals, limits and stability."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike

from scalax.errors import UserError
from scalax.laws.backtests import LEAST_ROWS, best, inflation, without_last
from scalax.laws.curves import Curve, clean
from scalax.laws.family import Family
from scalax.laws.forecast_result import Forecast, center, draws
from scalax.laws.noise import HIDDEN, is_smoothed
from scalax.laws.posterior import Anchored, Ensemble, anchored, ensembles, prior_coordinates
from scalax.laws.priors import Prior, learned_priors
from scalax.laws.registry import lookup

MEMBERS = ("m3", "m4", "bnsl")  # laws that a forecast averages
LEVELS = (0.5, 0.8, 0.95)
DROPS = (0.1, 0.2, 0.3)  # shares of the rows, from the end, whose loss the stability check tries


def forecast(
    curves: Sequence[Curve],
    at: ArrayLike | None = None,
    progress: Callable[[int], object] | None = None,
    members: Sequence[str | Family] = MEMBERS,
) -> list[Forecast]:
    """Forecast each curve beyond its data.

    - at: x [n] to forecast at (None: 2, 4 and 10 times each curve's last x to fit).
    - progress: called with the number of (curve, law) ensembles just finished.
    - members: names of laws, or laws, each with a prior.

    The median is the plain average, in log y, of the members' medians, by default of M3, M4 and BNSL with
    one break, each under its prior (the one learned from many curves, else the wide one that the law
    declares) and with room for the law being wrong (see posterior.py). Only rows to fit are seen.
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
    laws = [lookup(member) for member in members]
    learned = learned_priors()
    priors = [learned.get(law.name, prior_coordinates(law).wide) for law in laws]
    cleaned = [clean(curve) for curve in curves]
    for curve, (points, _) in zip(curves, cleaned, strict=True):
        rows = len(np.unique(points.log_x))
        if points.log_x.ndim != 1 or rows < LEAST_ROWS:
            raise UserError(
                f"curve {curve.name!r}: needs {LEAST_ROWS} rows of different x to forecast, got {rows}"
            )
    data = [anchored(points) for points, _ in cleaned]
    shorter = [[without_last(a, share) for share in DROPS] for a in data]

    def one(law: Family, prior: Prior) -> tuple[list[Ensemble], list[Ensemble]]:
        found = ensembles(law, data, prior)
        cuts = ensembles(law, [s for each in shorter for s in each], prior, draws=0)
        if progress:
            progress(len(curves))
        return found, cuts

    with ThreadPoolExecutor(2) as pool:  # one law compiles while another runs
        columns = list(pool.map(one, laws, priors))
    made = []
    for i, (curve, (_, notes)) in enumerate(zip(curves, cleaned, strict=True)):
        parts = {law.name: found[i] for law, (found, _) in zip(laws, columns, strict=True)}
        earlier = [
            {law.name: cuts[i * len(DROPS) + j] for law, (_, cuts) in zip(laws, columns, strict=True)}
            for j in range(len(DROPS))
        ]
        made.append(_assemble(curve, data[i], parts, shorter[i], earlier, notes, at))
    return made


def _assemble(
    curve: Curve,
    data: Anchored,
    parts: dict[str, Ensemble],
    shorter: Sequence[Anchored],
    earlier: Sequence[Mapping[str, Ensemble]],
    notes: Sequence[str],
    at: np.ndarray | None,
) -> Forecast:
    smoothed = is_smoothed(data.points)
    if smoothed:
        notes = [
            *notes,
            "the rows almost never rise, so they look smoothed: the noise is assumed to be"
            f" {HIDDEN:g} times what they show",
        ]
    x = np.exp(data.points.center_x) * np.array([2.0, 4.0, 10.0]) if at is None else at
    draft = Forecast(
        name=curve.name,
        x=x,
        median=np.exp(center(draws(parts, np.log(x)))),
        intervals={},
        notes=tuple(notes),
        noise=data.noise * (HIDDEN if smoothed else 1.0),
        inflation=inflation(data, parts, shorter, earlier),
        stability={
            len(data.points.log_x) - len(s.points.log_x): np.exp(best(past, np.log(x)))
            for s, past in zip(shorter, earlier, strict=True)
        },
        data=data,
        parts=parts,
    )
    draft.intervals.update({level: draft.interval(x, level) for level in LEVELS})
    return draft
