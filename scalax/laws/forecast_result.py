"""What a forecast says of one curve: its future with intervals, its limits, and where it reaches a target."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from scalax.errors import UserError
from scalax.laws.curves import PLAIN, Scale
from scalax.laws.posterior import Anchored, Ensemble, process_variance

LOOKED = np.log(1e4)  # how far beyond the data a target is looked for


@dataclass(frozen=True)
class Reach:
    """Where a target is reached: x with its 80% interval, in the data's units; x is nan where it is not.

    - target, limit: distances, as the curve's y; the limit is what it tends to, and a target at or below it
      is never reached.
    - already: the first row is at the target, or beyond it.
    - flat: the curve's y is the same in every row.
    - scale: how the user writes y.
    """

    target: float
    x: float = np.nan
    low: float = np.nan
    high: float = np.inf
    limit: float = 0.0
    already: bool = False
    flat: bool = False
    scale: Scale = PLAIN

    @property
    def why_not(self) -> str:
        """Why the target is not reached; empty where it is."""
        if np.isfinite(self.x):
            return ""
        by_median = ", by the median" if np.isfinite(self.low) else ""  # of what the interval holds
        limit = self.scale.shown(self.limit)
        if self.flat:
            return f"not reached: y is flat at {limit:.4g}"
        if self.target <= self.limit:
            return f"not reachable: the limit is {limit:.4g}{by_median}"
        return f"not reached within {np.exp(LOOKED):.0g} times the data's last x{by_median}"

    def __str__(self) -> str:
        if self.already:
            return f"already reached at x = {self.x:.4g}, the first row"
        high = f"{self.high:.3g}" if np.isfinite(self.high) else "unbounded"
        if self.why_not:
            return self.why_not + (f" (80%: {self.low:.3g} to {high})" if np.isfinite(self.low) else "")
        return f"x = {self.x:.3g} (80%: {self.low:.3g} to {high})"

    def to_json(self) -> dict[str, Any]:
        return {
            "target": float(self.scale.shown(self.target)),
            "x": self.x,
            "low": self.low,
            "high": self.high,
            "already": self.already,
            "why_not": self.why_not,
        }


@dataclass(frozen=True)
class Forecast:
    """What the average of some laws says about one curve. x and y are in the data's own units.

    - name: of the curve.
    - x, median: [n].
    - intervals: level -> (low [n], high [n]), for a new observation.
    - notes: what was done to the rows, in words.
    - noise: standard deviation of an observation, in log y.
    - inflation: how much wider backtests on the curve's own rows asked the intervals to be.
    - stability: rows dropped from the end -> median [n].
    - data: the rows that it was made from.
    - parts: the ensemble of each law.
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

    def by_family(self, x: ArrayLike) -> dict[str, np.ndarray]:
        """Each law's own median y at x [n]."""
        return {
            n: np.exp(np.median(v, 0)) for n, v in draws(self.parts, np.log(np.asarray(x, float))).items()
        }

    def predict(self, x: ArrayLike) -> np.ndarray:
        """Median y at x [n]."""
        return np.exp(center(draws(self.parts, np.log(np.asarray(x, float)))))

    def interval(self, x: ArrayLike, level: float, observed: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) at x [n], each [n].

        - x: in the data's units.
        - level: e.g. 0.8.
        - observed: of a new observation, or else of the curve itself.
        """
        middle, deviation = self._spread(np.log(np.asarray(x, float)), observed)
        half = norm.ppf(0.5 + level / 2) * deviation
        return np.exp(middle - half), np.exp(middle + half)

    @property
    def flat(self) -> bool:
        """Whether y is the same in every row that it was made from."""
        return self.data.points.extent.low == self.data.points.extent.high

    @property
    def limits(self) -> dict[str, float]:
        """What each law's median member tends to as x grows without end."""
        return {name: ensemble.limit for name, ensemble in self.parts.items()}

    @property
    def limit(self) -> float:
        """The limit of the average: the geometric mean of the laws' limits, 0 if one has none; of a flat
        curve its y."""
        if self.flat:
            return float(self.median[0])
        with np.errstate(divide="ignore"):
            return float(np.exp(np.mean(np.log(list(self.limits.values())))))

    def reach(self, target: float, scale: Scale = PLAIN) -> Reach:
        """The x at which the median comes to `target`, with an 80% interval of the curve's own x.

        - target: y as the user writes it.
        - scale: of the curve.

        Raises UserError where the target lies beyond what y never passes.
        """
        written, target = target, float(scale.distance(target))
        if not (np.isfinite(target) and target > 0):
            beyond = "positive" if scale.plain else f"{'below' if scale.below else 'above'} {scale.bound:g}"
            raise UserError(f"`target` must be {beyond}, got {written:g}")
        points = self.data.points
        grid = np.linspace(points.center_x + points.extent.left, points.center_x + LOOKED, 2000)
        middle, deviation = self._spread(grid, observed=False)
        half = norm.ppf(0.9) * deviation
        if middle[0] <= np.log(target):
            first = float(np.exp(grid[0]))
            return Reach(target, first, first, first, self.limit, already=True, scale=scale)
        if self.flat:
            return Reach(target, limit=self.limit, flat=True, scale=scale)
        with np.errstate(over="ignore"):
            x, low, high = (
                float(np.exp(_first_at_or_below(grid, v, np.log(target))))
                for v in (middle, middle - half, middle + half)
            )
        if np.isfinite(x):
            return Reach(target, x, low, high, self.limit, scale=scale)
        # The median is no certainty: the interval may hold the target all the same.
        return Reach(target, low=low if np.isfinite(low) else np.nan, limit=self.limit, scale=scale)

    def to_json(self) -> dict[str, Any]:
        return {
            "curve": self.name,
            "at": self.x.tolist(),
            "median": self.median.tolist(),
            "intervals": {
                f"{level:g}": [low.tolist(), high.tolist()] for level, (low, high) in self.intervals.items()
            },
            "by_family": {name: y.tolist() for name, y in self.by_family(self.x).items()},
            "limit": self.limit,
            "limits": self.limits,
            "noise": self.noise,
            "inflation": self.inflation,
            "stability": {str(rows): median.tolist() for rows, median in self.stability.items()},
            "notes": list(self.notes),
        }

    def _spread(self, log_x: np.ndarray, observed: bool) -> tuple[np.ndarray, np.ndarray]:
        drawn = draws(self.parts, log_x)
        process = process_variance(self.data.tau, log_x - self.data.points.center_x)
        variance = self.inflation**2 * (within(drawn) + process)
        return center(drawn), np.sqrt(variance + (self.noise**2 if observed else 0))


def draws(parts: Mapping[str, Ensemble], log_x: np.ndarray) -> dict[str, np.ndarray]:
    """log y of every member of every law, {name: [members, n]}."""
    return {name: ensemble.draws(log_x) for name, ensemble in parts.items()}


def center(drawn: Mapping[str, np.ndarray]) -> np.ndarray:
    """The average [n] of the laws' medians."""
    return np.mean([np.median(v, 0) for v in drawn.values()], 0)


def within(drawn: Mapping[str, np.ndarray]) -> np.ndarray:
    """Variance [n] of all members around the center."""
    return np.mean([(v - center(drawn)) ** 2 for v in drawn.values()], (0, 1))


def _first_at_or_below(grid: np.ndarray, log_y: np.ndarray, target: float) -> float:
    """log x where log_y first comes down to the target, interpolated; inf where it does not."""
    below = log_y <= target
    if not below.any():
        return np.inf
    i = int(below.argmax())
    if i == 0:
        return float(grid[0])
    share = (log_y[i - 1] - target) / (log_y[i - 1] - log_y[i])
    return float(grid[i - 1] + share * (grid[i] - grid[i - 1]))
