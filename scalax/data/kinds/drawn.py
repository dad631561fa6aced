"""Grey images that are drawn here: rectangles and ellipses, as three tasks; nothing is read."""

import numpy as np

from scalax.config import DataConfig
from scalax.data.images import from_arrays
from scalax.data.kind import Kind
from scalax.data.source import Source
from scalax.errors import UserError, suggest

IMAGES = {"train": 800, "test": 400}
SIDE = 32  # pixels that images are drawn at
CLASSES = {"count": 4, "angle": 6, "kind": 3}


def open_drawn(config: DataConfig, split: str) -> Source:
    """Images of the task `config.name`, the same every time."""
    classes = CLASSES[config.name]
    rng = np.random.default_rng([list(CLASSES).index(config.name), list(IMAGES).index(split)])
    labels = np.arange(IMAGES[split]) % classes
    images = np.stack([TASKS[config.name](rng, int(label)) for label in labels])
    return from_arrays(f"drawn {config.name}", images, labels, classes, config)


def count(rng: np.random.Generator, label: int) -> np.ndarray:
    """One to four discs."""
    return _noisy(rng, [_ellipse(rng, 0.16, 0.16, 0.0) for _ in range(label + 1)])


def angle(rng: np.random.Generator, label: int) -> np.ndarray:
    """A long ellipse at one of six angles."""
    turn = (label + 0.6 * rng.uniform(-0.5, 0.5)) * np.pi / CLASSES["angle"]
    return _noisy(rng, [_ellipse(rng, 0.6, 0.15, turn)])


def kind(rng: np.random.Generator, label: int) -> np.ndarray:
    """A disc, a ring or a square."""
    x, y = _places(rng)
    size = rng.uniform(0.3, 0.5)
    distance = np.maximum(abs(x), abs(y)) if label == 2 else np.hypot(x, y)
    filled = (distance < size) & ((distance > size / 2) | (label != 1))
    return _noisy(rng, [filled])


TASKS = {"count": count, "angle": angle, "kind": kind}


def _places(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates [1, SIDE] and [SIDE, 1] from a random centre, the image being -1 to 1."""
    steps = np.linspace(-1, 1, SIDE)
    x, y = rng.uniform(-0.5, 0.5, 2)
    return (steps - x)[None, :], (steps - y)[:, None]


def _ellipse(rng: np.random.Generator, long: float, short: float, turn: float) -> np.ndarray:
    x, y = _places(rng)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    return (along / long) ** 2 + (across / short) ** 2 < 1


def _noisy(rng: np.random.Generator, parts: list[np.ndarray]) -> np.ndarray:
    image = rng.uniform(120, 255) * np.any(parts, axis=0) + rng.normal(30, 20, (SIDE, SIDE))
    return np.clip(image, 0, 255).astype(np.uint8)


def check_task(config: DataConfig) -> None:
    if config.name not in CLASSES:
        raise UserError(f"data.name {config.name!r} is not drawn here{suggest(config.name, CLASSES)}")
    for name in ("train_split", "validation_split"):
        if (split := getattr(config, name)) not in IMAGES:
            raise UserError(f"data.{name} {split!r}: drawn images have the splits {', '.join(IMAGES)}")


KIND = Kind("drawn", open_drawn, check_task, reads=("name",))
