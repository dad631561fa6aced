"""Encoded images, opened as far as their header: which are tried, and what is refused unread."""

import functools
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "PPM", "TIFF", "AVIF", "JPEG2000")
KNOWN = ".png .apng .jpg .jpeg .jpe .jfif .webp .gif .bmp .ppm .pgm .pbm .pnm .pfm .tif .tiff .avif .jp2 .j2k"
SUFFIXES = frozenset(KNOWN.split())
MOST_BYTES = 2**30  # of one encoded image
MOST_PIXELS = 89_478_485  # of one image; Pillow warns from here on


@contextmanager
def opened(encoded: bytes) -> Iterator[Any]:
    """Pillow's image, its pixels not read yet.

    Raises what Pillow raises, and ValueError for a size of nothing or beyond the limits.
    """
    from PIL import Image

    check_bytes(len(encoded))
    with Image.open(io.BytesIO(encoded), formats=_formats()) as image:
        width, height = image.size
        if not width or not height:
            raise ValueError(f"its size is {width} x {height}")
        if width * height > MOST_PIXELS:
            raise ValueError(f"{width} x {height} pixels are more than {MOST_PIXELS:,}; make it smaller")
        yield image


def check_bytes(count: int) -> None:
    """Raises ValueError where one encoded image has too many."""
    if count > MOST_BYTES:
        raise ValueError(f"{count:,} bytes are more than {MOST_BYTES:,}; make it smaller")


@functools.cache
def _formats() -> tuple[str, ...]:
    """Those that this Pillow reads."""
    from PIL import Image

    Image.init()
    # Pillow warns of what is refused here, in a line of its own.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    return tuple(name for name in FORMATS if name in Image.OPEN)
