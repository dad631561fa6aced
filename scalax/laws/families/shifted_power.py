"""The law that plans go by: y = a (x + d)^-b + c."""

import jax.numpy as jnp
import numpy as np

from scalax.laws.families._power import exponent_box, exponent_starts, limit_starts
from scalax.laws.family import TINY, Extent, Family, ShiftedPower, lerp, log_excess, transforms, unpack
from scalax.laws.priors import PriorCoordinates, wide_prior


def _log_y(p, log_x):
    log_a, log_b, log_d, log_c = unpack(p)
    return jnp.logaddexp(log_c, log_a - jnp.exp(log_b) * jnp.logaddexp(log_x, log_d))


def _log_limit(p):
    *_, log_c = unpack(p)
    return log_c


def _inverse(p, log_y):
    log_a, log_b, log_d, log_c = unpack(p)
    return log_excess((log_a - log_excess(log_y, log_c)) / np.exp(log_b), log_d)


def _shift(p, du, dv):
    log_a, log_b, log_d, log_c = unpack(p)
    return np.stack([log_a + dv + np.exp(log_b) * du, log_b, log_d + du, log_c + dv], -1)


def _box(extent: Extent):
    slow, fast = exponent_box(extent)
    return (
        np.array([-np.inf, slow, extent.left + TINY, extent.low + TINY]),
        np.array([np.inf, fast, extent.right + 3, extent.high]),
    )


def _starts(extent: Extent, unit):
    _, of_b, of_d, of_c = unpack(unit)
    log_b = exponent_starts(extent, of_b)
    log_d = extent.left + lerp(-4, extent.width, of_d)
    log_a = extent.first + np.exp(log_b) * np.logaddexp(extent.left, log_d)
    return np.stack([log_a, log_b, log_d, limit_starts(extent, of_c)], -1)


def _coordinates(p, top):
    _, log_b, log_d, log_c = unpack(p)
    return jnp.stack([log_b, log_d, log_c])


FAMILY = Family(
    name="shifted_power",
    formula="a (x + d)^-b + c",
    source="Anagnostidis et al. 2024, 'Navigating Scaling Laws: Compute Optimality in Adaptive Model"
    " Training', eq. 1",
    names=("a", "b", "d", "c"),
    **transforms("log", "log", "log", "log"),
    log_y=_log_y,
    log_limit=_log_limit,
    inverse=_inverse,
    shift=_shift,
    box=_box,
    starts=_starts,
    floor="c",
    prior=PriorCoordinates(_coordinates, wide_prior([-1, -3, -1], [0.8, 2, 1])),
    as_shifted_power=lambda params: ShiftedPower(**params),
    labels={"a": "a", "b": "b", "c": "c (limit)", "d": "d ({x})"},
    decisive=("b",),
)
