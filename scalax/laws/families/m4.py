"""M4: a law with two limits, a plateau before learning starts and one at the end."""

import jax
import jax.numpy as jnp
import numpy as np

from scalax.laws.families._power import REVISITING, limit_starts
from scalax.laws.family import TINY, Extent, Family, lerp, log_excess, unpack
from scalax.laws.priors import PriorCoordinates, wide_prior


@jax.custom_jvp
def solve_bend(level: jax.Array, a: jax.Array) -> jax.Array:
    """The w where w + (a - 1) softplus(w) = level, for a > 0; arrays broadcast.

    The left side f is increasing, and convex or concave by the sign of a - 1. Halley's method starts at the
    root for w far from zero; five steps bring it within 3e-13 of |w| or 1, for log a from -7 to 4.
    """

    def halley(_: int, w: jax.Array) -> jax.Array:
        tail = jnp.exp(-jnp.abs(w))  # softplus and sigmoid by one exponential: this loop is most of a fit
        softplus, sigmoid = jnp.maximum(w, 0) + jnp.log(1 + tail), jnp.where(w > 0, 1.0, tail) / (1 + tail)
        f, slope = w + (a - 1) * softplus - level, 1 + (a - 1) * sigmoid
        return w - 2 * f * slope / (2 * slope**2 - f * (slope - 1) * (1 - sigmoid))

    return jax.lax.fori_loop(0, 5, halley, jnp.where(level < 0, level, level / a))


@solve_bend.defjvp
def _solve_bend_jvp(primals, tangents):
    """Implicit function theorem: the root moves so that the equation still holds."""
    level, a = primals
    d_level, d_a = tangents
    w = solve_bend(level, a)
    return w, (d_level - jax.nn.softplus(w) * d_a) / (1 + (a - 1) * jax.nn.sigmoid(w))


def _log_y(p, log_x):
    r"""$(y - e_\infty) / (e_0 - y)^a = b x^c$, solved for log y.

    With y = e_inf + (e_0 - e_inf) sigmoid(w) it reads w + (a - 1) softplus(w) = level + c log x, where
    level = log b + (a - 1) log(e_0 - e_inf). p: log e_inf, log e_0, log a, level, log -c.
    """
    log_e_inf, log_e_0, log_a, level, log_c = unpack(p)
    w = solve_bend(level - jnp.exp(log_c) * log_x, jnp.exp(log_a))
    return jnp.logaddexp(log_e_inf - jax.nn.softplus(w), log_e_0 - jax.nn.softplus(-w))


def _log_limit(p):
    log_e_inf, *_ = unpack(p)
    return log_e_inf


def _to_natural(p):
    log_e_inf, log_e_0, log_a, level, log_c = p
    a = jnp.exp(log_a)
    log_gap = log_e_0 + jnp.log1p(-jnp.exp(log_e_inf - log_e_0))
    b = jnp.exp(level - (a - 1) * log_gap)
    return jnp.stack([jnp.exp(log_e_inf), jnp.exp(log_e_0), a, b, -jnp.exp(log_c)])


def _from_natural(values):
    e_inf, e_0, a, b, c = values
    with np.errstate(divide="ignore"):
        level = np.log(b) + (a - 1) * np.log(e_0 - e_inf)
        return np.array([np.log(e_inf), np.log(e_0), np.log(a), level, np.log(-c)])


def _inverse(p, log_y):
    log_e_inf, log_e_0, log_a, level, log_c = unpack(p)
    above, below = log_excess(log_y, log_e_inf), log_excess(log_e_0, log_y)
    w = above - below
    return (level - w - np.expm1(log_a) * np.logaddexp(0, w)) / np.exp(log_c)


def _shift(p, du, dv):
    log_e_inf, log_e_0, log_a, level, log_c = unpack(p)
    return np.stack([log_e_inf + dv, log_e_0 + dv, log_a, level + np.exp(log_c) * du, log_c], -1)


def _box(extent: Extent):
    middle = (extent.low + extent.high) / 2
    slow, fast = np.log(1 / extent.width) - 12, np.log(1 / extent.width) + 6
    return (
        np.array([extent.low + TINY, middle, -7.0, -np.inf, slow]),
        np.array([extent.low, extent.high + 5, 4.0, np.inf, fast]),
    )


def _starts(extent: Extent, unit):
    of_e_inf, of_e_0, of_a, of_level, of_c = unpack(unit)
    log_e_inf = limit_starts(extent, of_e_inf, 0.02, 0.99)
    log_e_0 = extent.high + lerp(0.0, 1.0, of_e_0) ** 3
    log_a = lerp(-2.0, 1.5, of_a)
    log_c = np.log(1 / extent.width) + lerp(-1.0, 2.5, of_c)
    # Where the curve has fallen halfway between its plateaus, w = 0.
    half = lerp(extent.left - 0.3 * extent.width, extent.right, of_level)
    level = (np.exp(log_a) - 1) * np.log(2) + np.exp(log_c) * half
    return np.stack([log_e_inf, log_e_0, log_a, level, log_c], -1)


def _coordinates(p, top):
    log_e_inf, log_e_0, log_a, _, log_c = unpack(p)
    return jnp.stack([log_e_inf, log_e_0 - top, log_a, log_c])


FAMILY = Family(
    name="m4",
    formula="(y - e_inf) / (e_0 - y)^a = b x^c",
    source=f"{REVISITING}, M4",
    names=("e_inf", "e_0", "a", "b", "c"),
    to_natural=_to_natural,
    from_natural=_from_natural,
    log_y=_log_y,
    log_limit=_log_limit,
    inverse=_inverse,
    shift=_shift,
    box=_box,
    starts=_starts,
    floor="e_inf",
    prior=PriorCoordinates(_coordinates, wide_prior([-1, 0.1, 0, -0.5], [1.5, 0.3, 0.7, 0.7])),
    labels={"e_inf": "e_inf (limit)", "e_0": "e_0 (start)", "a": "a", "b": "b", "c": "c"},
    decisive=("c",),
    colour="#D55E00",
)
