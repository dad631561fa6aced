"""The training data on the devices, and the batches of a run."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from scalax import data
from scalax.data import Dataset
from scalax.data.feed import Feed
from scalax.train import mesh as meshes
from scalax.train.once import Once


class Batches:
    """Of the runs of an experiment.

    - train: the training split. mesh: the devices.
    """

    def __init__(self, train: Dataset, mesh: Mesh):
        self._train, self._mesh = train, mesh
        self._once = Once()

    def dataset(self) -> dict[str, jax.Array]:
        """Raw arrays by name on every device, or {} where they are fed from the host."""
        arrays = self._train.arrays
        if arrays is None:
            return {}
        return self._once("dataset", lambda: meshes.replicate(self._mesh, arrays))

    def feed(self, seed: int | Sequence[int], batch_size: int, first: int = 0) -> Feed:
        """This process's part of the batches of one run, or of each run of a population (data.feed).

        - seed: of the run, or of each run.
        - batch_size: examples of the global batch.
        - first: number of the example to begin at, in the order of the run.
        """
        share = (jax.process_index(), jax.process_count())
        return data.feed(self._train, batch_size, seed, *share, first=first)

    def next(self, feed: Iterator) -> Any:
        """The next batch of `feed`, for the step: with one process the program itself places host arrays, at
        a fraction of the time that placing them first would take."""
        arrays = next(feed)
        if jax.process_count() == 1:
            return arrays
        lead = arrays.ndim if isinstance(arrays, np.ndarray) else self._lead(arrays)
        return meshes.split(self._mesh, arrays, axis=lead - 1)

    def _lead(self, arrays: dict[str, np.ndarray]) -> int:
        """Axes before those of an example: the batch, and the members of a population."""
        name, spec = next(iter(self._train.example.items()))
        return arrays[name].ndim - len(spec.shape)

    def abstract_dataset(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes, types and shardings of `dataset`."""
        everywhere = meshes.replicated(self._mesh)
        return {
            name: jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=everywhere)
            for name, array in (self._train.arrays or {}).items()
        }

    def abstract_batch(self, batch_size: int, members: int | None = None) -> Any:
        """Of what `next` gives."""
        lead = () if members is None else (members,)
        sharding = meshes.batched(self._mesh, len(lead))
        if self._train.arrays is not None:
            return jax.ShapeDtypeStruct((*lead, batch_size), np.int32, sharding=sharding)
        return self.abstract_raw((*lead, batch_size), sharding)

    def abstract_raw(self, lead: tuple[int, ...], sharding: Any) -> dict[str, jax.ShapeDtypeStruct]:
        """Raw examples by name, [*lead, ...] each."""
        return {
            name: jax.ShapeDtypeStruct((*lead, *spec.shape), spec.dtype, sharding=sharding)
            for name, spec in self._train.example.items()
        }
