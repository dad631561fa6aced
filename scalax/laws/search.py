"""The search for a law's parameters: from many starts, the best of them polished, batched."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.optimize import minimize

from scalax.laws.bank import bank_of, padded_k, switch
from scalax.laws.batches import in_batches, mapped, padded
from scalax.laws.curves import Points, thinned
from scalax.laws.family import Family
from scalax.laws.solve import Solution, best_first, huber, least_squares, linearised, squared

OBJECTIVES = ("sle", "huber", "excess", "sle1p")
# Fewer screening steps can leave every polished start in one valley: 15 do on a curve of ten rows.
SCREEN_STEPS, POLISH_STEPS = 30, 300
MOST_ROWS = 1024  # of a curve in the first search
BLOCK = 4  # starts that are solved together


class Search(NamedTuple):
    """A search for the parameters of one law on one curve.

    - law: the law; points: the curve.
    - weights: [n] of its rows.
    - starts: [s, k].
    """

    law: Family
    points: Points
    weights: np.ndarray
    starts: np.ndarray


def search(
    searches: Sequence[Search],
    objective: str,
    solver: str,
    polished: int,
    progress: Callable[[float], object] | None = None,
    steps: int = POLISH_STEPS,
) -> list[Solution]:
    """The `polished` best solutions of each search, best first: fields of `Solution` with that axis in front.

    - progress: called with how much was just done, in searches.
    - steps: that polishing takes at most.
    """
    if not searches:
        return []
    half = lambda done: progress(done / 2) if progress else None  # noqa: E731
    first, then = (0, 0) if solver == "bfgs" else (SCREEN_STEPS, steps)
    if solver == "bfgs":
        begun = [s._replace(starts=_from_bfgs(s, objective)) for s in searches]
    else:
        begun = [_thinned(s) for s in searches]
    screened = _solve(begun, objective, first, half)
    begun = [s._replace(starts=end.p[:polished]) for s, end in zip(begun, screened, strict=True)]
    ends = _solve(begun, objective, then, half)
    long = [i for i, (s, own) in enumerate(zip(searches, begun, strict=True)) if s.points is not own.points]
    again = [searches[i]._replace(starts=ends[i].p) for i in long]
    if again:
        for i, end in zip(long, _solve(again, objective, then, lambda _: None), strict=True):
            ends[i] = end
    return ends


def _thinned(s: Search) -> Search:
    """The search among averaged rows: where it ends, the search among all of a long curve's rows begins."""
    if s.points.log_x.ndim != 1 or len(s.points.log_x) <= MOST_ROWS:
        return s
    points = thinned(s.points._replace(weights=s.weights), MOST_ROWS)
    return s._replace(points=points, weights=points.weights)


def _solve(
    searches: Sequence[Search], objective: str, steps: int, progress: Callable[[float], object]
) -> list[Solution]:
    """Where at most `steps` steps lead from each start, best first."""
    blocks = [(i, at) for i, s in enumerate(searches) for at in range(0, len(s.starts), BLOCK)]
    bank = bank_of(tuple(dict.fromkeys(s.law for s in searches)))
    k = padded_k(bank)

    def inputs(number: int, size: int) -> tuple[np.ndarray, ...]:
        i, at = blocks[number]
        law, points, weights, starts = searches[i]
        own, chosen = len(law.names), starts[at : at + BLOCK]
        low, high, begin = np.zeros(k), np.zeros(k), np.zeros((BLOCK, k))
        low[:own], high[:own] = law.box(points.extent)
        begin[:, :own] = np.concatenate([chosen, np.repeat(chosen[:1], BLOCK - len(chosen), 0)])
        extra = np.zeros(size - len(points.log_y))
        rows = padded(points.log_x, size), padded(points.log_y, size), np.concatenate([weights, extra])
        numbers = np.array(bank.index(law)), np.array(steps), np.asarray(points.center_y)
        return *rows, *numbers, low, high, begin

    lengths, share = [len(searches[i].points.log_y) for i, _ in blocks], len(searches) / len(blocks)
    found = in_batches(lengths, inputs, _program(bank, objective), lambda done: progress(share * done))
    ends: list[list[Solution]] = [[] for _ in searches]
    for (i, at), end in zip(blocks, found, strict=True):
        own, count = len(searches[i].law.names), len(searches[i].starts[at : at + BLOCK])
        end = jax.tree.map(lambda array, count=count: array[:count], end)
        ends[i].append(
            end._replace(p=end.p[:, :own], gradient=end.gradient[:, :own], hessian=end.hessian[:, :own, :own])
        )
    return [best_first(parts) for parts in ends]


@functools.cache
def _program(bank: tuple[Family, ...], objective: str) -> Callable[..., Solution]:
    """Inputs of blocks [c, ...] -> solutions [c, BLOCK], padded to the longest law's parameters."""
    loss = huber if objective == "huber" else squared

    def linear(law: Family) -> Callable:
        def of(p, log_x, log_y, center_y):
            return linearised(
                lambda q: residual(law, objective, q[: len(law.names)], log_x, log_y, center_y)
            )(p)

        return of

    linears = [linear(law) for law in bank]

    def block(data):
        log_x, log_y, weights, law, steps, center_y, low, high, starts = data

        def run(p):
            return least_squares(
                lambda q: switch(linears, law, q, log_x, log_y, center_y),
                weights,
                p,
                low,
                high,
                loss=loss,
                max_steps=steps,
            )

        return jax.vmap(run)(starts)

    return mapped(block)


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


def _from_bfgs(s: Search, objective: str) -> np.ndarray:
    """Where BFGS ends from each start: [s, k]."""
    with jax.enable_x64(True):
        rows = (s.points.log_x, s.points.log_y, s.weights, np.asarray(s.points.center_y))
        data = map(jnp.asarray, (*rows, *s.law.box(s.points.extent), s.starts))
        return np.asarray(_bfgs(s.law, objective)(*data))


@functools.cache
def _bfgs(law: Family, objective: str) -> Callable[..., Array]:
    loss = huber if objective == "huber" else squared

    def ends(log_x, log_y, weights, center_y, low, high, starts):
        def cost(p):
            value, _ = loss(residual(law, objective, jnp.clip(p, low, high), log_x, log_y, center_y))
            return jnp.sum(jnp.where(weights > 0, weights * value, 0.0))

        return jax.vmap(lambda p: jnp.clip(minimize(cost, p, method="BFGS").x, low, high))(starts)

    return jax.jit(ends)
