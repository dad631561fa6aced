"""The kinds of data by name, and both splits of one, in memory where they fit."""

import numpy as np

from scalax.config import DataConfig
from scalax.data import classes
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


def load(config: DataConfig, whole: tuple[Source, Source | None] | None = None) -> Splits:
    """Open both splits, and read into memory each that fits `config.device_gib`.

    - config: of the data.
    - whole: what `open_whole` gave for it, or for a config that differs in classes and limits alone.

    Raises UserError for an unknown source, and for what is missing, unreadable or labelled out of range.
    """
    train, validation = open_sources(config, whole)
    return Splits(_load(train, config), _load(validation, config), train.outputs)


def open_whole(config: DataConfig) -> tuple[Source, Source | None]:
    """The training and the validation split in whole; None where there is no validation split.

    Many parts of one data set are read from what is opened once: its labels are read once then.
    """
    check(config)
    kind = KINDS.get(config.source)
    train = kind.open(config, config.train_split)
    return train, kind.open(config, config.validation_split) if config.validation_split else None


def open_sources(
    config: DataConfig, whole: tuple[Source, Source | None] | None = None
) -> tuple[Source, Source]:
    """(training, validation), disjoint and the same for every seed.

    - config, whole: as for `load`, which raises the same.
    """
    train, validation = whole or open_whole(config)
    if classes.wanted(config):
        for source in (train, validation or train):
            source.labels()  # of the whole, which keeps them for its other parts
    if validation is None:
        order, held_out = KINDS.get(config.source).hold_out(len(train), config.validation_share)
        validation = train
    else:
        order, held_out = (shuffled(np.arange(len(source))) for source in (train, validation))
    if not len(order) or not len(held_out):
        raise UserError(f"{train.name}: {len(train)} examples are too few to train on and hold some out")
    train, validation = train.take(order), validation.take(held_out)
    if classes.wanted(config):
        kept, seed = classes.chosen(config, train), config.class_seed
        train = classes.restricted(train, kept, config.train_per_class, seed, "data.train_per_class")
        validation = classes.restricted(
            validation, kept, config.validation_per_class, seed, "data.validation_per_class"
        )
    return _first(train, config.max_train_images), _first(validation, config.max_validation_images)


def _first(source: Source, most: int) -> Source:
    """The first examples, at most so many (0: all), in the order of the records."""
    places = np.arange(len(source))[: most or None]
    return source.take(places[np.argsort(source.rows[places], kind="stable")])


def _load(source: Source, config: DataConfig) -> Dataset:
    size = sum(np.prod(shape) * dtype.itemsize for shape, dtype in spec(source[0]).values())
    if size * len(source) > config.device_gib * 2**30:
        return Dataset(source, None)
    return Dataset(source, source.read(np.arange(len(source))))
