"""Grey crops of the 19 photographs that scikit-image and scikit-learn carry: which photograph is it from?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scalax.config import DataConfig
from scalax.data.carried import carried
from scalax.data.images import resize
from scalax.data.kind import Kind
from scalax.data.source import Source
from scalax.errors import UserError

SKIMAGE = (
    *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "coins.png"),
    *("grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png"),
    *("page.png", "retina.jpg", "rocket.jpg", "text.png"),
)
SKLEARN = ("china.jpg", "flower.jpg")
NAMES = tuple(file.partition(".")[0] for file in (*SKIMAGE, *SKLEARN))
IMAGES = {"train": 40_000, "validation": 4_000}
COLUMNS = {"train": (0.0, 0.68), "validation": (0.72, 1.0)}  # shares of a photograph's width
WINDOW = (32, 64)  # least and greatest side of a crop, in pixels of the photograph
EVEN = 8.0  # grey levels: contrast below that is noise, and is not raised to that of other crops
CONTRAST = 48.0  # grey levels that a standard deviation becomes


class Crop(NamedTuple):
    """Where a crop is: the photograph, and the window's side, top and left edge in its pixels."""

    photograph: int
    side: int
    top: int
    left: int


def open_photographs(config: DataConfig, split: str) -> Source:
    """Crops of the split, the same every time: mean 128, one contrast, config.image_size pixels square."""
    photographs = _read()
    crops = _drawn(photographs, split)

    def read_record(crop: Crop) -> dict[str, np.ndarray]:
        rows, columns = slice(crop.top, crop.top + crop.side), slice(crop.left, crop.left + crop.side)
        window = photographs[crop.photograph][rows, columns, None]
        levels = resize(window, config.image_size, config.image_size).astype(np.float32)
        levels = 128 + CONTRAST * (levels - levels.mean()) / (levels.std() + EVEN)
        return {"image": np.clip(np.round(levels), 0, 255).astype(np.uint8)}

    def label(crop: Crop) -> int:
        return crop.photograph

    return Source("photographs", crops, np.arange(len(crops)), read_record, len(NAMES), label, NAMES)


def _drawn(photographs: Sequence[np.ndarray], split: str) -> list[Crop]:
    """Windows within the split's columns, of each photograph equally many."""
    rng = np.random.default_rng(list(IMAGES).index(split))
    of = np.arange(IMAGES[split]) % len(photographs)
    sides = rng.integers(WINDOW[0], WINDOW[1] + 1, len(of))
    heights, widths = np.array([photograph.shape for photograph in photographs]).T
    first, last = (np.round(share * widths[of]).astype(int) for share in COLUMNS[split])
    tops = rng.integers(0, heights[of] - sides + 1)
    lefts = rng.integers(first, last - sides + 1)
    return [Crop(*map(int, crop)) for crop in zip(of, sides, tops, lefts, strict=True)]


def _read() -> list[np.ndarray]:
    """Grey uint8 [H, W] of each. Raises UserError where an installed package lacks one."""
    from PIL import Image

    photographs = []
    for package, folder, files in (
        ("skimage", "data", SKIMAGE),
        ("sklearn", "datasets/images", SKLEARN),
    ):
        for file in files:
            path = carried(package, f"{folder}/{file}")
            try:
                with path.open("rb") as opened, Image.open(opened) as image:
                    photographs.append(np.asarray(image.convert("L")))
            except OSError as e:
                raise UserError(
                    f"photographs: cannot read {path} ({e.strerror or e}); install scikit-image 0.26 and"
                    " scikit-learn anew"
                ) from None
    return photographs


def check_splits(config: DataConfig) -> None:
    for name in ("train_split", "validation_split"):
        if (split := getattr(config, name)) not in IMAGES:
            raise UserError(f"data.{name} {split!r}: photographs have the splits {', '.join(IMAGES)}")


KIND = Kind("photographs", open_photographs, check_splits, reads=())
