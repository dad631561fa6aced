"""Batches in an order that depends on the seed and epoch only, from an iterator that can be resumed."""

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from scalax.data.dataset import Dataset
from scalax.errors import UserError
from scalax.typed import is_whole, shown

THREADS = 16
AHEAD = 4  # batches that are decoded ahead


class Feed(Protocol):
    """An endless iterator of batches; its state, in JSON form, resumes it exactly."""

    def __iter__(self) -> "Feed": ...
    def __next__(self) -> Any: ...
    def get_state(self) -> dict: ...
    def set_state(self, state: dict) -> None: ...


def feed(
    dataset: Dataset,
    batch_size: int,
    seed: int | Sequence[int],
    process: int = 0,
    processes: int = 1,
    first: int = 0,
) -> Feed:
    """Endless batches: int32 [B] row numbers where the examples are in memory, else arrays [B, ...] by name
    that background threads decode, e.g. {'image': uint8 [B, H, W, C], 'label': int32 [B]}.

    - dataset: the split to go through, again and again.
    - batch_size: examples of a batch, over all processes.
    - seed: of the order. A sequence of M seeds gives the batches of a population, [M, B, ...], each run in
      its own order.
    - process, processes: one of several gets the part of each batch that is its own, B = batch_size /
      processes, and decodes no other.
    - first: examples of the order that went before.

    Raises UserError where the split is smaller than a batch, or the batch does not split over the processes.
    """
    check_batch(dataset, batch_size)
    if batch_size % processes:
        raise UserError(f"batch_size {batch_size} does not split over {processes} processes; use a multiple")
    seeds = [seed] if isinstance(seed, int) else seed
    share = batch_size // processes
    count = len(seeds) * share
    lead = (share,) if isinstance(seed, int) else (len(seeds), share)
    orders = [Order(len(dataset), s) for s in seeds]

    @functools.lru_cache(maxsize=2 * AHEAD)
    def rows(batch: int) -> np.ndarray:
        at = first + batch * batch_size + process * share
        return np.concatenate([order.rows(at, share) for order in orders])

    if dataset.arrays is not None:
        return _Rows(lambda batch: rows(batch).reshape(lead))

    import grain

    def example(number: int) -> dict[str, np.ndarray]:
        return dataset.source[rows(number // count)[number % count]]

    def shaped(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: array.reshape(*lead, *array.shape[1:]) for name, array in batch.items()}

    options = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=AHEAD * count)
    examples = grain.MapDataset.range(sys.maxsize).map(example).to_iter_dataset(options)
    return iter(examples.batch(count, drop_remainder=True).map(shaped))


class _Rows:
    """Batches by number, without threads: numbers of rows cost less than handing them over would."""

    def __init__(self, batch: Callable[[int], np.ndarray]):
        self._batch, self._next = batch, 0

    def __iter__(self):
        return self

    def __next__(self) -> np.ndarray:
        batch = self._batch(self._next)
        self._next += 1
        return batch

    def get_state(self) -> dict:
        return {"next_index": self._next}

    def set_state(self, state: dict) -> None:
        number = state["next_index"]
        if not is_whole(number) or number < 0:
            raise ValueError(f"next_index {shown(number)} is no number of a batch")
        self._next = number


class Order:
    """The endless order of the `length` rows of a run: each epoch a permutation by (seed, epoch) alone."""

    def __init__(self, length: int, seed: int):
        self.length, self.seed = length, seed
        self._epoch = functools.lru_cache(maxsize=2)(self._permutation)

    def _permutation(self, epoch: int) -> np.ndarray:
        rows = np.arange(self.length, dtype=np.int32)
        return np.random.default_rng((self.seed, epoch)).permutation(rows)

    def rows(self, first: int, count: int) -> np.ndarray:
        """int32 [count] row numbers at the places first, first + 1, ..."""
        parts = []
        while count:
            epoch, within = divmod(first, self.length)
            parts.append(self._epoch(epoch)[within : within + count])
            first, count = first + len(parts[-1]), count - len(parts[-1])
        return np.concatenate(parts)


def check_batch(dataset: Dataset, batch_size: int) -> None:
    """Raises UserError where the dataset is smaller than a batch."""
    if batch_size > len(dataset):
        raise UserError(f"batch_size {batch_size} exceeds the {len(dataset)} training examples; lower it")
