"""Which numbers a setting may have. Every check raises UserError with its name and the value."""

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import Any

from scalax.errors import UserError
from scalax.schedule import MOST as MOST_OF_SHAPE
from scalax.schedule import MOST_FLOPS

MOST_SEED = 2**32 - 1  # JAX takes a larger one modulo 2**32
# Beyond these a number is a slip, and what follows from it may not end. Others end at the two below.
MOST_WHOLE, MOST_REAL = 2**53, 1e30
MOST = {
    "data.image_size": 16_384,
    "data.shorter_side": 16_384,
    "data.crop_padding": 4096,
    "data.context": 2**20,
    "data.class_seed": MOST_SEED,
    "data.device_gib": 1e6,
    "model.base_patch": MOST_OF_SHAPE["patch"],
    "model.base_grid": 4096,
    "model.head_dim": MOST_OF_SHAPE["width"],
    "optim.base_width": MOST_OF_SHAPE["width"],
    "eval.points": 10_000,
    "eval.batch_size": 2**24,
    "eval.shots": 10**6,
    "eval.draws": 1000,
    "batch_size": 2**24,
    "accumulate": 2**20,
    "budget_flops": MOST_FLOPS,
    "patches": MOST_OF_SHAPE["patch"],
    "resolutions": MOST_OF_SHAPE["resolution"],
    "patch": MOST_OF_SHAPE["patch"],
    "targets": 1000,
    "replans": 100,
    "resamples": 10**6,
    "random_runs": 10_000,
    "draws": 1000,
    "shots": 10**6,
    "dimension": 4096,
    "largest": 10**7,
    "sizes": 1000,
}


def numbers(config: Any, prefix: str = "") -> None:
    """Raises UserError where a number of a config is not finite, or larger than anybody means.

    - config: a dataclass; of lists each value is checked, of configs inside it none.
    - prefix: before the names of its settings, e.g. 'data.'.
    """
    for field in dataclasses.fields(config):
        name, value = f"{prefix}{field.name}", getattr(config, field.name)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, int | float) and not isinstance(each, bool):
                _check(name, each)


def _check(name: str, value: float) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{name} must be a finite number, got {value}")
    most = MOST.get(name, MOST_WHOLE if isinstance(value, int) else MOST_REAL)
    if abs(value) > most:
        got = f"{value:.6g}" if abs(value) < 1e300 else "a number of over 300 digits"
        if isinstance(value, int) and abs(value) < 1e15:
            got = str(value)
        limit = most if isinstance(most, int) else f"{most:g}"
        raise UserError(f"{name} must be {limit} at most, got {got}")


def seeds(name: str, values: Sequence[int]) -> None:
    """Raises UserError where these are not one or more different seeds."""
    if not values or len(set(values)) < len(values):
        raise UserError(f"{name} must be one or more different numbers, got {values}")
    for value in values:
        seed(name, value)


def seed(name: str, value: int) -> None:
    """Raises UserError where `value` is no seed of random numbers."""
    if not 0 <= value <= MOST_SEED:
        raise UserError(f"{name} must lie between 0 and {MOST_SEED}, got {value}")


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def positive(name: str, value: float) -> None:
    """Raises UserError where the value of setting `name` is not positive and finite."""
    if not value > 0 or not math.isfinite(value):
        raise UserError(f"{name} must be positive, got {value}")


def at_least(name: str, value: float, least: float) -> None:
    """Raises UserError where the value of setting `name` is less than `least`, or not finite."""
    if not value >= least or not math.isfinite(value):
        raise UserError(f"{name} must be at least {least}, got {value}")


def share(name: str, value: float) -> None:
    """Raises UserError where the value of setting `name` is not at least 0 and below 1."""
    if not 0 <= value < 1:
        raise UserError(f"{name} must be at least 0 and below 1, got {value}")


def inside(name: str, value: float, low: float, high: float) -> None:
    """Raises UserError where the value of setting `name` is not between `low` and `high`, ends excluded."""
    if not low < value < high:
        raise UserError(f"{name} must lie between {low:g} and {high:g}, got {value}")


COLOURS = {"white": (255, 255, 255), "grey": (128, 128, 128), "black": (0, 0, 0)}


def colour(name: str, value: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of a setting called `name`. Raises UserError where it is no colour."""
    if value in COLOURS:
        return COLOURS[value]
    if not re.fullmatch(r"#([0-9a-fA-F]{3}){1,2}", value):
        raise UserError(f"{name} must be {', '.join(COLOURS)} or #rrggbb, got {value!r}")
    digits = value[1:] if len(value) == 7 else "".join(2 * digit for digit in value[1:])
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue
