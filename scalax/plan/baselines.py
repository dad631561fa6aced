"""Schedules that know no laws, to hold a plan against."""

from collections.abc import Callable, Sequence

import numpy as np

from scalax.errors import UserError, suggest
from scalax.schedule import Schedule, Shape, Stage


def static(shape: Shape, budget_flops: float) -> Schedule:
    return Schedule((Stage(shape, budget_flops),))


def linear(shapes: Sequence[Shape], budget_flops: float) -> Schedule:
    """The shapes in the order given, for equal FLOPs each."""
    return _stages(shapes, budget_flops * np.arange(1, len(shapes)) / len(shapes), budget_flops)


def logarithmic(shapes: Sequence[Shape], budget_flops: float, first_flops: float) -> Schedule:
    """The shapes in turn, for equal ratios of FLOPs.

    - shapes: in their order.
    - budget_flops: where the last ends.
    - first_flops: where the first would begin in log.
    """
    if not 0 < first_flops < budget_flops:
        raise ValueError(f"first_flops must be between 0 and {budget_flops}, got {first_flops}")
    ends = np.geomspace(first_flops, budget_flops, len(shapes) + 1)[1:-1]
    return _stages(shapes, ends, budget_flops)


def random_monotone(shapes: Sequence[Shape], budget_flops: float, seed: int) -> Schedule:
    """The shapes in turn, changing at FLOPs drawn uniformly below the budget.

    - shapes: in their order.
    - budget_flops: where the last ends.
    - seed: of the draw.
    """
    ends = np.sort(np.random.default_rng(seed).uniform(size=len(shapes) - 1)) * budget_flops
    return _stages(shapes, ends, budget_flops)


def random_patch(shapes: Sequence[Shape], budget_flops: float) -> Schedule:
    """A patch size drawn at each step from those of the shapes, evaluated at the smallest ('FlexiViT').

    Raises UserError where the shapes differ in more than their patch.
    """
    if len({(shape.width, shape.depth) for shape in shapes}) > 1:
        raise UserError("a random patch at each step needs shapes that differ in their patch alone")
    smallest = min(shapes, key=lambda shape: shape.patch)
    drawn = tuple(sorted((shape.patch for shape in shapes), reverse=True))
    return Schedule((Stage(smallest, budget_flops, drawn),))


BASELINES: dict[str, Callable[[Sequence[Shape], float, float, int], Schedule]] = {
    "linear": lambda shapes, budget, first, seed: linear(shapes, budget),
    "logarithmic": lambda shapes, budget, first, seed: logarithmic(shapes, budget, first),
    "random": lambda shapes, budget, first, seed: random_monotone(shapes, budget, seed),
    "flexi": lambda shapes, budget, first, seed: random_patch(shapes, budget),
}


def baseline(
    name: str, shapes: Sequence[Shape], budget_flops: float, first_flops: float, seed: int = 0
) -> Schedule:
    """A schedule that knows no laws.

    - name: one of BASELINES, or of a static shape, e.g. 'V64-4/8'.
    - shapes: from the cheapest to the dearest.
    - budget_flops: of the schedule.
    - first_flops: where logarithmic spacing begins.
    - seed: of 'random'.

    Raises UserError for an unknown name.
    """
    if not shapes:
        raise ValueError("a baseline needs shapes")
    statics = {str(shape): shape for shape in shapes}
    if name in statics:
        return static(statics[name], budget_flops)
    if name not in BASELINES:
        raise UserError(f"baseline {name!r} is unknown{suggest(name, [*BASELINES, *statics])}")
    return BASELINES[name](shapes, budget_flops, first_flops, seed)


def _stages(shapes: Sequence[Shape], ends: np.ndarray, budget_flops: float) -> Schedule:
    return Schedule(tuple(Stage(s, float(end)) for s, end in zip(shapes, [*ends, budget_flops], strict=True)))
