"""Excess risk: what a law's limit leaves of y, and how steeply that falls on log axes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from scalax.laws.curves import Curve
from scalax.laws.resampled import ends, resampled

LEVEL = 0.8  # of intervals
LEAST = 3  # rows that a slope needs
LEAST_BENT, BENT_MISS = 6, 0.1  # different x, and log distance, from which rows are said to be bent
ALIKE = 1.0  # mean squared difference of neighbours over the mean square: 2 of independent rows, 0 of a curve


class Slope(NamedTuple):
    """Of log(y - limit) against log x, with its 80% interval from the rows' scatter about the line; the limit
    is taken for known.

    - value, low, high: nan where fewer than LEAST rows are above the limit.
    - level: of the line, log excess at log x = 0.
    - rows: that it is of.
    - miss: weighted root mean square of the rows' log distances from the line.
    - bent: whether the rows follow another shape, as a step: neighbours miss the line on one side, and by
      more than BENT_MISS. A slope says little then.
    """

    value: float
    low: float
    high: float
    level: float
    rows: int
    miss: float = np.nan
    bent: bool = False


class Excess(NamedTuple):
    """Of one curve above one law's limit.

    - curve, law: names.
    - limit: of the law, in the units of y.
    - x, excess: [n], of rows above the limit. fit: [n] bool, rows to fit.
    - left_out: rows at or below the limit.
    - slope: of the later half of the rows to fit, in log x, where a power law should hold.
    - held_out: of the rows held out.
    """

    curve: str
    law: str
    limit: float
    x: np.ndarray
    excess: np.ndarray
    fit: np.ndarray
    left_out: int
    slope: Slope
    held_out: Slope


class Steadiness(NamedTuple):
    """Whether one law's excess goes on as a power of x: the slope of held-out rows over that of the later
    rows to fit, 1 where it does. Median over the curves with both; 90% interval of resampled curves."""

    law: str
    curves: int
    ratio: tuple[float, float, float]


def excess_risk(curve: Curve, law: str, limit: float) -> Excess:
    """The excess of a curve's rows over a limit, and its slopes.

    - curve: of one x.
    - law: that the limit is of, by name.
    - limit: to be subtracted, in the units of y.

    Rows close to the limit count little in slopes: a relative error of y is y / (y - limit) times as large in
    its excess.
    """
    usable = curve.usable
    above = usable & (curve.y > limit)
    x, y, fit = curve.x[above], curve.y[above], curve.fit[above]
    log_x, log_excess, weights = np.log(x), np.log(y - limit), ((y - limit) / y) ** 2
    fitted = np.log(curve.x[usable & curve.fit])
    late = fit & (log_x >= (fitted.min() + fitted.max()) / 2)
    slopes = [_slope(log_x[rows], log_excess[rows], weights[rows]) for rows in (late, ~fit)]
    return Excess(curve.name, law, limit, x, y - limit, fit, int((usable & ~above).sum()), *slopes)


def steadiness(found: Sequence[Excess], seed: int = 0) -> list[Steadiness]:
    """Of each law on the curves with both slopes; laws without such a curve are left out.

    - found: of curves and laws.
    - seed: of the resampled curves.
    """
    made = []
    for law in dict.fromkeys(each.law for each in found):
        pairs = [(each.held_out.value, each.slope.value) for each in found if each.law == law]
        ratios = np.array([held / own for held, own in pairs if np.isfinite(held) and np.isfinite(own)])
        if len(ratios):
            interval = ends(np.median(resampled(ratios, seed), 1))
            made.append(Steadiness(law, len(ratios), (float(np.median(ratios)), *interval)))
    return made


def _slope(log_x: np.ndarray, log_y: np.ndarray, weights: np.ndarray) -> Slope:
    if len(np.unique(log_x)) < LEAST:
        return Slope(np.nan, np.nan, np.nan, np.nan, len(log_x))
    middle, center = np.average(log_x, weights=weights), np.average(log_y, weights=weights)
    spread = weights @ (log_x - middle) ** 2
    value = weights @ ((log_x - middle) * (log_y - center)) / spread
    off = log_y - center - value * (log_x - middle)
    free = len(log_x) - 2
    reach = stdtrit(free, 0.5 + LEVEL / 2) * np.sqrt(weights @ off**2 / free / spread)
    interval = float(value - reach), float(value + reach)
    miss = float(np.sqrt(np.average(off**2, weights=weights)))
    level = float(center - value * middle)
    return Slope(float(value), *interval, level, len(log_x), miss, miss > BENT_MISS and _is_shape(log_x, off))


def _is_shape(log_x: np.ndarray, off: np.ndarray) -> bool:
    """Whether what a line leaves, [n], is a curve and no noise: neighbours are alike (von Neumann 1941)."""
    at, where = np.unique(log_x, return_inverse=True)
    mean = np.bincount(where, off) / np.bincount(where)
    return len(at) >= LEAST_BENT and bool(np.mean(np.diff(mean) ** 2) < ALIKE * np.mean(mean**2))
