"""Several laws as one function, so that one compiled program serves all of them.

Parameters of each law are padded with zeros to those of the longest. Which law is meant is a number inside
the program: where it does not vary over a vmapped axis, that law alone is computed.
"""

import functools
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from scalax.laws.batches import mapped
from scalax.laws.family import Family
from scalax.laws.registry import FAMILIES

STANDARD = ("m1", "m2", "m3", "m4", "bnsl", "shifted_power")  # share their programs, whichever are asked for
GROUPS = (1, 8, 128)  # members that one call evaluates
MOST = 2**20  # values of x in one call, of more than one member


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
    return mapped(lambda one: switch(laws, *one))


def evaluate(laws: Sequence[Family], p: Sequence[np.ndarray], log_x: ArrayLike) -> np.ndarray:
    """log y [r, n] of r laws at log x [n], in float64.

    - laws: of each.
    - p: internal parameters [k] of each.
    - log_x: [n], or [n, variables].
    """
    log_x = np.asarray(log_x, float)
    return np.reshape(evaluate_each(laws, p, [log_x] * len(p)), (len(p), len(log_x)))


def evaluate_each(
    laws: Sequence[Family], p: Sequence[np.ndarray], log_x: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """log y [n] of each law at its own log x, in float64.

    - laws: r of them.
    - p: internal parameters [k] of each.
    - log_x: of each, [n], or [n, variables]; n may differ.

    Pads all axes, so that calls of any size share few compiled programs.
    """
    alike: dict[tuple[int, ...], list[int]] = {}
    for i, own in enumerate(log_x):
        size = 64
        while size < len(own):
            size *= 8
        alike.setdefault((size, *own.shape[1:]), []).append(i)
    found: list[np.ndarray] = [np.zeros(0)] * len(p)
    for shape, members in alike.items():
        bank = bank_of(tuple(dict.fromkeys(laws[i] for i in members)))
        most = max(group for group in GROUPS if group * shape[0] <= MOST or group == 1)
        rows = next((group for group in GROUPS if len(members) <= group <= most), most)
        for first in range(0, len(members), rows):
            some = members[first : first + rows]
            places, padded = np.zeros(rows, np.int32), np.zeros((rows, padded_k(bank)))
            at = np.zeros((rows, *shape))
            for row, i in enumerate(some):
                places[row] = bank.index(laws[i])
                padded[row, : len(p[i])], at[row, : len(log_x[i])] = p[i], log_x[i]
            with jax.enable_x64(True):
                log_y = np.asarray(_evaluated(bank)(places, padded, at))
            for row, i in enumerate(some):
                found[i] = log_y[row, : len(log_x[i])]
    return found
