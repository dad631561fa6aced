"""M4 with its exponent a fixed at 1: a convex combination of the two limits without the new parameter."""

import jax
import jax.numpy as jnp
import numpy as np

from scalax.laws.families._power import REVISITING, limit_starts
from scalax.laws.family import TINY, Extent, Family, lerp, log_excess, transforms, unpack
from scalax.laws.priors import PriorCoordinates, wide_prior


def _log_y(p, log_x):
    r"""$y = (e_\infty + e_0 b x^c) / (1 + b x^c)$. p: log e_inf, log e_0, log b, log -c."""
    log_e_inf, log_e_0, log_b, log_c = unpack(p)
    w = log_b - jnp.exp(log_c) * log_x
    return jnp.logaddexp(log_e_inf - jax.nn.softplus(w), log_e_0 - jax.nn.softplus(-w))


def _log_limit(p):
    log_e_inf, *_ = unpack(p)
    return log_e_inf


def _inverse(p, log_y):
    log_e_inf, log_e_0, log_b, log_c = unpack(p)
    above, below = log_excess(log_y, log_e_inf), log_excess(log_e_0, log_y)
    return (log_b - above + below) / np.exp(log_c)


def _shift(p, du, dv):
    log_e_inf, log_e_0, log_b, log_c = unpack(p)
    return np.stack([log_e_inf + dv, log_e_0 + dv, log_b + np.exp(log_c) * du, log_c], -1)


def _box(extent: Extent):
    middle = (extent.low + extent.high) / 2
    slow, fast = np.log(1 / extent.width) - 12, np.log(1 / extent.width) + 6
    return (
        np.array([extent.low + TINY, middle, -np.inf, slow]),
        np.array([extent.low, extent.high + 5, np.inf, fast]),
    )


def _starts(extent: Extent, unit):
    of_e_inf, of_e_0, of_b, of_c = unpack(unit)
    log_e_0 = extent.high + lerp(0.0, 1.0, of_e_0) ** 3
    log_c = np.log(1 / extent.width) + lerp(-1.0, 2.5, of_c)
    half = lerp(extent.left - 0.3 * extent.width, extent.right, of_b)
    return np.stack([limit_starts(extent, of_e_inf, 0.02, 0.99), log_e_0, np.exp(log_c) * half, log_c], -1)


def _coordinates(p, top):
    log_e_inf, log_e_0, _, log_c = unpack(p)
    return jnp.stack([log_e_inf, log_e_0 - top, log_c])


FAMILY = Family(
    name="m4_alpha1",
    formula="(y - e_inf) / (e_0 - y) = b x^c",
    source=f"{REVISITING}, M4 with alpha = 1",
    names=("e_inf", "e_0", "b", "c"),
    **transforms("log", "log", "log", "-log"),
    log_y=_log_y,
    log_limit=_log_limit,
    inverse=_inverse,
    shift=_shift,
    box=_box,
    starts=_starts,
    floor="e_inf",
    prior=PriorCoordinates(_coordinates, wide_prior([-1, 0.1, -0.5], [1.5, 0.3, 0.7])),
    labels={"e_inf": "e_inf (limit)", "e_0": "e_0 (start)", "b": "b", "c": "c"},
    decisive=("c",),
)
