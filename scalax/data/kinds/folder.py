"""A directory with a folder of images per class, or with such a directory per split."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from etils import epath

from scalax.config import DataConfig
from scalax.data.images import decode_image
from scalax.data.kind import Kind, check_dir
from scalax.data.source import Source
from scalax.errors import UserError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".ppm"}


def open_folder(config: DataConfig, split: str) -> Source:
    root = epath.Path(config.dir).expanduser()
    if not root.is_dir():
        raise UserError(
            f"data.dir {config.dir}: no such directory; give one with a folder of images per class"
        )
    for wanted in {split, config.train_split} if config.validation_split else ():
        if not (root / wanted).is_dir():
            raise UserError(
                f"data.dir {config.dir}: no folder {wanted!r}; set data.train_split and"
                " data.validation_split, or leave the second empty to hold out a share"
            )
    train_root, root = (root / s if (root / s).is_dir() else root for s in (config.train_split, split))
    names = _classes(train_root)  # labels go by the training split's folders, whatever another one lacks
    if unknown := set(_classes(root)) - set(names):
        raise UserError(f"{root}: class {min(unknown)!r} is not in {train_root}; remove or add it")
    records = [
        (str(path), label)
        for label, name in enumerate(names)
        for path in (_files(root / name) if (root / name).is_dir() else ())
        if path.suffix.lower() in SUFFIXES
    ]
    if not records:
        raise UserError(f"{root}: no images in folders of classes ({', '.join(sorted(SUFFIXES))})")

    def read_record(record: tuple[str, int]) -> dict[str, Any]:
        return {"image": decode_image(epath.Path(record[0]).read_bytes(), config)}

    rows = np.arange(len(records))
    return Source(str(root), records, rows, read_record, len(names), lambda record: record[1], tuple(names))


def _files(root: epath.Path) -> Iterator[epath.Path]:
    """All of them below it, sorted by path."""
    for path in sorted(root.iterdir()):
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _classes(root: epath.Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


KIND = Kind("folder", open_folder, check_dir)
