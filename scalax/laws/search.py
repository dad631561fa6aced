"""The search for a law's parameters: from many starts, the best of them polished, batched over curves."""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.optimize import minimize

from scalax.laws.batches import in_batches, padded
from scalax.laws.curves import Points
from scalax.laws.family import Family
from scalax.laws.solve import Solution, huber, least_squares, squared

OBJECTIVES = ("sle", "huber", "excess", "sle1p")
# Fewer screening steps can leave every polished start in one valley: 15 do on a curve of ten rows.
SCREEN_STEPS, POLISH_STEPS = 30, 300


def search(
    family: Family,
    objective: str,
    solver: str,
    points: Sequence[Points],
    weights: Sequence[np.ndarray],
    starts: Sequence[np.ndarray],
    polished: int,
) -> list[Solution]:
    """The `polished` best solutions of each curve, best first: fields of `Solution` with that axis in front.

    - points: the curves.
    - weights: [n] of each curve's rows.
    - starts: [s, k] of each curve.
    """
    program = _program(family, objective, polished, solver)

    def inputs(i: int, size: int) -> tuple[np.ndarray, ...]:
        own, low_high = points[i], family.box(points[i].extent)
        extra = np.zeros(size - len(own.log_y))
        rows = padded(own.log_x, size), padded(own.log_y, size), np.concatenate([weights[i], extra])
        return *rows, *low_high, starts[i], np.asarray(own.center_y)

    return in_batches([len(p.log_y) for p in points], inputs, program)


@functools.cache
def _program(family: Family, objective: str, polished: int, solver: str) -> Callable[..., Solution]:
    """(log_x [c, n], log_y, weights, low [c, k], high, starts [c, s, k], center_y [c]) -> the `polished`
    best solutions of each curve."""
    loss = huber if objective == "huber" else squared

    def one_curve(data):
        log_x, log_y, weights, low, high, starts, center_y = data

        def misfit(p):
            return residual(family, objective, p, log_x, log_y, center_y)

        def run(p, max_steps):
            return least_squares(misfit, weights, p, low, high, loss=loss, max_steps=max_steps)

        screened = jax.vmap(lambda p: run(p, SCREEN_STEPS))(starts)
        best = jnp.argsort(screened.cost)[:polished]
        if solver == "bfgs":
            ends = jax.vmap(lambda p: _bfgs(misfit, weights, p, low, high, loss))(starts)
            ends = ends[jnp.argsort(jax.vmap(lambda p: run(p, 0).cost)(ends))[:polished]]
            found = jax.vmap(lambda p: run(p, 0))(ends)
        else:
            found = jax.vmap(lambda p: run(p, POLISH_STEPS))(screened.p[best])
        return jax.tree.map(lambda a: a[jnp.argsort(found.cost)], found)

    return jax.jit(lambda *data: jax.lax.map(one_curve, data))


def residual(family: Family, objective: str, p: Array, log_x: Array, log_y: Array, center_y: Array) -> Array:
    """What an objective squares, or takes Huber's loss of: [n] for p [k] and centred rows [n]."""
    r = family.log_y(p, log_x) - log_y
    if objective == "sle1p":
        return jax.nn.softplus(log_y + r + center_y) - jax.nn.softplus(log_y + center_y)
    if objective != "excess" or family.floor is None:
        return r
    log_floor = p[family.names.index(family.floor)]
    below = log_floor - log_y  # a limit above a row would have no log: it is kept just below
    excess = [jnp.log(-jnp.expm1(jnp.minimum(gap, -1e-9))) for gap in (below - r, below)]
    return r + excess[0] - excess[1]


def _bfgs(residual: Callable, weights: Array, p: Array, low: Array, high: Array, loss: Callable) -> Array:
    def cost(p):
        value, _ = loss(residual(jnp.clip(p, low, high)))
        return jnp.sum(jnp.where(weights > 0, weights * value, 0.0))

    return jnp.clip(minimize(cost, p, method="BFGS").x, low, high)
