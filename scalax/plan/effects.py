"""What a plan is made from: laws of shapes, and what a change of shape itself does."""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from scalax.schedule import Shape


class ErrorLaw(Protocol):
    """Error against training FLOPs of one shape: decreasing, with an inverse (nan where unreachable)."""

    @property
    def asymptote(self) -> float: ...
    def predict(self, x: np.ndarray) -> np.ndarray: ...
    def inverse(self, y: np.ndarray) -> np.ndarray: ...


class Effect(NamedTuple):
    """What a change of shape does to a run.

    recovery_share: FLOPs until the error is back to that before the change, as a share of all FLOPs
    spent by then. pace: how many times faster than the new shape's law the error falls after that; below 1
    is slower. It is known for changes between `earliest` and `latest` FLOPs only, and a plan makes this
    change nowhere else.
    """

    recovery_share: float = 0.0
    pace: float = 1.0
    earliest: float = 0.0
    latest: float = math.inf


Effects = Callable[[Shape, Shape], Effect]  # (before, after) -> effect


def no_effect(before: Shape, after: Shape) -> Effect:
    """A run goes on at the error it had, by the law of its new shape: the paper's assumption."""
    return Effect()


def grows(before: Shape, after: Shape) -> bool:
    """Whether a model can change so: width and depth only grow, patch and resolution may be any."""
    return after != before and after.width >= before.width and after.depth >= before.depth


def refines(before: Shape, after: Shape) -> bool:
    """Whether a model sees no less of an image after the change: its patch does not grow, and its resolution
    does not shrink (that of the data is the largest)."""
    return after.patch <= before.patch and after.pixels() >= before.pixels()
