"""Forecasts that need no choice of law: the average of three, with intervals, limits and stability."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import norm

from scalax.errors import UserError
from scalax.laws.curves import Curve, clean
from scalax.laws.fitting import FAMILIES
from scalax.laws.law import evaluate
from scalax.laws.noise import HIDDEN, is_smoothed
from scalax.laws.posterior import (
    MEMBERS_OF_AUTO,
    Anchored,
    Ensemble,
    anchored,
    ensembles,
    load_priors,
    process_variance,
)

LEVELS = (0.5, 0.8, 0.95)
DROPS = (0.1, 0.2, 0.3)  # shares of the rows, from the end, whose loss the stability check tries
REACH = np.log(1e4)  # how far beyond the data a target is looked for
LEAST_ROWS = 5


@dataclass(frozen=True)
class Reach:
    """Where a target is reached: x with its 80% interval, in the data's units; or why it is not."""

    target: float
    x: float = np.nan
    low: float = np.nan
    high: float = np.inf
    why_not: str = ""

    def __str__(self) -> str:
        high = f"{self.high:.3g}" if np.isfinite(self.high) else "unbounded"
        if self.why_not:
            return self.why_not + (f" (80%: {self.low:.3g} to {high})" if np.isfinite(self.low) else "")
        return f"x = {self.x:.3g} (80%: {self.low:.3g} to {high})"


@dataclass(frozen=True)
class Forecast:
    """What `auto` says about one curve. x and y are in the data's own units.

    `x`, `median` [n]; `intervals` {level: (low [n], high [n])} for a new observation; `stability` is a
    dict of rows dropped from the end -> median [n]. `inflation` is how much wider backtests on the
    curve's own rows asked the intervals to be; `notes` say what was done to the rows.
    """

    name: str
    x: np.ndarray
    median: np.ndarray
    intervals: dict[float, tuple[np.ndarray, np.ndarray]]
    notes: tuple[str, ...]
    noise: float
    inflation: float
    stability: dict[int, np.ndarray]
    data: Anchored = field(repr=False)
    parts: dict[str, Ensemble] = field(repr=False)

    def by_family(self, x) -> dict[str, np.ndarray]:
        """Each law's own median y at x [n]."""
        return {
            n: np.exp(np.median(v, 0)) for n, v in _draws(self.parts, np.log(np.asarray(x, float))).items()
        }

    def predict(self, x) -> np.ndarray:
        """Median y at x [n]."""
        return np.exp(_center(_draws(self.parts, np.log(np.asarray(x, float)))))

    def interval(self, x, level: float, observed: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) at x [n], of a new observation, or of the curve itself."""
        log_x = np.log(np.asarray(x, float))
        center, deviation = self._spread(log_x, observed)
        half = norm.ppf(0.5 + level / 2) * deviation
        return np.exp(center - half), np.exp(center + half)

    @property
    def limits(self) -> dict[str, float]:
        """What each law's median member tends to as x grows without end."""
        found = {}
        for name, e in self.parts.items():
            logs = [float(FAMILIES[name].log_limit(p)) for p in e.members]
            found[name] = float(np.exp(np.median(logs)))
        return found

    @property
    def limit(self) -> float:
        """The limit of the average: the geometric mean of the laws' limits, 0 if one has none."""
        with np.errstate(divide="ignore"):
            return float(np.exp(np.mean(np.log(list(self.limits.values())))))

    def reach(self, target: float) -> Reach:
        """The x at which the median falls to `target`, with an 80% interval of the curve's own x."""
        if not (np.isfinite(target) and target > 0):
            raise UserError(f"target must be positive, got {target}")
        points = self.data.points
        grid = np.linspace(points.center_x + points.span.left, points.center_x + REACH, 2000)
        center, deviation = self._spread(grid, observed=False)
        half = norm.ppf(0.9) * deviation
        first = [_first_at_or_below(grid, v, np.log(target)) for v in (center, center - half, center + half)]
        if np.isfinite(first[0]):
            middle, low, high = np.exp(first)
            return Reach(target, middle, low, high)
        if target <= self.limit:
            why_not = f"not reachable: the limit is {self.limit:.4g}"
        else:
            why_not = f"not reached within {np.exp(REACH):.0g} times the data's last x"
        if np.isfinite(first[1]):  # the median is no certainty: say what the interval holds
            return Reach(target, low=float(np.exp(first[1])), why_not=f"{why_not}, by the median")
        return Reach(target, why_not=why_not)

    def _spread(self, log_x, observed: bool):
        draws = _draws(self.parts, log_x)
        center = _center(draws)
        within = np.mean([(v - center) ** 2 for v in draws.values()], (0, 1))
        process = process_variance(self.data.tau, log_x - self.data.points.center_x)
        variance = self.inflation**2 * (within + process)
        return center, np.sqrt(variance + (self.noise**2 if observed else 0))


