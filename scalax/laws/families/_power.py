"""What laws made of power terms share."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from scalax.laws.family import TINY, Extent, lerp, log_excess, unpack

REVISITING = "Alabdulmohsin et al. 2022, 'Revisiting Neural Scaling Laws in Language and Vision'"


def exponent_starts(extent: Extent, unit: np.ndarray) -> np.ndarray:
    """Log exponents around the curve's own slope, from a fifth of it to twelve times it.

    - extent: of the curve. unit: [...] in 0..1, 0 gives the least.
    """
    return np.log(extent.steepness) + lerp(-1.6, 2.5, unit)


def exponent_box(extent: Extent) -> tuple[Any, Any]:
    """Least and largest log exponent."""
    return np.log(extent.steepness) - 12, np.log(extent.steepness) + 7


def limit_starts(extent: Extent, unit: np.ndarray, least: float = 0.02, most: float = 0.999) -> np.ndarray:
    """Log limits between two shares of the least y.

    - extent: of the curve.
    - unit: [...] in 0..1, 0 gives the least.
    - least, most: the shares.
    """
    return extent.low + np.log(lerp(least, most, unit))


def limit_plus_power(sign: float) -> dict[str, Any]:
    """y = limit + scale x^(sign exponent), of p = their logs, as functions of a `Family`."""

    def log_y(p, log_x):
        log_limit, log_scale, log_exponent = unpack(p)
        return jnp.logaddexp(log_limit, log_scale + sign * jnp.exp(log_exponent) * log_x)

    def inverse(p, log_y):
        log_limit, log_scale, log_exponent = unpack(p)
        return sign * (log_excess(log_y, log_limit) - log_scale) / np.exp(log_exponent)

    def shift(p, du, dv):
        log_limit, log_scale, log_exponent = unpack(p)
        scale = log_scale + dv - sign * np.exp(log_exponent) * du
        return np.stack([log_limit + dv, scale, log_exponent], -1)

    def box(extent: Extent):
        slow, fast = exponent_box(extent)
        low = [extent.low + TINY, -np.inf, slow]
        return np.array(low), np.array([extent.high, np.inf, fast])

    def starts(extent: Extent, unit):
        of_limit, _, of_exponent = unpack(unit)
        log_exponent = exponent_starts(extent, of_exponent)
        end = extent.left if sign < 0 else extent.right
        log_scale = extent.high - sign * np.exp(log_exponent) * end
        return np.stack([limit_starts(extent, of_limit), log_scale, log_exponent], -1)

    return dict(log_y=log_y, inverse=inverse, shift=shift, box=box, starts=starts)
