"""An encoded image of any mode as RGB: upright, laid on a background, grey of more than 8 bits scaled."""

from typing import Any

import numpy as np

from scalax.data.depth import Depth, is_deep
from scalax.data.encoded import opened

ORIENTATION = 0x0112  # the tag of EXIF


def decode(encoded: bytes, background: tuple[int, int, int], depth: Depth) -> np.ndarray:
    """uint8 [H, W, 3] of an encoded image; of more than one frame, the first.

    - encoded: the content of a file.
    - background: what transparent parts show.
    - depth: the scale of grey images of more than 8 bits, which is that of the whole data set.

    EXIF's orientation is applied. Raises what Pillow raises, and ValueError for what encoded.opened refuses,
    values that are not finite, and a shape that vanishes on the background.
    """
    with opened(encoded) as image:
        image = _upright(image)
        if is_deep(image.mode):
            grey = depth.scaled(np.asarray(image))
            return np.repeat(grey[..., None], 3, axis=-1)
        return np.asarray(_laid(image, background))


def _upright(image: Any) -> Any:
    """The image, loaded and turned as its EXIF says."""
    from PIL import ImageOps

    image.load()  # a TIFF turns itself
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # of damaged EXIF, which says nothing; the pixels are whole
        return image
    return ImageOps.exif_transpose(image) if orientation in range(2, 9) else image


def _laid(image: Any, background: tuple[int, int, int]) -> Any:
    """In RGB, on the background where it is transparent."""
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    alpha = np.asarray(image.getchannel("A"))
    if alpha.min() == 255:
        return image.convert("RGB")
    laid = Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), image).convert("RGB")
    if alpha.min() != alpha.max() and (np.asarray(laid) == background).all():
        shown = "#{:02x}{:02x}{:02x}".format(*background)
        raise ValueError(f"its shape vanishes on the background {shown}; choose another data.background")
    return laid
