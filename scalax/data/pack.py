"""Any image data as one small .npz of WebP images, to carry to a machine without its source."""

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from etils import epath

from scalax.archive import Rows
from scalax.config import DataConfig
from scalax.data.loading import open_sources
from scalax.data.said import said
from scalax.data.source import THREADS, Source
from scalax.errors import UserError
from scalax.files import is_same, replacing

VALIDATION = "val"


def pack(
    config: DataConfig, path: Any, quality: int = 80, say: Callable[[str], None] = lambda line: None
) -> dict[str, int]:
    """Write both splits, resized to `config.image_size`, for `data.source` arrays with validation split val.

    - config: of the images.
    - path: of the .npz that is written.
    - quality: of WebP, 1 to 100; it is lossy.
    - say: shows a line on what was read of files.

    Returns the images of each split and the bytes written. Raises UserError where data are no images with
    labels, or the quality is out of range.
    """
    if not 1 <= quality <= 100:
        raise UserError(f"quality must lie between 1 and 100, got {quality}")
    if epath.Path(path).suffix != ".npz":
        raise UserError(f"path {path}: must end in .npz")
    if config.dir and is_same(path, config.dir):
        raise UserError(f"path {path}: would replace the images that are packed; give another name")
    arrays: dict[str, np.ndarray] = {}
    train, validation = open_sources(config)
    if line := said(train, validation):
        say(line)
    for prefix, source in (("", train), (f"{VALIDATION}_", validation)):
        images = _encoded(source, quality)
        if source is train:
            _check_classes(train.labels())
        arrays |= {
            f"{prefix}encoded": np.frombuffer(b"".join(images), np.uint8),
            f"{prefix}lengths": np.array([len(image) for image in images], np.int32),
            f"{prefix}labels": source.labels(),
        }
    epath.Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside, epath.Path(beside).open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    size = epath.Path(path).stat().length
    return {"train": len(train), VALIDATION: len(validation), "bytes": size}


class Packed(Sequence[bytes]):
    """The images that `pack` put one after the other.

    - encoded: uint8 [bytes], in memory or in a file. lengths: int [N].

    Raises ValueError where lengths do not add up to the bytes.
    """

    def __init__(self, encoded: np.ndarray | Rows, lengths: np.ndarray):
        if encoded.dtype != np.uint8 or lengths.dtype.kind not in "iu" or (lengths < 0).any():
            raise ValueError(
                f"encoded must be uint8 and lengths whole numbers, got {encoded.dtype}, {lengths.dtype}"
            )
        if encoded.ndim != 1 or lengths.ndim != 1 or (lengths > len(encoded)).any():
            raise ValueError(f"lengths do not add up to {encoded.shape} bytes")
        self._encoded, self._ends = encoded, np.cumsum(lengths, dtype=np.int64)
        total = int(self._ends[-1]) if len(lengths) else 0
        if total != len(encoded):
            raise ValueError(f"lengths add up to {total} of {len(encoded)} bytes")

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, row: int) -> bytes:  # pyright: ignore[reportIncompatibleMethodOverride]
        start = int(self._ends[row - 1]) if row else 0
        return self._encoded[start : int(self._ends[row])].tobytes()


def _check_classes(labels: np.ndarray) -> None:
    """Raises UserError where a class has no image to train on: nobody could train with the file."""
    missing = np.setdiff1d(np.arange(labels.max() + 1), labels)
    if missing.size:
        raise UserError(
            f"{len(missing)} of {labels.max() + 1} classes, {missing[0]} for one, have no image among the"
            f" {len(labels)} to train on; take more"
        )


def _encoded(source: Source, quality: int) -> Sequence[bytes]:
    from PIL import Image

    def encode(index: int) -> bytes:
        image = source[index].get("image")
        if image is None or image.shape[-1] not in (1, 3):
            raise UserError(f"{source.name}: only grey and RGB images can be packed")
        buffer = io.BytesIO()
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(
            buffer, "webp", quality=quality, method=6
        )
        return buffer.getvalue()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(encode, range(len(source))))
