"""Any image data as one small .npz of WebP images, to carry to a machine without its source."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from etils import epath

from scalax.config import DataConfig
from scalax.data.loading import open_sources
from scalax.data.source import THREADS, Source
from scalax.errors import UserError
from scalax.files import replacing

VALIDATION = "val"


def pack(config: DataConfig, path: Any, quality: int = 80) -> dict[str, int]:
    """Write both splits, resized to `config.image_size`, for `data.source` arrays with validation split val.

    - config: of the images.
    - path: of the .npz that is written.
    - quality: of WebP, 1 to 100; it is lossy.

    Returns the images of each split and the bytes written. Raises UserError where data are no images with
    labels, or the quality is out of range.
    """
    if not 1 <= quality <= 100:
        raise UserError(f"quality must lie between 1 and 100, got {quality}")
    if epath.Path(path).suffix != ".npz":
        raise UserError(f"path {path}: must end in .npz")
    arrays: dict[str, np.ndarray] = {}
    train, validation = open_sources(config)
    for prefix, source in (("", train), (f"{VALIDATION}_", validation)):
        images = _encoded(source, quality)
        arrays |= {
            f"{prefix}encoded": np.frombuffer(b"".join(images), np.uint8),
            f"{prefix}lengths": np.array([len(image) for image in images], np.int32),
            f"{prefix}labels": source.labels(),
        }
    with replacing(path) as beside, epath.Path(beside).open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    size = epath.Path(path).stat().length
    return {"train": len(train), VALIDATION: len(validation), "bytes": size}


def unpack(encoded: np.ndarray, lengths: np.ndarray) -> list[bytes]:
    """The images that `pack` put one after the other.

    - encoded: uint8 [bytes]. lengths: int [N].

    Raises ValueError where lengths do not add up to the bytes.
    """
    if encoded.dtype != np.uint8 or lengths.dtype.kind not in "iu" or (lengths < 0).any():
        raise ValueError(
            f"encoded must be uint8 and lengths whole numbers, got {encoded.dtype}, {lengths.dtype}"
        )
    ends = np.cumsum(lengths, dtype=np.int64)
    if encoded.ndim != 1 or lengths.ndim != 1 or (ends[-1] if len(ends) else 0) != len(encoded):
        raise ValueError(f"lengths add up to {int(lengths.sum())} of {encoded.size} bytes")
    data = encoded.tobytes()
    return [data[end - length : end] for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)]


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
