"""Curves drawn again with replacement: the interval of what they have in common."""

import numpy as np

RESAMPLES = 2000
ENDS = (0.05, 0.95)  # of the 90% interval


def resampled(values: np.ndarray, seed: int) -> np.ndarray:
    """Values of curves [n] drawn again with replacement: [RESAMPLES, n]."""
    return values[np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))]


def ends(statistics: np.ndarray) -> tuple[float, float]:
    """The 90% interval of a statistic of resampled curves, [RESAMPLES]."""
    low, high = np.quantile(statistics, ENDS)
    return float(low), float(high)
