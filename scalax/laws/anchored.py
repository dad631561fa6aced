r"""A curve's rows as the search for its laws wants them, and how wrong any law may be.

log y = law(log x) + discrepancy + noise. The discrepancy is an integrated Wiener process in log x that
starts at the largest x to fit: no law is exact over decades, so the early part of a curve must not buy
precision at its end. Its variance at a log distance h is tau^2 h^3 / 3, tau = amplitude times the curve's
own height over its width, in logs: a flat curve has a small discrepancy, and one that grows steeper a larger
one. The amplitude is not known: each of AMPLITUDES is tried, and counts by how probable it makes the rows
(mixture.py).
"""

import functools
from dataclasses import dataclass

import numpy as np

from scalax.laws.curves import Points, thinned
from scalax.laws.noise import row_noise
from scalax.laws.priors import AMPLITUDES

MOST_ROWS = 64  # longer curves are averaged in bins of log x
LATE = 1 / 3  # of the width: the part whose slope tells whether a curve grows steeper
LEAST_LATE = 4  # different x of it
STEEPER = 1.2  # times the slope of the whole, from which on the last part is another one


@dataclass(frozen=True, eq=False)
class Anchored:
    """A curve's rows with the end of the data at the origin, and what is assumed about their errors."""

    points: Points
    noise: float  # of a row, in log y
    steepness: float  # what to expect of the slope beyond the rows, in log y over log x

    @property
    def grows_steeper(self) -> bool:
        """Whether the last part is steeper than the whole, by more than noise explains."""
        return self.steepness > self.points.extent.steepness

    @property
    def taus(self) -> np.ndarray:
        """tau of each amplitude, in log y over (log x)^1.5."""
        return np.array(AMPLITUDES) * self.steepness


def anchored(points: Points) -> Anchored:
    """The curve as the search for its laws wants it. Exact copies of a row count once."""
    once = points._replace(weights=np.ones(len(points.weights)))
    noise = row_noise(points)
    return Anchored(thinned(once.anchored(), MOST_ROWS), noise, steepness_ahead(points, noise))


def steepness_ahead(points: Points, noise: float) -> float:
    """How steep the curve may be beyond its rows, in log y over log x: its slope overall or, where it grows
    steeper, that of its last part. What was seen of such a curve is mostly its plateau at the start.

    - points: rows to fit; noise: of one, in log y.
    """
    log_x = np.unique(points.log_x)
    begin = min(points.extent.right - LATE * points.extent.width, log_x[-min(LEAST_LATE, len(log_x))])
    late = points.log_x >= begin
    around = points.log_x[late] - points.log_x[late].mean()
    spread = float(np.sqrt(around @ around))
    slope = -float(around @ points.log_y[late]) / spread**2 - noise / spread
    overall = points.extent.steepness
    return slope if slope > STEEPER * overall else overall


def process_variance(tau: float | np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Variance of the discrepancy at a log distance [n] from the end of the data; arrays broadcast."""
    return tau**2 * np.maximum(distance, 0) ** 3 / 3


@functools.lru_cache(1024)
def whitener(a: Anchored, tau: float) -> np.ndarray:
    """[n, n] that turns log errors of the rows into independent ones of unit variance."""
    h = -a.points.log_x
    near, far = np.minimum(h[:, None], h), np.maximum(h[:, None], h)
    covariance = tau**2 * near**2 * (3 * far - near) / 6
    covariance += np.diag(a.noise**2 / a.points.weights)
    return np.linalg.inv(np.linalg.cholesky(covariance))
