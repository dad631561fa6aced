"""A .npz file with images and labels, and val_images and val_labels where its split val is named.

The training split may be called train_images and train_labels (MedMNIST's files are so). Encoded images
(data.pack) stand as `encoded` and `lengths` in place of `images`."""

from typing import Any

import numpy as np

from scalax.archive import Archive
from scalax.config import DataConfig
from scalax.data.images import from_arrays, from_encoded
from scalax.data.kind import Kind, check_dir
from scalax.data.pack import Packed
from scalax.data.place import NPY, place
from scalax.data.source import Source
from scalax.errors import UserError

SHOWN = 8  # names that a message lists


def open_arrays(config: DataConfig, split: str) -> Source:
    path, where = place(config.dir), f"data.dir {config.dir}"
    if not path.is_file():
        what = "is no file" if path.exists() else "no such file"
        raise UserError(f"{where}: {what}; give a .npz with images and labels")
    if path.suffix == ".npy":
        raise UserError(f"{where}: {NPY}")
    with Archive(path, where) as archive:
        prefix, train_prefix = (prefix_of(archive.names, s) for s in (split, config.train_split))
        packed = f"{prefix}encoded" in archive.names
        wanted = [f"{prefix}encoded", f"{prefix}lengths"] if packed else [f"{prefix}images"]
        wanted = [*wanted, f"{prefix}labels"]
        needed = dict.fromkeys([*wanted, f"{train_prefix}labels"])
        if missing := [name for name in needed if name not in archive.names]:
            raise UserError(
                f"{where}: want {' and '.join(wanted)} in it, it lacks {', '.join(missing)} and has"
                f" {', '.join(map(repr, archive.names[:SHOWN])) or 'no arrays'}"
            )
        labels = _column(archive.read(f"{prefix}labels"))
        train_labels = labels if prefix == train_prefix else _column(archive.read(f"{train_prefix}labels"))
        images: Any = archive.rows(wanted[0])
        if packed:
            try:
                images = Packed(images, archive.read(f"{prefix}lengths"))
            except ValueError as e:
                raise UserError(f"{where}: {e}; pack it again") from None
    if train_labels.dtype.kind not in "iu" or train_labels.ndim != 1 or not train_labels.size:
        raise UserError(
            f"{path.name}: {train_prefix}labels must be whole numbers, one an image, got {train_labels.dtype}"
            f" {list(train_labels.shape)}"
        )
    classes = np.unique(train_labels)
    if classes[0] != 0 or classes[-1] != len(classes) - 1:
        raise UserError(
            f"{path.name}: {train_prefix}labels of {len(classes)} classes must be 0..{len(classes) - 1}, got"
            f" {classes[0]}..{classes[-1]}; renumber them"
        )
    make = from_encoded if packed else from_arrays
    return make(path.name, images, labels, len(classes), config)


def prefix_of(names: tuple[str, ...], split: str) -> str:
    """What stands before images and labels of a split: nothing for train, unless they are called so."""
    if split != "train" or ("train_images" in names and not {"images", "encoded"} & set(names)):
        return f"{split}_"
    return ""


def _column(labels: np.ndarray) -> np.ndarray:
    """[N, 1] as [N]."""
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


KIND = Kind("arrays", open_arrays, check_dir, reads=("dir",))
