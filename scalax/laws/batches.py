"""Curves of any number and length in calls of one compiled shape."""

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

import jax
import numpy as np

CHUNK = 16  # curves a call: one compiled shape serves any number of curves
STORED = 64  # points of each number of dimensions in sobol.npz
LONG, FEW = 1024, 4  # rows from which a call has fewer, and how many
XLA_OPTIONS: dict[str, Any] = {}  # jax.jit's compiler_options for programs that are made from now on


def mapped(task: Callable[[Any], Any]) -> Callable[..., Any]:
    """A compiled program of many tasks, each array with an axis [c] in front, one after another.

    - task: a tuple of arrays of one curve -> a pytree.
    """
    return jax.jit(lambda *data: jax.lax.map(task, data), compiler_options=XLA_OPTIONS or None)


def in_batches(
    lengths: Sequence[int],
    inputs: Callable[[int, int], tuple[np.ndarray, ...]],
    program: Callable[..., Any],
    progress: Callable[[int], object] | None = None,
) -> list[Any]:
    """What `program` makes of each curve: a pytree of NumPy arrays, in the order of `lengths`.

    - lengths: the rows of each curve; curves of like length share a call.
    - inputs: (curve's index, rows to pad to) -> arrays. The third is what errors are weighted by: a call that
      is not full is filled up with curves for which it is zero, so that they settle at once.
    - program: float64 arrays, each with an axis [CHUNK or FEW] in front -> a pytree with that axis in front.
    - progress: called with the number of curves just finished.
    """
    sizes = [padded_size(length) for length in lengths]
    results: list[Any] = [None] * len(sizes)

    device = getattr(jax.config, "jax_default_device", None)  # contexts are a thread's own

    def call(size: int, chunk: list[int]) -> int:
        rows = [inputs(i, size) for i in chunk]
        log_x, log_y, weights, *others = rows[0]
        rows += [(log_x, log_y, np.zeros_like(weights), *others)] * (_count(size) - len(chunk))
        with jax.enable_x64(True), jax.default_device(device):
            out = program(*(np.stack(column) for column in zip(*rows, strict=True)))
        out = jax.tree.map(np.asarray, out)
        for j, i in enumerate(chunk):
            results[i] = jax.tree.map(lambda a, j=j: a[j], out)
        return len(chunk)

    told = progress or (lambda _: None)
    with ThreadPoolExecutor(_cores()) as pool:
        for size in sorted(set(sizes)):
            alike = [i for i, own in enumerate(sizes) if own == size]
            each = _count(size)
            first, *others = (alike[at : at + each] for at in range(0, len(alike), each))
            told(call(size, first))  # compiles what the others run
            for done in pool.map(functools.partial(call, size), others):
                told(done)
    return results


def _cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _count(size: int) -> int:
    return CHUNK if size <= LONG else FEW


def padded_size(rows: int) -> int:
    """Rows after padding: 32, 64, 256, 1024, ...: few lengths, so few compiled programs."""
    return 32 if rows <= 32 else 64 * 4 ** max(0, int(np.ceil(np.log(rows / 64) / np.log(4))))


def padded(values: np.ndarray, size: int) -> np.ndarray:
    """values [n, ...] -> [size, ...], with copies of the first row at the end."""
    return np.concatenate([values, np.repeat(values[:1], size - len(values), 0)])


def unit_points(n: int, k: int, seed: int) -> np.ndarray:
    """n points spread evenly over the unit cube of k dimensions, [n, k], the same for every curve.

    Those of seed 0 that standard laws start from come with the package, in sobol.npz: SciPy's statistics
    take half a second to import.
    """
    if seed == 0 and n <= STORED and (stored := _stored().get(f"k{k}")) is not None:
        return stored[:n]
    return sobol(n, k, seed)


def sobol(n: int, k: int, seed: int) -> np.ndarray:
    """The first n points, [n, k], of a scrambled Sobol sequence."""
    from scipy.stats import qmc

    return qmc.Sobol(k, rng=np.random.default_rng(seed)).random_base2(int(np.ceil(np.log2(n))))[:n]


@functools.cache
def _stored() -> dict[str, np.ndarray]:
    with resources.files("scalax.laws").joinpath("sobol.npz").open("rb") as file, np.load(file) as arrays:
        return dict(arrays)


def store(path: Path) -> None:
    """Write sobol.npz anew."""
    arrays: dict[str, Any] = {f"k{k}": sobol(STORED, k, 0) for k in range(1, 8)}
    np.savez(path, **arrays)
