"""M4: a law with two limits, a plateau before learning starts and one at the end."""

import jax
import jax.numpy as jnp
import numpy as np

from scalax.laws.family import TINY, Family, Span, between, log_excess
from scalax.laws.power import REVISITING


@jax.custom_jvp
def solve_bend(level, a):
    """The w where w + (a - 1) softplus(w) = level, for a > 0; arrays broadcast.

    The left side is increasing, and convex or concave by the sign of a - 1. Newton's method starts on
    the side from which it approaches the root without overshooting: at the root for w far from zero.
    """
    w = jnp.where(level < 0, level, level / a)
    for _ in range(8):
        value = w + (a - 1) * jax.nn.softplus(w) - level
        w = w - value / (1 + (a - 1) * jax.nn.sigmoid(w))
    return w


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
    w = solve_bend(p[3] - jnp.exp(p[4]) * log_x, jnp.exp(p[2]))
    return jnp.logaddexp(p[0] - jax.nn.softplus(w), p[1] - jax.nn.softplus(-w))


def _log_gap(p):
    return p[1] + jnp.log1p(-jnp.exp(p[0] - p[1]))


def _to_natural(p):
    a = jnp.exp(p[2])
    return jnp.stack([jnp.exp(p[0]), jnp.exp(p[1]), a, jnp.exp(p[3] - (a - 1) * _log_gap(p)), -jnp.exp(p[4])])


def _from_natural(values):
    e_inf, e_0, a, b, c = values
    with np.errstate(divide="ignore"):
        level = np.log(b) + (a - 1) * np.log(e_0 - e_inf)
        return np.array([np.log(e_inf), np.log(e_0), np.log(a), level, np.log(-c)])


def _inverse(p, log_y):
    above, below = log_excess(log_y, p[0]), log_excess(p[1], log_y)
    w = above - below
    return (p[3] - w - np.expm1(p[2]) * np.logaddexp(0, w)) / np.exp(p[4])


def _shift(p, du, dv):
    return np.stack(
        [p[..., 0] + dv, p[..., 1] + dv, p[..., 2], p[..., 3] + np.exp(p[..., 4]) * du, p[..., 4]], -1
    )


def _box(span: Span):
    middle = (span.low + span.high) / 2
    slow, fast = np.log(1 / span.width) - 12, np.log(1 / span.width) + 6
    return (
        np.array([span.low + TINY, middle, -7.0, -np.inf, slow]),
        np.array([span.low, span.high + 5, 4.0, np.inf, fast]),
    )


def _starts(span: Span, unit):
    floor = span.low + np.log(between(0.02, 0.99, unit[:, 0]))
    top = span.high + between(0.0, 1.0, unit[:, 1]) ** 3
    a = between(-2.0, 1.5, unit[:, 2])
    exponent = np.log(1 / span.width) + between(-1.0, 2.5, unit[:, 4])
    # Where the curve has fallen halfway between its plateaus, w = 0.
    half = between(span.left - 0.3 * span.width, span.right, unit[:, 3])
    level = (np.exp(a) - 1) * np.log(2) + np.exp(exponent) * half
    return np.stack([floor, top, a, level, exponent], -1)


M4 = Family(
    name="m4",
    formula="(y - e_inf) / (e_0 - y)^a = b x^c",
    source=f"{REVISITING}, M4",
    names=("e_inf", "e_0", "a", "b", "c"),
    to_natural=_to_natural,
    from_natural=_from_natural,
    log_y=_log_y,
    log_limit=lambda p: p[0],
    inverse=_inverse,
    shift=_shift,
    box=_box,
    starts=_starts,
    floor=0,
)
