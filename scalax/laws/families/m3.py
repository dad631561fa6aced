"""M3: y = b (1/x + g)^-c, c < 0."""

import jax.numpy as jnp
import numpy as np

from scalax.laws.families._power import REVISITING, exponent_box, exponent_starts
from scalax.laws.family import TINY, Extent, Family, lerp, log_excess, transforms, unpack
from scalax.laws.priors import PriorCoordinates, wide_prior


def _log_y(p, log_x):
    log_b, log_g, log_c = unpack(p)
    return log_b + jnp.exp(log_c) * jnp.logaddexp(-log_x, log_g)


def _log_limit(p):
    log_b, log_g, log_c = unpack(p)
    return log_b + np.exp(log_c) * log_g


def _inverse(p, log_y):
    log_b, log_g, log_c = unpack(p)
    return -log_excess((log_y - log_b) / np.exp(log_c), log_g)


def _shift(p, du, dv):
    log_b, log_g, log_c = unpack(p)
    return np.stack([log_b + dv + np.exp(log_c) * du, log_g - du, log_c], -1)


def _box(extent: Extent):
    slow, fast = exponent_box(extent)
    low = [-np.inf, -extent.right + TINY, slow]
    return np.array(low), np.array([np.inf, -extent.left + 5, fast])


def _starts(extent: Extent, unit):
    _, of_g, of_c = unpack(unit)
    log_c = exponent_starts(extent, of_c)
    log_g = -extent.right + lerp(-4, extent.width, of_g)
    log_b = extent.first - np.exp(log_c) * np.logaddexp(-extent.left, log_g)
    return np.stack([log_b, log_g, log_c], -1)


def _coordinates(p, top):
    _, log_g, log_c = unpack(p)
    return jnp.stack([log_g, log_c])


FAMILY = Family(
    name="m3",
    formula="b (1/x + g)^-c",
    source=f"{REVISITING}, M3",
    names=("b", "g", "c"),
    decisive=("c",),
    **transforms("log", "log", "-log"),
    log_y=_log_y,
    log_limit=_log_limit,
    inverse=_inverse,
    shift=_shift,
    box=_box,
    starts=_starts,
    prior=PriorCoordinates(_coordinates, wide_prior([-2, -1], [2, 1])),
    colour="#009E73",
)
