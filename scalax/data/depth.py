"""One scale for all grey images of more than 8 bits of a data set.

It begins at 0 and ends at the least of 1 (numbers that are not whole), 255, 1023, 4095, 16383 and 65535 that
no value of the data set exceeds, where their greatest reaches a quarter of it. Else, as with values below 0,
it goes from the least value of the data set to the greatest. It becomes 0 to 255.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from scalax.data.encoded import opened

DEEP = ("I", "F")  # Pillow's modes, besides those of 16 bits
ENDS = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16))
FILLED = 4  # the greatest value reaches this part of the scale
THREADS = 8


def is_deep(mode: str) -> bool:
    """Whether Pillow's mode of an image has one channel of more than 8 bits."""
    return mode in DEEP or mode.startswith("I;16")


class Depth:
    """The scale, found when the first image asks for it.

    - every: the encoded images of the data set, whichever their split, in a form that costs no memory.
    - read: makes one of them bytes.
    """

    def __init__(self, every: Callable[[], Iterable[Any]], read: Callable[[Any], bytes]):
        self._every, self._read = every, read
        self._lock = threading.Lock()
        self._scale: tuple[float, float] | None = None

    def scaled(self, image: np.ndarray) -> np.ndarray:
        """A deep image as uint8. Raises ValueError where it holds values that are not finite."""
        own = _extent(image)
        with self._lock:
            if self._scale is None:
                self._scale = self._found(own)
        low, high = self._scale
        part = (image.astype(np.float64) - low) / ((high - low) or 1.0)
        return np.rint(np.clip(part, 0, 1) * 255).astype(np.uint8)

    def _found(self, own: tuple[float, float, bool]) -> tuple[float, float]:
        with ThreadPoolExecutor(THREADS) as pool:
            extents = [own, *filter(None, pool.map(self._extent_of, self._every()))]
        lows, highs, whole = zip(*extents, strict=True)
        return scale(min(lows), max(highs), all(whole))

    def _extent_of(self, record: Any) -> tuple[float, float, bool] | None:
        """None of an image of 8 bits."""
        try:
            with opened(self._read(record)) as image:
                return _extent(np.asarray(image)) if is_deep(image.mode) else None
        except Exception:  # reading it among the examples says what is wrong with it
            return None


def scale(low: float, high: float, whole: bool) -> tuple[float, float]:
    """What becomes 0, and what becomes 255.

    - low, high: least and greatest value of the data set.
    - whole: whether its images hold whole numbers by their type.
    """
    end = next((end for end in (ENDS if whole else (1, *ENDS)) if high <= end), None)
    if low >= 0 and end is not None and high >= end / FILLED:
        return 0.0, float(end)
    return low, high


def _extent(image: np.ndarray) -> tuple[float, float, bool]:
    """Least and greatest value, and whether the type is of whole numbers."""
    low, high = float(image.min()), float(image.max())
    if not np.isfinite([low, high]).all():
        raise ValueError("it holds values that are not finite")
    return low, high, image.dtype.kind in "iu"
