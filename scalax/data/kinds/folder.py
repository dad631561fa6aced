"""A directory with a folder of images per class, or with such a directory per split."""

import os
from typing import Any

import numpy as np
from etils import epath

from scalax.config import DataConfig
from scalax.data.depth import Depth
from scalax.data.encoded import SUFFIXES, check_bytes
from scalax.data.images import decode_image
from scalax.data.kind import Kind, check_dir
from scalax.data.listing import Listing, entries, holds_images
from scalax.data.place import is_local, not_a_directory, place
from scalax.data.source import Source
from scalax.errors import UserError

SPLITS = frozenset({"train", "training", "val", "valid", "validation", "dev", "test", "testing"})


def open_folder(config: DataConfig, split: str) -> Source:
    whole = str(place(config.dir))
    if not _is_folder(whole):
        raise not_a_directory(config.dir, place(config.dir), "give one with a folder of images per class")
    train_root, root = (_root(whole, config, name) for name in (config.train_split, split))
    train = Listing(train_root)
    listing = train if root == train_root else Listing(root)
    names = sorted(train.classes)  # labels go by the training split's folders, whatever another one lacks
    if unknown := set(listing.classes) - set(names):
        raise UserError(f"{root}: class {min(unknown)!r} is not in {train_root}; remove or add it")
    _check_filled(root, listing, config)
    records = [(path, label) for label, name in enumerate(names) for path in listing.classes.get(name, ())]

    def every() -> list[str]:
        return [path for paths in Listing(whole).classes.values() for path in paths]

    depth = Depth(every, _content)

    def read_record(record: tuple[str, int]) -> dict[str, Any]:
        return {"image": decode_image(_content(record[0]), config, depth)}

    return Source(
        root,
        records,
        np.arange(len(records)),
        read_record,
        len(names),
        lambda record: record[1],
        tuple(names),
        tuple(listing.left_out),
    )


def _root(whole: str, config: DataConfig, split: str) -> str:
    """The directory with a folder a class of a split. Raises UserError where there is none, or two could be
    meant."""
    if not split:
        return whole
    inside = f"{whole}/{split}"
    if config.validation_split:
        if not _is_folder(inside):
            raise UserError(
                f"data.dir {config.dir}: no folder {split!r}; set data.train_split and"
                " data.validation_split, or leave the second empty to hold out a share"
            )
        return inside
    if not _is_folder(inside) or holds_images(inside):  # a class may be called train
        return whole
    for entry in entries(whole):
        known = entry.name in SPLITS or entry.path == inside or entry.name.startswith(".")
        if not known and _is_folder(entry.path) and holds_images(entry.path):
            raise UserError(
                f"data.dir {config.dir}: {split!r} holds folders and {entry.name!r} images, so {split!r} may"
                " be a split or a class; give the split's folder as data.dir, or set data.train_split empty"
            )
    return inside


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) if is_local(path) else epath.Path(path).is_dir()


def _check_filled(root: str, listing: Listing, config: DataConfig) -> None:
    """Raises UserError where no class has images, or one has none and config does not allow it."""
    if not any(listing.classes.values()):
        raise UserError(
            f"{root}: no images in its folders; put those of each class into a folder of its own"
            f" ({', '.join(sorted(SUFFIXES))})"
        )
    empty = [name for name, paths in sorted(listing.classes.items()) if not paths]
    if empty and not config.allow_empty_classes:
        raise UserError(
            f"{root}: {len(empty)} of {len(listing.classes)} classes have no images, {empty[0]!r} for one;"
            " remove the folder, or set data.allow_empty_classes"
        )


def _content(path: str) -> bytes:
    """Of a file. Raises ValueError where it is too large for an image."""
    if not is_local(path):
        return epath.Path(path).read_bytes()
    with open(path, "rb") as file:
        check_bytes(os.fstat(file.fileno()).st_size)
        return file.read()


KIND = Kind("folder", open_folder, check_dir, reads=("dir",))
