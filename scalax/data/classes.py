"""Some classes of a data set, and so many images of each: what is fewer is a part of what is more."""

import dataclasses

import numpy as np

from scalax.config import DataConfig
from scalax.data.source import Source
from scalax.errors import UserError, suggest

NAMED = 6  # classes that a message lists


def wanted(config: DataConfig) -> bool:
    """Whether the config asks for a part of the classes, or for so many images of each."""
    return bool(
        config.classes or config.draw_classes or config.train_per_class or config.validation_per_class
    )


def chosen(config: DataConfig, source: Source) -> np.ndarray:
    """Numbers int [k] of the classes to keep, in the order of their new labels.

    - config: names them (classes), or says how many to draw (draw_classes, class_seed).
    - source: of the data.

    Raises UserError for a class that is not there, or more classes than there are.
    """
    names = source.names or tuple(str(number) for number in range(source.outputs))
    if config.classes:
        return np.array([_number(name, names, source.name) for name in config.classes])
    if config.draw_classes > source.outputs:
        raise UserError(
            f"data.draw_classes {config.draw_classes}: {source.name} has {source.outputs} classes; lower it"
        )
    if not config.draw_classes:
        return np.arange(source.outputs)
    return np.random.default_rng(config.class_seed).permutation(source.outputs)[: config.draw_classes]


def restricted(source: Source, classes: np.ndarray, per_class: int, seed: int, setting: str) -> Source:
    """The examples of some classes, labelled 0 to k - 1 in their order.

    - source: of one split.
    - classes: numbers int [k] of the classes to keep.
    - per_class: images of each, the first of an order drawn once and for all; 0 takes all.
    - seed: of that order.
    - setting: that says per_class, for the message.

    Raises UserError where a class has too few images.
    """
    label = source.label
    labels = source.labels()  # raises where examples have none
    rows = [_drawn(np.flatnonzero(labels == number), int(number), seed) for number in classes]
    for number, own in zip(classes, rows, strict=True):
        if len(own) < max(1, per_class):
            name = source.names[number] if source.names else str(number)
            raise UserError(
                f"{setting} {per_class}: class {name!r} of {source.name} has {len(own)} images; lower it, or"
                " leave the class out"
            )
    new = {int(number): place for place, number in enumerate(classes)}
    kept = np.sort(np.concatenate([own[: per_class or None] for own in rows]))
    return dataclasses.replace(
        source.take(kept),
        outputs=len(classes),
        label=lambda record: new[int(label(record))] if label else -1,
        names=tuple(source.names[number] for number in classes) if source.names else (),
    )


def _drawn(rows: np.ndarray, number: int, seed: int) -> np.ndarray:
    """In an order of the class's own, whichever other classes are kept."""
    return np.random.default_rng([seed, number]).permutation(rows)


def _number(name: str, names: tuple[str, ...], where: str) -> int:
    if name in names:
        return names.index(name)
    near = suggest(name, names)
    if near.startswith(" (one of") and len(names) > NAMED:
        near = f" (one of {', '.join(names[:NAMED])} and {len(names) - NAMED} more)"
    raise UserError(f"data.classes: {where} has no class {name!r}{near}")
