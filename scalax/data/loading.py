"""The kinds of data by name, and both splits of one, in memory where they fit."""

import numpy as np

from scalax.config import DataConfig
from scalax.data.dataset import Dataset, Splits
from scalax.data.kind import Kind, shuffled
from scalax.data.source import Source, spec
from scalax.errors import UserError
from scalax.registry import Registry

KINDS: Registry[Kind] = Registry("data source", "scalax.data.kinds", "KIND")


def register(kind: Kind) -> Kind:
    """Make a kind known by its name. Raises ValueError where another has that name."""
    return KINDS.register(kind)


def check(config: DataConfig) -> None:
    """Raises UserError where no kind has the name `config.source`, or the config lacks what that kind needs.

    Reads no data.
    """
    KINDS.get(config.source).check(config)


def load(config: DataConfig) -> Splits:
    """Open both splits, and read into memory each that fits `config.device_gib`.

    Raises UserError for an unknown source, and for what is missing, unreadable or labelled out of range.
    """
    train, validation = open_sources(config)
    return Splits(_load(train, config), _load(validation, config), train.outputs)


def open_sources(config: DataConfig) -> tuple[Source, Source]:
    """(training, validation), disjoint and the same for every seed.

    Raises UserError as `load` does.
    """
    check(config)
    kind = KINDS.get(config.source)
    train = kind.open(config, config.train_split)
    if config.validation_split:
        validation = kind.open(config, config.validation_split)
        order, held_out = (shuffled(np.arange(len(source))) for source in (train, validation))
    else:
        validation = train
        order, held_out = kind.hold_out(len(train), config.validation_share)
    if not len(order) or not len(held_out):
        raise UserError(f"{train.name}: {len(train)} examples are too few to train on and hold some out")
    order = np.sort(order[: config.max_train_images or None])
    held_out = np.sort(held_out[: config.max_validation_images or None])
    return train.take(order), validation.take(held_out)


def _load(source: Source, config: DataConfig) -> Dataset:
    size = sum(np.prod(shape) * dtype.itemsize for shape, dtype in spec(source[0]).values())
    if size * len(source) > config.device_gib * 2**30:
        return Dataset(source, None)
    return Dataset(source, source.read(np.arange(len(source))))
