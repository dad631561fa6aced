"""Axes of accuracies: plain, or stretched towards 1 by -log(1 - p) or towards both ends by logit."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis

from scalax.errors import UserError, suggest

SCALES = ("plain", "-log(1-p)", "logit")
NEAREST = 1e-4  # to 0 and 1, where a scale has no end
TICKS = (0.001, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99, 0.997, 0.999)
LEAST_GAP = 0.16  # of two numbers, as a share of the axis


class Scale(NamedTuple):
    """name: one of SCALES."""

    name: str

    def __call__(self, accuracy: np.ndarray | float) -> np.ndarray:
        """Where accuracies [...] lie on the axis.

        >>> [round(float(Scale(name)(0.9)), 3) for name in SCALES]
        [0.9, 2.303, 2.197]
        """
        p = np.asarray(accuracy, float)
        if self.name == "plain":
            return p
        p = np.clip(p, NEAREST, 1 - NEAREST)
        return -np.log1p(-p) if self.name == "-log(1-p)" else np.log(p) - np.log1p(-p)


def scale_of(name: str) -> Scale:
    """Raises UserError for an unknown name. 'log' is short for '-log(1-p)'."""
    name = "-log(1-p)" if name == "log" else name
    if name not in SCALES:
        raise UserError(f"`axes` {name!r} is unknown{suggest(name, (*SCALES, 'log'))}")
    return Scale(name)


def set_ticks(axes: Axes, scale: Scale) -> None:
    """Plain numbers on both axes, as many as there is room for; for a plain scale they stay as they are."""
    if scale.name == "plain":
        return
    for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        _set_ticks(axis, limits, scale)


def _set_ticks(axis: Axis, limits: tuple[float, float], scale: Scale) -> None:
    shown: list[float] = []
    low, high = limits
    for tick in TICKS:
        at = float(scale(tick))
        if low <= at <= high and (not shown or at - float(scale(shown[-1])) > LEAST_GAP * (high - low)):
            shown.append(tick)
    axis.set_ticks([float(scale(tick)) for tick in shown], [f"{tick:g}" for tick in shown])
