"""The 1,797 digits, 8x8 and grey, that scikit-learn carries."""

from typing import Any

import numpy as np

from scalax.config import DataConfig
from scalax.data.images import from_arrays
from scalax.data.kind import Kind
from scalax.data.source import Source
from scalax.errors import UserError


def open_digits(config: DataConfig, split: str) -> Source:
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return from_arrays("digits", images, digits.target, 10, config)


def check_splits(config: DataConfig) -> None:
    for split in (config.train_split, config.validation_split):
        if split not in ("train", ""):
            raise UserError(
                f"digits has the split train only, got {split!r}; leave data.validation_split empty"
            )


KIND = Kind("digits", open_digits, check_splits, reads=())
