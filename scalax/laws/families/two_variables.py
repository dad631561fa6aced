"""Loss of a model of N parameters after D examples: y = E + A/N^alpha + B/D^beta."""

import jax.numpy as jnp
import numpy as np

from scalax.laws.families._power import exponent_box, exponent_starts, limit_starts
from scalax.laws.family import TINY, Extent, Family, lerp, transforms, unpack


def _log_y(p, log_x):
    log_e, log_a, log_alpha, log_b, log_beta = unpack(p)
    log_n, log_d = unpack(log_x)
    of_size = log_a - jnp.exp(log_alpha) * log_n
    of_data = log_b - jnp.exp(log_beta) * log_d
    return jnp.logaddexp(log_e, jnp.logaddexp(of_size, of_data))


def _log_limit(p):
    log_e, *_ = unpack(p)
    return log_e


def _shift(p, du, dv):
    log_e, log_a, log_alpha, log_b, log_beta = unpack(p)
    dn, dd = du
    a, b = log_a + dv + np.exp(log_alpha) * dn, log_b + dv + np.exp(log_beta) * dd
    return np.stack([log_e + dv, a, log_alpha, b, log_beta], -1)


def _box(extent: Extent):
    (slow_n, slow_d), (fast_n, fast_d) = exponent_box(extent)
    low = [extent.low + TINY, -np.inf, slow_n, -np.inf, slow_d]
    return np.array(low), np.array([extent.high, np.inf, fast_n, np.inf, fast_d])


def _starts(extent: Extent, unit):
    of_e, of_a, of_alpha, of_b, of_beta = unpack(unit)
    log_alpha, log_beta = exponent_starts(extent, np.stack([of_alpha, of_beta], -1)).T
    (left_n, left_d), top = extent.left, extent.high
    log_a = top + np.log(lerp(0.1, 1, of_a)) + np.exp(log_alpha) * left_n
    log_b = top + np.log(lerp(0.1, 1, of_b)) + np.exp(log_beta) * left_d
    return np.stack([limit_starts(extent, of_e), log_a, log_alpha, log_b, log_beta], -1)


FAMILY = Family(
    name="two_variables",
    formula="E + A/N^alpha + B/D^beta",
    source="Hoffmann et al. 2022, 'Training Compute-Optimal Large Language Models', eq. 2",
    names=("E", "A", "alpha", "B", "beta"),
    **transforms("log", "log", "log", "log", "log"),
    log_y=_log_y,
    log_limit=_log_limit,
    shift=_shift,
    box=_box,
    starts=_starts,
    variables=2,
    floor="E",
    labels={"E": "E (limit)", "A": "A", "alpha": "alpha", "B": "B", "beta": "beta"},
)
