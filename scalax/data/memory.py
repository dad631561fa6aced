"""A split as arrays where it fits, else as a source that decodes while it is read."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from scalax.config import DataConfig
from scalax.data.sources import Source, open_sources
from scalax.errors import UserError

THREADS = 16  # decoding waits on storage, and leaves the interpreter while it works


@dataclasses.dataclass(frozen=True)
class Dataset:
    """One split. images: uint8 [N, H, W, C] and labels: int32 [N], or None where they do not fit."""

    source: Source
    images: np.ndarray | None
    labels: np.ndarray | None
    image_shape: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.source)

    def read(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(images, labels) of the rows `index`."""
        if self.images is not None and self.labels is not None:
            return self.images[index], self.labels[index]
        return read(self.source, index)


class Splits(NamedTuple):
    train: Dataset
    validation: Dataset
    classes: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.train.image_shape


def load(config: DataConfig) -> Splits:
    """Open both splits, and read into memory each that fits `config.device_gib`.

    Raises UserError for what is missing, unreadable or labelled out of range.
    """
    train, validation = open_sources(config)
    return Splits(_load(train, config), _load(validation, config), train.classes)


def _load(source: Source, config: DataConfig) -> Dataset:
    shape = source[0]["image"].shape
    if np.prod(shape) * len(source) > config.device_gib * 2**30:
        return Dataset(source, None, None, shape)
    images, labels = read(source, np.arange(len(source)))
    return Dataset(source, images, labels, shape)


def read(source: Source, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(images [n, H, W, C], labels [n]) of the rows `index`, decoded in threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        examples = list(pool.map(source.__getitem__, index.tolist()))
    shapes = {example["image"].shape for example in examples}
    if len(shapes) > 1:
        raise UserError(f"{source.name}: images must have one shape, got {sorted(shapes)}")
    return np.stack([e["image"] for e in examples]), np.stack([e["label"] for e in examples])
