"""A straight line through the gains of several tasks against their difficulty. Pure NumPy."""

from typing import NamedTuple

import numpy as np

from scalax.studies.returns.bootstrap import interval

LEAST = 3  # tasks: fewer say nothing of their scatter about the line


class Slope(NamedTuple):
    """value: of the line, with its interval. level: of the line at x = 0. p: of no slope, two-sided. scatter:
    of the tasks about the line over what their own noise explains, at least 1 (the Birge ratio)."""

    value: float
    low: float
    high: float
    level: float
    p: float
    scatter: float


NONE = Slope(*[float("nan")] * 6)


def slope_of(x: np.ndarray, y: np.ndarray, resampled: np.ndarray, confidence: float) -> Slope:
    """Weighted least squares, with weights 1 / variance over the resamples.

    - x, y: difficulty and gain of the tasks, [t].
    - resampled: gains in each resample of seeds and images, [r, t]. Rows that are not finite are left out.
    - confidence: of the interval.

    Each resample gives a slope; where tasks lie further from the line than their noise explains, the spread
    of these is widened by the Birge ratio. NONE for fewer than LEAST tasks or without difference in x.
    """
    whole = np.isfinite(resampled).all(1)
    if len(x) < LEAST or np.ptp(x) == 0 or whole.mean() < 0.9:
        return NONE
    resampled = resampled[whole]
    variance = np.maximum(resampled.var(0), 1e-12)
    weights = 1 / variance
    middle = np.average(x, weights=weights)
    pull = weights * (x - middle) / np.sum(weights * (x - middle) ** 2)  # the slope is pull @ y
    value = float(pull @ y)
    level = float(np.average(y, weights=weights) - value * middle)
    chi2 = float(np.sum(weights * (y - level - value * x) ** 2))
    scatter = max(1.0, (chi2 / (len(x) - 2)) ** 0.5)
    spread = resampled @ pull
    slopes = value + scatter * (spread - spread.mean())
    tail = min(np.mean(slopes <= 0), np.mean(slopes >= 0))
    p = max(2 * float(tail), 2 / len(slopes))
    return Slope(value, *interval(slopes, confidence), level, min(1.0, p), scatter)
