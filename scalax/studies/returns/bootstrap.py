"""A bootstrap over the seeds and the validation images of runs together. Pure NumPy.

Each run is tested on the same images, so seeds and images are crossed: both are drawn anew, apart from each
other, in each resample (Owen 2007, 'The pigeonhole bootstrap'). What depends on a seed and an image together
is then counted more than once, so intervals are wide rather than narrow.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Weights(NamedTuple):
    """Of one task's seeds [r, s] and images [r, n] in each of r resamples; each row sums to 1."""

    seeds: np.ndarray
    images: np.ndarray

    def means(self, values: np.ndarray) -> np.ndarray:
        """Weighted means [r, e] of values [e, s, n]."""
        of_seeds = np.einsum("esn,rn->res", values, self.images, optimize=True)
        return np.einsum("res,rs->re", of_seeds, self.seeds)


def seed_weights(rng: np.random.Generator, resamples: int, seeds: int) -> np.ndarray:
    """[r, s]: shares of s - 1 draws with replacement, so that the variance of a mean over few seeds is that
    of s independent runs and not (s - 1) / s of it; a single seed has weight 1."""
    draws = max(1, seeds - 1)
    return rng.multinomial(draws, np.full(seeds, 1 / seeds), size=resamples) / draws


class ImageWeights:
    """Exponential weights of images (the Bayesian bootstrap, Rubin 1981), the same for an image whichever
    task shows it: nested tasks share their images, and with these their luck.

    - resamples: their number.
    - seed: of the weights.
    """

    def __init__(self, resamples: int, seed: int):
        self._resamples, self._seed = resamples, seed
        self._drawn: dict[str, np.ndarray] = {}

    def of(self, source: str, rows: np.ndarray) -> np.ndarray:
        """[r, n] of the records `rows` [n] of a data source, by its name."""
        known, most = self._drawn.get(source, np.zeros((self._resamples, 0))), int(rows.max()) + 1
        if known.shape[1] < most:  # all anew, from a generator of the source's own
            rng = np.random.default_rng([self._seed, *source.encode()])
            known = self._drawn[source] = rng.exponential(size=(most, self._resamples)).T
        weights = known[:, rows]
        return weights / weights.sum(1, keepdims=True)


def interval(resampled: np.ndarray, confidence: float) -> tuple[float, float]:
    """Percentiles of a statistic's resamples [r]; those that are not finite are left out, and (nan, nan)
    where they are more than one in twenty."""
    finite = resampled[np.isfinite(resampled)]
    if len(finite) < 0.95 * len(resampled):
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(finite, (tail, 1 - tail))
    return float(low), float(high)


def estimate(
    value: float, resampled: np.ndarray, confidence: float, read: Callable[[float], float] = lambda x: x
) -> tuple[float, float, float]:
    """(value, low, high), each as `read` reads it, e.g. the ratio of a log ratio.

    - value: of the statistic. resampled: of it, [r].
    - confidence: of the interval.
    - read: an increasing function.
    """
    low, high = interval(resampled, confidence)
    return read(value), read(low), read(high)