def forecast(curves: Sequence[Curve], at=None, progress=None) -> list[Forecast]:
    """Forecast each curve at x = `at` [n] (None: 2, 4 and 10 times its last x to fit).

    The median is the plain average, in log y, of the medians of M3, M4 and BNSL with one break, each
    under its prior and with room for the law being wrong (see posterior.py). Only rows to fit are seen.
    Raises UserError for a curve with fewer than five usable rows, or an `at` that is not positive.

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
            raise UserError(f"x to forecast at must be positive, got {at[~(np.isfinite(at) & (at > 0))][0]}")
    cleaned = [clean(curve) for curve in curves]
    for curve, (points, _) in zip(curves, cleaned, strict=True):
        rows = len(np.unique(points.log_x))
        if points.log_x.ndim != 1 or rows < LEAST_ROWS:
            raise UserError(
                f"curve {curve.name!r}: needs {LEAST_ROWS} rows of different x to forecast, got {rows}"
            )
    data = [anchored(points) for points, _ in cleaned]
    shorter = [[_without_last(a, share) for share in DROPS] for a in data]
    priors = load_priors()
    parts: list[dict] = [{} for _ in curves]
    earlier: list[list[dict]] = [[{} for _ in DROPS] for _ in curves]

    def one(name: str):
        found = ensembles(name, data, priors[name])
        cuts = ensembles(name, [s for each in shorter for s in each], priors[name], draws=0)
        if progress:
            progress(len(curves))
        return found, cuts

    with ThreadPoolExecutor(2) as pool:  # one law compiles while another runs
        for name, (found, cuts) in zip(MEMBERS_OF_AUTO, pool.map(one, MEMBERS_OF_AUTO), strict=True):
            for own, e in zip(parts, found, strict=True):
                own[name] = e
            for i, e in enumerate(cuts):
                earlier[i // len(DROPS)][i % len(DROPS)][name] = e
    return [
        _assemble(curve, a, own, cut, past, notes, at)
        for curve, a, own, cut, past, (_, notes) in zip(
            curves, data, parts, shorter, earlier, cleaned, strict=True
        )
    ]


def _assemble(curve, data: Anchored, parts, shorter, earlier, notes, at) -> Forecast:
    smoothed = is_smoothed(data.points)
    if smoothed:
        notes = [
            *notes,
            f"rows (almost) never rise, so they look smoothed: noise is taken {HIDDEN:g} times theirs",
        ]
    x = np.exp(data.points.center_x) * np.array([2.0, 4.0, 10.0]) if at is None else at
    draft = Forecast(
        name=curve.name,
        x=x,
        median=np.exp(_center(_draws(parts, np.log(x)))),
        intervals={},
        notes=tuple(notes),
        noise=data.noise * (HIDDEN if smoothed else 1.0),
        inflation=_inflation(data, parts, shorter, earlier),
        stability={
            len(data.points.log_x) - len(s.points.log_x): np.exp(_best(past, np.log(x)))
            for s, past in zip(shorter, earlier, strict=True)
        },
        data=data,
        parts=parts,
    )
    draft.intervals.update({level: draft.interval(x, level) for level in LEVELS})
    return draft


def _inflation(data: Anchored, parts, shorter, earlier) -> float:
    """How many times wider than stated the errors of backtests are, at least 1 and at most 2.

    A backtest forecasts the rows it dropped; what it was entitled to miss them by is what the full
    forecast is, as far beyond its own end.
    """
    ratios = []
    points = data.points
    for short, past in zip(shorter, earlier, strict=True):
        end = short.points.center_x - points.center_x
        dropped = points.log_x > end + 1e-9
        if not dropped.any():
            continue
        distance = points.log_x[dropped] - end
        draws = _draws(parts, points.center_x + distance)
        spread = np.mean([(v - _center(draws)) ** 2 for v in draws.values()], (0, 1))
        allowed = spread + process_variance(data.tau, distance) + data.noise**2
        missed = (
            _best(past, points.center_x + points.log_x[dropped]) - points.center_y - points.log_y[dropped]
        )
        ratios.append(np.mean(missed**2 / allowed))
    return float(np.sqrt(np.clip(np.mean(ratios), 1, 4))) if ratios else 1.0


def _without_last(a: Anchored, share: float) -> Anchored:
    """The curve without the last `share` of its rows (at least one), its assumptions unchanged."""
    points = a.points
    keep = max(
        min(LEAST_ROWS, len(points.log_x) - 1), len(points.log_x) - max(1, round(share * len(points.log_x)))
    )
    log_x, log_y, weights = points.log_x[:keep], points.log_y[:keep], points.weights[:keep]
    right, last = log_x.max(), float(log_y[log_x == log_x.max()].mean())
    span = points.span._replace(
        left=log_x.min() - right,
        right=0.0,
        low=log_y.min() - last,
        high=log_y.max() - last,
        first=points.span.first - last,
        last=0.0,
    )
    moved = points._replace(
        log_x=log_x - right,
        log_y=log_y - last,
        weights=weights,
        center_x=points.center_x + right,
        center_y=points.center_y + last,
        span=span,
    )
    return Anchored(moved, a.noise, a.tau)


def _draws(parts: dict[str, Ensemble], log_x) -> dict[str, np.ndarray]:
    """log y of every member of every law, {name: [members, n]}."""
    return {name: evaluate(FAMILIES[name], e.members, log_x, "samples") for name, e in parts.items()}


def _center(draws) -> np.ndarray:
    return np.mean([np.median(v, 0) for v in draws.values()], 0)


def _best(parts: dict[str, Ensemble], log_x) -> np.ndarray:
    return np.mean([evaluate(FAMILIES[name], e.best, log_x) for name, e in parts.items()], 0)


def _first_at_or_below(grid, log_y, target) -> float:
    """log x where log_y first comes down to the target, interpolated; inf where it does not."""
    below = log_y <= target
    if not below.any():
        return np.inf
    i = int(below.argmax())
    if i == 0:
        return float(grid[0])
    share = (log_y[i - 1] - target) / (log_y[i - 1] - log_y[i])
    return float(grid[i - 1] + share * (grid[i] - grid[i - 1]))
