"""Best fit is not best extrapolation: M2 with its exponent fixed, scored on rows to fit and held out."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from scalax.errors import UserError
from scalax.laws.curves import Curve, clean

COUNT = 60  # exponents
SLOWEST, FASTEST = 0.05, 20.0  # exponents tried, over the curve's own slope


class Profile(NamedTuple):
    """Of one curve, over exponents c of y = e_inf + b x^-c.

    - c: [k].
    - fitted: [k], RMSLE over the rows to fit, with the e_inf and b that are best there.
    - held_out: [k], RMSLE over the others.
    """

    c: np.ndarray
    fitted: np.ndarray
    held_out: np.ndarray

    @property
    def best_fit(self) -> float:
        """The exponent of the least fitted error."""
        return float(self.c[self.fitted.argmin()])

    @property
    def best_extrapolation(self) -> float:
        """The exponent of the least held-out error."""
        return float(self.c[self.held_out.argmin()])

    @property
    def lost(self) -> float:
        """How many times the least held-out error that at the best fit is."""
        return float(self.held_out[self.fitted.argmin()] / self.held_out.min())


def profile(curve: Curve, count: int = COUNT) -> Profile:
    """Fit M2 by squared log error at each of many exponents.

    - curve: with rows held out.
    - count: of exponents, even in log about the curve's own slope.

    Raises UserError where no row is held out.
    """
    held = ~curve.fit & curve.usable
    if not held.any():
        raise UserError(f"curve {curve.name!r}: has no rows held out; name their column in `split`")
    points, _ = clean(curve)
    u, v, extent = points.log_x - points.extent.right, points.log_y, points.extent
    beyond = np.log(curve.x[held]) - points.center_x - extent.right
    later = np.log(curve.y[held]) - points.center_y
    c = extent.steepness * np.geomspace(SLOWEST, FASTEST, count)
    fitted, held_out, start = [], [], np.array([extent.low - 1, extent.low])
    for each in c[::-1]:  # from steep to flat, each from the one before

        def errors(p, each=each):
            return np.logaddexp(p[0], p[1] - each * u) - v

        found = least_squares(errors, start, x_scale=1.0)
        start = np.clip(found.x, extent.low - 20, extent.high + 5)
        fitted.append(np.sqrt(np.mean(found.fun**2)))
        missed = np.logaddexp(found.x[0], found.x[1] - each * beyond) - later
        held_out.append(np.sqrt(np.mean(missed**2)))
    return Profile(c, np.array(fitted[::-1]), np.array(held_out[::-1]))
