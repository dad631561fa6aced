"""Images as square uint8 arrays of one size, from encoded files or from arrays."""

from collections.abc import Sequence

import numpy as np

from scalax.archive import Rows
from scalax.config import DataConfig, colour
from scalax.data.decode import decode
from scalax.data.depth import Depth
from scalax.data.encoded import MOST_PIXELS
from scalax.data.source import Source
from scalax.errors import UserError


def from_arrays(
    name: str, images: np.ndarray | Rows, labels: np.ndarray, classes: int, config: DataConfig
) -> Source:
    """images: uint8 [N, H, W] or [N, H, W, C]; labels: int [N] -> examples framed as config says.

    Raises UserError where types and shapes are others, or a label is not in 0..classes - 1.
    """
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[3:] > (4,):
        raise UserError(
            f"{name}: images must be uint8 [N, H, W] or [N, H, W, C] with C up to 4, got {images.dtype}"
            f" {list(images.shape)}"
        )
    if 0 in images.shape[1:]:
        raise UserError(f"{name}: images are empty, {list(images.shape)}; give some with pixels")
    _check_labels(name, labels, len(images), classes)
    grey = images.ndim == 3

    def read_record(row: int) -> dict[str, np.ndarray]:
        image = images[row]
        return {"image": framed(image[..., None] if grey else image, config)}

    count = len(images)
    return Source(name, range(count), np.arange(count), read_record, classes, labels.__getitem__)


def from_encoded(
    name: str, images: Sequence[bytes], labels: np.ndarray, classes: int, config: DataConfig
) -> Source:
    """Encoded images [N]; labels: int [N] -> RGB examples of the size that `config` asks for.

    Raises UserError where a label is not in 0..classes - 1.
    """
    _check_labels(name, labels, len(images), classes)
    depth = Depth(lambda: range(len(images)), images.__getitem__)

    def read_record(row: int) -> dict[str, np.ndarray]:
        return {"image": decode_image(images[row], config, depth)}

    count = len(images)
    return Source(name, range(count), np.arange(count), read_record, classes, labels.__getitem__)


def _check_labels(name: str, labels: np.ndarray, count: int, classes: int) -> None:
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise UserError(
            f"{name}: labels must be whole numbers [{count}], got {labels.dtype} {list(labels.shape)}"
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise UserError(f"{name}: label {labels[wrong[0]]} of record {wrong[0]} is not in 0..{classes - 1}")


def decode_image(encoded: bytes, config: DataConfig, depth: Depth) -> np.ndarray:
    """RGB uint8 [image_size, image_size, 3] of an encoded image of any mode (decode.decode)."""
    return framed(decode(encoded, colour("data.background", config.background), depth), config)


def framed(image: np.ndarray, config: DataConfig) -> np.ndarray:
    """uint8 [H, W, C] to [image_size, image_size, C], by config.shorter_side and config.fit."""
    size = config.image_size
    height, width = image.shape[:2]
    if config.shorter_side:
        image = _scaled(image, config.shorter_side / min(height, width))
        height, width = image.shape[:2]
    if config.fit == "pad":
        image = _scaled(image, min(1.0, size / max(height, width)))
        height, width = image.shape[:2]
        top, left = (size - height) // 2, (size - width) // 2
        return np.pad(image, ((top, size - height - top), (left, size - width - left), (0, 0)))
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(image[top : top + side, left : left + side], size, size)


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 [H, W, C] to [height, width, C], antialiased."""
    if image.shape[:2] == (height, width):
        return image
    if height * width > MOST_PIXELS:
        raise ValueError(f"{image.shape[1]} x {image.shape[0]} pixels would become {width} x {height}")
    from PIL import Image

    def resized(part: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(part).resize((width, height), Image.Resampling.BICUBIC))

    if image.shape[-1] == 3:  # the same numbers as one by one, in half of the time
        return resized(image)
    return np.stack([resized(image[..., c]) for c in range(image.shape[-1])], axis=-1)


def _scaled(image: np.ndarray, factor: float) -> np.ndarray:
    height, width = (max(1, round(factor * side)) for side in image.shape[:2])
    return resize(image, height, width)
