"""Where an error that falls begins to rise: in transfer, from where on a small upstream set is overfitted."""

from typing import NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.laws.curves import Curve, clean
from scalax.laws.noise import row_noise

RISE = 3.0  # standard errors of the rise after the peak, from which there is a peak
RESAMPLES = 200
HALF = 3  # rows on either side that a row's level is smoothed over
LEAST_ROWS = 8  # of different x


class Peak(NamedTuple):
    """Where performance peaks (the error is least).

    - x: of the peak, nan where there is none.
    - low, high: its 80% interval, over refits with noise of the rows' size.
    - rise: how much log y rises from the peak to the end; error: its standard error.
    """

    x: float
    low: float
    high: float
    rise: float
    error: float

    @property
    def found(self) -> bool:
        """Whether there is a peak."""
        return self.x == self.x

    def __str__(self) -> str:
        if not self.found and not self.error:
            return "no peak: y is least at the end"
        if not self.found:
            return f"no peak: y rises by {self.rise:+.2%} after its least, give or take {self.error:.2%}"
        ends = f"80%: {self.low:.4g} to {self.high:.4g}"
        return f"y begins to rise at {self.x:.4g} ({ends}), by {self.rise:.2%} to the end"


def until_peak(curve: Curve, seed: int = 0) -> Peak:
    """Find the peak under noise: the least of rows smoothed by local lines, if what follows rises by more
    than RISE standard errors.

    - curve: rows to fit are looked at.
    - seed: of the noise that the interval comes from.

    Raises UserError for fewer than LEAST_ROWS rows of different x.
    """
    points, _ = clean(curve)
    log_x, where = np.unique(points.log_x, return_inverse=True)
    counts = np.bincount(where)
    log_y = np.bincount(where, points.log_y) / counts
    if len(log_x) < LEAST_ROWS:
        raise UserError(f"curve {curve.name!r}: needs {LEAST_ROWS} rows of different x to find a peak")
    noise = row_noise(points) / np.sqrt(counts.mean())
    smoother = _smoother(log_x)
    smooth = smoother @ log_y
    least = int(smooth.argmin())
    end = smoother[-1] - smoother[least]
    rise, error = float(end @ log_y), float(noise * np.sqrt(end @ end)) if least < len(log_x) - 1 else 0.0
    if least == len(log_x) - 1 or rise < RISE * error:
        return Peak(np.nan, np.nan, np.nan, rise, error)
    rng = np.random.default_rng(seed)
    again = (smooth + noise * rng.standard_normal((RESAMPLES, len(log_x)))) @ smoother.T
    x = np.exp(log_x + points.center_x)
    low, high = np.quantile(x[again.argmin(1)], [0.1, 0.9])
    return Peak(float(x[least]), float(low), float(high), rise, error)


def before_peak(curve: Curve, peak: Peak) -> Curve:
    """The curve whose rows to fit end at the peak; itself without one."""
    if not peak.found:
        return curve
    fit = curve.fit & (curve.x <= peak.x)
    return Curve(curve.x, curve.y, curve.name, fit, curve.notes, curve.labels, curve.scale, curve.key)


def _smoother(log_x: np.ndarray) -> np.ndarray:
    """[n, n]: rows' levels as local lines through HALF neighbours on either side."""
    n = len(log_x)
    rows = np.zeros((n, n))
    for i in range(n):
        near = np.arange(max(0, i - HALF), min(n, i + HALF + 1))
        u = log_x[near] - log_x[i]
        design = np.stack([np.ones(len(u)), u], 1)
        rows[i, near] = np.linalg.pinv(design)[0]
    return rows
