"""A kind of data by name: how it is opened, and how a part of it is held out."""

import dataclasses
from collections.abc import Callable

import numpy as np

from scalax.config import DataConfig
from scalax.data.source import Source
from scalax.errors import UserError

HOLD_OUT_SEED = 0  # fixed, so that every run of every study holds out the same examples


def at_random(length: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """(training, held out) rows of `length`, each in an order drawn once and for all."""
    order = shuffled(np.arange(length))
    count = max(1, round(share * length))
    return order[count:], order[:count]


def shuffled(rows: np.ndarray) -> np.ndarray:
    """In the one order that a part of them is taken from the front of."""
    return np.random.default_rng(HOLD_OUT_SEED).permutation(rows)


def no_check(config: DataConfig) -> None:
    """The kind needs nothing of the config."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """What `data.source` names.

    Attributes:
      name: the value of `data.source`.
      open: (config, split) -> that split. Called with train_split, and with validation_split where that is
        not empty. Raises UserError where something is missing or unreadable.
      check: raises UserError where the config lacks what the kind needs. It reads no file.
      hold_out: (length, share) -> (training, held out) rows, where there is no validation split.
      reads: which of data.dir and data.name it reads.
      token: of sequences, what a token is, in the singular.
    """

    name: str
    open: Callable[[DataConfig, str], Source]
    check: Callable[[DataConfig], None] = no_check
    hold_out: Callable[[int, float], tuple[np.ndarray, np.ndarray]] = at_random
    reads: tuple[str, ...] = ("dir", "name")
    token: str = "token"


def check_dir(config: DataConfig) -> None:
    """Raises UserError where data.dir is empty."""
    if not config.dir:
        raise UserError(f"data.dir is empty; data.source {config.source!r} needs a path there")
