"""Damped least squares in a box, written for vmap: failure is data, not an exception."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

Found = TypeVar("Found", bound=Any)
HUBER_DELTA = 1e-3  # of a log error
DAMPING, LESS, MORE = 1e-2, 0.2, 5.0  # at the start, and its factor after a step that helps, or does not


class Solution(NamedTuple):
    """Arrays of JAX or NumPy, which may have more axes in front."""

    p: Any  # [k]
    cost: Any  # sum of weighted losses, scalar
    gradient: Any  # [k], of the cost's half; zero where the box holds p back
    hessian: Any  # [k, k], Gauss-Newton, of the cost's half
    converged: Any  # bool: no step of the last size lowers the cost
    steps: Any  # int
    aux: Any  # what the residuals' function returns besides, at p


def best_first(parts: Sequence[Found]) -> Found:
    """The solutions of several searches, pytrees of NumPy arrays with a field `cost` [s], as one."""
    order = np.argsort(np.concatenate([part.cost for part in parts]), kind="stable")
    return jax.tree.map(lambda *arrays: np.concatenate(arrays)[order], *parts)


def squared(r: Array) -> tuple[Array, Array]:
    """Loss r^2 and the weight its Gauss-Newton step gives a residual."""
    return r**2, jnp.ones_like(r)


def huber(r: Array, delta: float = HUBER_DELTA) -> tuple[Array, Array]:
    """r^2 within delta, and linear beyond: twice Huber's loss, so that small residuals count the same."""
    size = jnp.abs(r)
    return jnp.where(size < delta, r**2, delta * (2 * size - delta)), delta / jnp.maximum(size, delta)


def solve_positive(h: Array, g: Array) -> Array:
    """x of h x = g for a positive definite h [k, k], by elimination unrolled over k: it vectorises
    over a batch of small systems, where LAPACK is called once for each."""
    table = jnp.concatenate([h, g[:, None]], 1)
    for j in range(h.shape[0]):
        row = table[j] / table[j, j]
        table = (table - table[:, j : j + 1] * row).at[j].set(row)
    return table[:, -1]


def linearised(residual: Callable[[Array], Array]) -> Callable[[Array], tuple[Array, Array, tuple[()]]]:
    """p [k] -> residuals [n], their Jacobian [n, k] and nothing besides, of p [k] -> residuals [n]."""

    def linear(p):
        r, push = jax.linearize(residual, p)
        return r, jax.vmap(push, out_axes=1)(jnp.eye(p.size, dtype=p.dtype)), ()

    return linear


def least_squares(
    linear: Callable[[Array], tuple[Array, Array, Any]],
    weights: Array,
    start: Array,
    low: Array,
    high: Array,
    *,
    loss: Callable[[Array], tuple[Array, Array]] = squared,
    max_steps: int | Array = 100,
    aux: Any = (),
) -> Solution:
    """Minimise sum(weights * loss(residuals)) over low <= p <= high by Levenberg-Marquardt.

    - linear: p [k] -> residuals [n], their Jacobian [n, k], and a pytree that the solution keeps; see
      `linearised`.
    - weights: [n].
    - start, low, high: [k].
    - loss: of residuals [n] -> losses, and the weights that a Gauss-Newton step gives the residuals.
    - max_steps: after which it stops, settled or not.
    - aux: a pytree like the one that `linear` returns; kept where no start has a finite cost.

    A coordinate at its bound that the gradient pushes outward is held there for the step. Starts that turn
    non-finite end with cost inf. The start is evaluated as the first step of the loop, which goes nowhere:
    so `linear` is traced and compiled once.
    """

    def evaluate(p):
        r, jacobian, kept = linear(p)
        value, importance = loss(r)
        w = weights * importance
        cost = jnp.sum(jnp.where(weights > 0, weights * value, 0.0))
        weighted = jnp.where(w[:, None] > 0, jacobian * w[:, None], 0.0)
        return cost, weighted.T @ jnp.where(weights > 0, r, 0.0), weighted.T @ jacobian, kept

    def held(p, g):
        return ((p <= low) & (g > 0)) | ((p >= high) & (g < 0))

    class State(NamedTuple):
        p: Array
        cost: Array
        g: Array
        h: Array
        aux: Any
        damping: Array
        done: Array
        steps: Array

    def step(s: State) -> State:
        free = ~held(s.p, s.g)
        h = jnp.where(free[:, None] & free[None], s.h, 0.0)
        top = jnp.maximum(jnp.max(jnp.diag(h)), 1e-30)
        # Marquardt's scaling, with a floor so that a flat direction does not run away.
        ridge = s.damping * (jnp.diag(h) + 1e-6 * top) + 1e-15 * top
        move = solve_positive(h + jnp.diag(jnp.where(free, ridge, top)), -jnp.where(free, s.g, 0.0))
        p = jnp.clip(s.p + move, low, high)
        cost, g, gn, kept = evaluate(p)
        better = jnp.isfinite(cost) & (cost <= s.cost)
        gain = (s.cost - cost) / jnp.maximum(s.cost, 1e-300)
        small = jnp.max(jnp.abs(p - s.p)) < 1e-11
        flat = better & (gain < 1e-13) & (s.damping < 1e-2)
        damping = jnp.where(better, s.damping * LESS, s.damping * MORE)
        pick = lambda a, b: jnp.where(better, a, b)  # noqa: E731
        done = small | flat | (damping > 1e12) | (s.cost < 1e-26 * jnp.sum(weights)) | ~jnp.isfinite(s.cost)
        done &= s.steps >= 0
        return State(
            pick(p, s.p),
            pick(cost, s.cost),
            pick(g, s.g),
            pick(gn, s.h),
            jax.tree.map(pick, kept, s.aux),
            jnp.clip(damping, 1e-12, 1e13),
            done,
            s.steps + 1,
        )

    start, k = jnp.clip(start, low, high), start.size
    zero, damping = jnp.zeros(k, start.dtype), jnp.array(DAMPING / LESS, start.dtype)
    unknown = jnp.array(jnp.inf, start.dtype), zero, jnp.zeros((k, k), start.dtype)
    state = State(start, *unknown, aux, damping, jnp.array(False), jnp.array(-1))
    end = jax.lax.while_loop(lambda s: ~s.done & (s.steps < max_steps), step, state)
    return Solution(
        p=end.p,
        cost=jnp.where(jnp.isfinite(end.cost), end.cost, jnp.inf),
        gradient=jnp.where(held(end.p, end.g), 0.0, end.g),
        hessian=end.h,
        converged=end.done & jnp.isfinite(end.cost),
        steps=end.steps,
        aux=end.aux,
    )
