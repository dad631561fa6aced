"""The 1,797 digits, 8x8 and grey, that scikit-learn carries."""

import gzip

import numpy as np

from scalax.config import DataConfig
from scalax.data.carried import carried
from scalax.data.images import from_arrays
from scalax.data.kind import Kind
from scalax.data.source import Source
from scalax.errors import UserError

FILE = "datasets/data/digits.csv.gz"  # a row an image: 64 levels of grey from 0 to 16, then the label


def open_digits(config: DataConfig, split: str) -> Source:
    path = carried("sklearn", FILE)
    try:
        with gzip.open(path, "rt") as file:
            table = np.loadtxt(file, delimiter=",")
    except OSError as e:
        raise UserError(
            f"digits: cannot read {path} ({e.strerror or e}); install scikit-learn anew"
        ) from None
    images = np.round(table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return from_arrays("digits", images, table[:, -1].astype(int), 10, config)


def check_splits(config: DataConfig) -> None:
    for split in (config.train_split, config.validation_split):
        if split not in ("train", ""):
            raise UserError(
                f"digits has the split train only, got {split!r}; leave data.validation_split empty"
            )


KIND = Kind("digits", open_digits, check_splits, reads=())
