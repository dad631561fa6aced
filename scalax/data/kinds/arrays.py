"""A .npz file with images and labels, and val_images and val_labels where its split val is named.

Encoded images (data.pack) stand as `encoded` and `lengths` in place of `images`."""

import zipfile
from typing import Any

import numpy as np
from etils import epath

from scalax.config import DataConfig
from scalax.data.images import from_arrays, from_encoded
from scalax.data.kind import Kind, check_dir
from scalax.data.pack import unpack
from scalax.data.source import Source
from scalax.errors import UserError


def open_arrays(config: DataConfig, split: str) -> Source:
    path = epath.Path(config.dir).expanduser()
    if not path.is_file():
        raise UserError(f"data.dir {config.dir}: no such file; give a .npz with images and labels")
    prefix, train_prefix = ("" if s == "train" else f"{s}_" for s in (split, config.train_split))
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            labels, train_labels = file[f"{prefix}labels"], file[f"{train_prefix}labels"]
            packed = f"{prefix}encoded" in file
            images: Any = (
                unpack(file[f"{prefix}encoded"], file[f"{prefix}lengths"])
                if packed
                else file[f"{prefix}images"]
            )
    except (AttributeError, KeyError, ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile) as e:
        raise UserError(
            f"data.dir {config.dir}: cannot read {prefix}images and {prefix}labels from it ({e})"
        ) from None
    if train_labels.dtype.kind not in "iu" or not train_labels.size:
        raise UserError(f"{path.name}: {train_prefix}labels must be whole numbers, got {train_labels.dtype}")
    classes = np.unique(train_labels)
    if classes[0] != 0 or classes[-1] != len(classes) - 1:
        raise UserError(
            f"{path.name}: {train_prefix}labels of {len(classes)} classes must be 0..{len(classes) - 1}, got"
            f" {classes[0]}..{classes[-1]}; renumber them"
        )
    if packed:
        return from_encoded(path.name, images, labels, len(classes), config)
    return from_arrays(path.name, images, labels, len(classes), config)


KIND = Kind("arrays", open_arrays, check_dir)
