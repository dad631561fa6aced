"""What a forecast says of one curve: its future with intervals, its limits, and where it reaches a target."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from scalax.errors import UserError
from scalax.laws.anchored import Anchored, process_variance
from scalax.laws.curves import PLAIN, Scale
from scalax.laws.flags import Flag
from scalax.laws.mixture import Ensemble, draws, most_probable

NARROWING = 0.04  # a log of x beyond the data: bands widen less than draws and discrepancy say
LOOKED = np.log(1e4)  # how far beyond the data a target is looked for
MOST_TURNS, CLOSE = 200, 1e-10  # of the search for a quantile, and how near it comes, in log y


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
        limit = self.scale.shown(self.limit)
        if self.flat:
            return f"not reached: y is flat at {limit:.4g}"
        if self.target <= self.limit:
            return f"not reachable by the median, whose limit is {limit:.4g}"
        return f"not reached within {np.exp(LOOKED):.0g} times the data's last x, by the median"

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
    """What some laws together say about one curve. x and y are in the data's own units.

    - name: of the curve.
    - x, median: [n].
    - intervals: level -> (low [n], high [n]), for a new observation.
    - notes: what was done to the rows, in words.
    - noise: standard deviation of an observation, in log y.
    - inflation: how much wider backtests on the curve's own rows asked the intervals to be.
    - flags: what to distrust.
    - stability: rows dropped from the end -> median [n].
    - data: the rows that it was made from.
    - parts: each law's draws and weight.
    """

    name: str
    x: np.ndarray
    median: np.ndarray
    intervals: dict[float, tuple[np.ndarray, np.ndarray]]
    notes: tuple[str, ...]
    flags: tuple[Flag, ...]
    noise: float
    inflation: float
    stability: dict[int, np.ndarray]
    data: Anchored = field(repr=False)
    parts: dict[str, Ensemble] = field(repr=False)

    def by_family(self, x: ArrayLike) -> dict[str, np.ndarray]:
        """y at x [n] by each law's most probable curve."""
        found = most_probable(self.parts, np.log(np.asarray(x, float)))
        return {name: np.exp(log_y) for name, log_y in found.items()}

    def predict(self, x: ArrayLike) -> np.ndarray:
        """Median y at x [n]."""
        return np.exp(self._quantiles(np.log(np.asarray(x, float)), [0.5], observed=False)[0])

    def interval(self, x: ArrayLike, level: float, observed: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) at x [n], each [n].

        - x: in the data's units.
        - level: e.g. 0.8.
        - observed: of a new observation, or else of the curve itself.
        """
        ends = [0.5 - level / 2, 0.5 + level / 2]
        low, high = self._quantiles(np.log(np.asarray(x, float)), ends, observed)
        return np.exp(low), np.exp(high)

    @property
    def weights(self) -> dict[str, float]:
        """How much each law counts; they sum to 1."""
        return {name: ensemble.weight for name, ensemble in self.parts.items()}

    @property
    def flat(self) -> bool:
        """Whether y is the same in every row that it was made from."""
        return self.data.points.extent.low == self.data.points.extent.high

    @property
    def limits(self) -> dict[str, float]:
        """What each law's most probable curve tends to as x grows without end."""
        return {name: ensemble.limit for name, ensemble in self.parts.items()}

    @property
    def limit(self) -> float:
        """The median limit of all draws: 0 where most are pure power laws; of a flat curve its y."""
        if self.flat:
            return float(self.median[0])
        limits = [float(e.family.log_limit(p)) for e in self.parts.values() for p in e.members]
        return float(np.exp(np.sort(limits)[len(limits) // 2]))

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
        quantiles = self._quantiles(grid, [0.5, 0.1, 0.9], observed=False)
        if quantiles[0][0] <= np.log(target):
            first = float(np.exp(grid[0]))
            return Reach(target, first, first, first, self.limit, already=True, scale=scale)
        if self.flat:
            return Reach(target, limit=self.limit, flat=True, scale=scale)
        with np.errstate(over="ignore"):
            x, low, high = (float(np.exp(_first_at_or_below(grid, v, np.log(target)))) for v in quantiles)
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
            "weights": self.weights,
            "noise": self.noise,
            "inflation": self.inflation,
            "stability": {str(rows): median.tolist() for rows, median in self.stability.items()},
            "flags": [str(flag) for flag in self.flags],
            "flag_data": [dataclasses.asdict(flag) for flag in self.flags],
            "notes": list(self.notes),
        }

    def _quantiles(self, log_x: np.ndarray, shares: Sequence[float], observed: bool) -> np.ndarray:
        """log y [shares, n] of all draws together, each with its discrepancy, and noise where observed."""
        drawn, taus = draws(self.parts.values(), log_x)
        distance = log_x - self.data.points.center_x
        width = self.inflation / (1 + NARROWING * np.maximum(distance, 0))
        variance = width**2 * process_variance(taus[:, None], distance) + (self.noise**2 if observed else 0.0)
        middle = np.median(drawn, 0)
        return mixture_quantiles(middle + width * (drawn - middle), np.sqrt(variance), shares)


def mixture_quantiles(means: np.ndarray, deviations: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """[shares, n]: quantiles of equal parts of normals with these means and deviations, each [draws, n].

    Where a gap between the normals has the share, it is a value in the gap.
    """
    deviations = np.maximum(deviations, 1e-9)
    with np.errstate(over="ignore", invalid="ignore"):  # it is where the search begins, no more
        spread = np.sqrt((deviations**2).mean(0) + means.var(0))
    found = []
    for share in shares:
        reach = abs(ndtri(share)) * deviations + 1e-9
        low, high = (means - reach).min(0), (means + reach).max(0)
        middle = np.clip(means.mean(0) + ndtri(share) * spread, low, high)
        middle = np.where(np.isfinite(middle), middle, (low + high) / 2)
        settled = ~np.isfinite(high - low)
        for turn in range(MOST_TURNS):  # Newton's steps; each fourth, and any that is out of bounds, bisects
            z = (middle - means) / deviations
            beyond = ndtr(z).mean(0) - share
            low, high = np.where(beyond < 0, middle, low), np.where(beyond < 0, high, middle)
            slope = (np.exp(-(z**2) / 2) / deviations).mean(0) / np.sqrt(2 * np.pi)
            newton = middle - beyond / np.maximum(slope, 1e-300)
            halved = (newton < low) | (newton > high) | (turn % 4 == 3)
            near = (abs(newton - middle) <= CLOSE) & (abs(beyond) <= 1e-6)
            settled |= near | (high - low <= CLOSE)
            middle = np.where(settled, middle, np.where(halved, (low + high) / 2, newton))
            if settled.all():
                break
        found.append(middle)
    return np.array(found)


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
