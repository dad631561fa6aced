"""Images as square uint8 arrays of one size, from encoded files or from arrays."""

import io

import numpy as np

from scalax.data.source import Source
from scalax.errors import UserError


def from_arrays(name: str, images: np.ndarray, labels: np.ndarray, classes: int, size: int) -> Source:
    """images: uint8 [N, H, W] or [N, H, W, C]; labels: int [N] -> examples resized to size x size.

    Raises UserError where types and shapes are others, or a label is not in 0..classes - 1.
    """
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[3:] > (4,):
        raise UserError(
            f"{name}: images must be uint8 [N, H, W] or [N, H, W, C] with C up to 4, got {images.dtype}"
            f" {list(images.shape)}"
        )
    _check_labels(name, labels, len(images), classes)
    images = images[..., None] if images.ndim == 3 else images

    def read_record(row: int) -> dict[str, np.ndarray]:
        return {"image": resize(images[row], size)}

    count = len(images)
    return Source(name, range(count), np.arange(count), read_record, classes, labels.__getitem__)


def from_encoded(name: str, images: list[bytes], labels: np.ndarray, classes: int, size: int) -> Source:
    """Encoded images [N]; labels: int [N] -> RGB examples resized to size x size.

    Raises UserError where a label is not in 0..classes - 1.
    """
    _check_labels(name, labels, len(images), classes)

    def read_record(row: int) -> dict[str, np.ndarray]:
        return {"image": decode_image(images[row], size)}

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


def decode_image(encoded: bytes, size: int) -> np.ndarray:
    """RGB uint8 [size, size, 3] of an encoded image of any mode."""
    from PIL import Image

    with Image.open(io.BytesIO(encoded)) as image:
        return resize(np.asarray(image.convert("RGB")), size)


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 [H, W, C] to [size, size, C]: the central square, antialiased."""
    height, width = image.shape[:2]
    if height == width == size:
        return image
    from PIL import Image

    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    channels = [
        np.asarray(Image.fromarray(square[..., c]).resize((size, size), Image.Resampling.BICUBIC))
        for c in range(square.shape[-1])
    ]
    return np.stack(channels, axis=-1)
