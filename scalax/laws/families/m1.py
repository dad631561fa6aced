"""M1: y = b x^c."""

import jax.numpy as jnp
import numpy as np

from scalax.laws.families._power import REVISITING
from scalax.laws.family import Extent, Family, ShiftedPower, lerp, transforms, unpack
from scalax.laws.priors import PriorCoordinates, wide_prior


def _log_y(p, log_x):
    log_b, c = unpack(p)
    return log_b + c * log_x


def _log_limit(p):
    log_b, c = unpack(p)
    return np.where(c < 0, -np.inf, np.where(c > 0, np.inf, log_b))


def _inverse(p, log_y):
    log_b, c = unpack(p)
    return (log_y - log_b) / c if c else np.full(np.shape(log_y), np.nan)


def _shift(p, du, dv):
    log_b, c = unpack(p)
    return np.stack([log_b + dv - c * du, c], -1)


def _box(extent: Extent):
    steep = 60 * extent.steepness
    return np.array([-np.inf, -steep]), np.array([np.inf, steep])


def _starts(extent: Extent, unit):
    _, of_c = unpack(unit)
    c = extent.steepness * lerp(-2, 1, of_c)
    return np.stack([extent.first - c * extent.left, c], -1)


def _coordinates(p, top):
    _, c = unpack(p)
    return jnp.stack([c])


FAMILY = Family(
    name="m1",
    formula="b x^c",
    source=f"{REVISITING}, M1",
    names=("b", "c"),
    decisive=("c",),
    **transforms("log", "id"),
    log_y=_log_y,
    log_limit=_log_limit,
    inverse=_inverse,
    shift=_shift,
    box=_box,
    starts=_starts,
    prior=PriorCoordinates(_coordinates, wide_prior([-0.3], [0.3])),
    as_shifted_power=lambda params: ShiftedPower(params["b"], -params["c"]),
    colour="#0072B2",
)
