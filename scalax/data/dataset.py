"""A split as arrays where it fits, else as a source that decodes while it is read."""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np

from scalax.data.said import said
from scalax.data.source import ArraySpec, Source, spec


@dataclasses.dataclass(frozen=True)
class Dataset:
    """One split of N examples.

    Attributes:
      source: reads them one by one.
      arrays: all of them by name, [N, ...]: {'image': uint8 [N, H, W, C], 'label': int32 [N]}, or
        {'tokens': int32 [N, T]}; None where they do not fit in memory.
    """

    source: Source
    arrays: dict[str, np.ndarray] | None

    def __len__(self) -> int:
        return len(self.source)

    @functools.cached_property
    def example(self) -> dict[str, ArraySpec]:
        """Shape and type of each array of one example, by name."""
        if self.arrays is None:
            return spec(self.source[0])
        return {name: ArraySpec(array.shape[1:], array.dtype) for name, array in self.arrays.items()}

    def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The examples `rows`, int [n], as arrays [n, ...] by name."""
        if self.arrays is None:
            return self.source.read(rows)
        return {name: array[rows] for name, array in self.arrays.items()}

    def labels(self) -> np.ndarray:
        """int32 [N], without decoding an image. Raises UserError where examples have no labels."""
        if self.arrays is not None and "label" in self.arrays:
            return self.arrays["label"]
        return self.source.labels()


class Splits(NamedTuple):
    """Both splits. outputs: number of classes, or of tokens in the vocabulary."""

    train: Dataset
    validation: Dataset
    outputs: int

    def said(self) -> str:
        """What was read of files, in one line; empty for data that are no list of files."""
        return said(self.train.source, self.validation.source)
