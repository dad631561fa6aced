"""Several laws as one function, so that one compiled program serves all of them.

Parameters of each law are padded with zeros to those of the longest. Which law is meant is a number inside
the program: where it does not vary over a vmapped axis, that law alone is computed.
"""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from scalax.laws.family import Family
from scalax.laws.registry import FAMILIES

STANDARD = ("m1", "m2", "m3", "m4", "bnsl", "shifted_power")  # share their programs, whichever are asked for
GROUPS = (1, 8, 128)  # members that one call evaluates


def bank_of(laws: Sequence[Family]) -> tuple[Family, ...]:
    """The laws whose programs serve these: the standard ones where all are among them, or else themselves."""
    standard = tuple(FAMILIES[name] for name in STANDARD)
    return standard if set(laws) <= set(standard) else tuple(laws)


def padded_k(bank: Sequence[Family]) -> int:
    """Parameters of the longest law."""
    return max(len(law.names) for law in bank)


def switch(functions: Sequence[Callable], place: Array, *operands: Array):
    """What the function at `place` returns; a single one is called as it is."""
    return functions[0](*operands) if len(functions) == 1 else jax.lax.switch(place, functions, *operands)


@functools.cache
def _evaluated(bank: tuple[Family, ...]) -> Callable:
    def of(law: Family) -> Callable:
        return lambda p, log_x: law.log_y(p[: len(law.names)], log_x)

    laws = [of(law) for law in bank]
    return jax.jit(lambda places, p, log_x: jax.lax.map(lambda one: switch(laws, *one, log_x), (places, p)))


def evaluate(laws: Sequence[Family], p: Sequence[np.ndarray], log_x: ArrayLike) -> np.ndarray:
    """log y [r, n] of r laws at log x [n], in float64.

    - laws: of each.
    - p: internal parameters [k] of each.
    - log_x: [n], or [n, variables].

    Pads both axes, so that calls of any size share few compiled programs.
    """
    log_x, r, bank = np.asarray(log_x, float), len(p), bank_of(tuple(dict.fromkeys(laws)))
    n, size = len(log_x), 64
    while size < n:
        size *= 8
    rows = next((g for g in GROUPS if r <= g), GROUPS[-1])
    total = -(-r // rows) * rows
    at = np.zeros((size, *log_x.shape[1:]))
    places, padded = np.zeros(total, np.int32), np.zeros((total, padded_k(bank)))
    at[:n], places[:r] = log_x, [bank.index(law) for law in laws]
    for i, own in enumerate(p):
        padded[i, : len(own)] = own
    found = [np.zeros((0, size))]
    with jax.enable_x64(True):
        for first in range(0, total, rows):
            some = slice(first, first + rows)
            found.append(np.asarray(_evaluated(bank)(*map(jnp.asarray, (places[some], padded[some], at)))))
    return np.concatenate(found)[:r, :n]
