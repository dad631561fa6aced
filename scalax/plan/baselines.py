"""Schedules that know no laws, to hold a plan against."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from scalax.errors import UserError, suggest
from scalax.schedule import Schedule, Shape, Stage

RAMP = (0.25, 0.75)  # shares of the budget between which progressive resizing goes up
CURRICULUM = ((160 / 224, 0.6), (192 / 224, 0.2), (1.0, 0.2))  # side, of the largest; share of the epochs


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
    if len({shape._replace(patch=1) for shape in shapes}) > 1:
        raise UserError("a random patch at each step needs shapes that differ in their patch alone")
    smallest = min(shapes, key=lambda shape: shape.patch)
    drawn = tuple(sorted((shape.patch for shape in shapes), reverse=True))
    return Schedule((Stage(smallest, budget_flops, drawn),))


def progressive(
    shapes: Sequence[Shape], budget_flops: float, image_size: int, ramp: tuple[float, float] = RAMP
) -> Schedule:
    """Progressive resizing, as FFCV's training of ImageNet has it (`get_resolution`): the least resolution,
    then one that rises linearly, rounded to the nearest of the shapes, then the largest.

    - shapes: which differ in their resolution.
    - budget_flops: where the last ends.
    - image_size: of the data, in pixels: the resolution of a shape that says none.
    - ramp: shares of the budget at which it begins and ends to rise.

    Raises UserError where the shapes differ in more than their resolution, or not in it.
    """
    order, sides = _by_side(shapes, image_size)
    middles = (sides[1:] + sides[:-1]) / 2  # where the nearest one changes
    return _stages(order, budget_flops * np.interp(middles, sides[[0, -1]], ramp), budget_flops)


def efficienttrain(shapes: Sequence[Shape], budget_flops: float, image_size: int) -> Schedule:
    """The curriculum of EfficientTrain (Wang et al. 2023): 160 of 224 pixels for 0.6 of the epochs,
    192 for 0.2 and all of them for 0.2, each the nearest of the shapes. FLOPs of an epoch go by pixels. It is
    meant for images of their lowest frequencies alone (data.resize frequencies); its augmentation, which
    grows too, is left out.

    - shapes: which differ in their resolution.
    - budget_flops: where the last ends.
    - image_size: of the data, in pixels: the resolution of a shape that says none.

    Raises UserError where the shapes differ in more than their resolution, or not in it, and where the
    largest alone would be left.
    """
    order, sides = _by_side(shapes, image_size)
    spent = dict.fromkeys(range(len(order)), 0.0)
    for side, share in CURRICULUM:
        nearest = int(np.abs(sides - side * sides[-1]).argmin())
        spent[nearest] += share * sides[nearest] ** 2
    used = [i for i, flops in spent.items() if flops]
    if len(used) < 2:
        raise UserError(
            f"EfficientTrain's 0.71 and 0.86 of {sides[-1]} pixels have none of the resolutions near them:"
            f" add one near {round(CURRICULUM[0][0] * sides[-1])}"
        )
    ends = np.cumsum([spent[i] for i in used])
    return _stages([order[i] for i in used], budget_flops * ends[:-1] / ends[-1], budget_flops)


def _by_side(shapes: Sequence[Shape], image_size: int) -> tuple[list[Shape], np.ndarray]:
    """The shapes by their resolution, and that in pixels."""
    pixels = {shape: shape.pixels(image_size) for shape in shapes}
    if len({shape._replace(resolution=0) for shape in shapes}) > 1 or len(set(pixels.values())) < 2:
        raise UserError("resizing needs shapes that differ in their resolution alone")
    order = sorted(pixels, key=pixels.__getitem__)
    return order, np.array([pixels[shape] for shape in order])


class Told(NamedTuple):
    """What a schedule that knows no laws is made from; see `baseline`."""

    shapes: Sequence[Shape]
    budget_flops: float
    first_flops: float
    seed: int
    image_size: int


BASELINES: dict[str, Callable[[Told], Schedule]] = {
    "linear": lambda told: linear(told.shapes, told.budget_flops),
    "logarithmic": lambda told: logarithmic(told.shapes, told.budget_flops, told.first_flops),
    "random": lambda told: random_monotone(told.shapes, told.budget_flops, told.seed),
    "flexi": lambda told: random_patch(told.shapes, told.budget_flops),
    "progressive": lambda told: progressive(told.shapes, told.budget_flops, told.image_size),
    "efficienttrain": lambda told: efficienttrain(told.shapes, told.budget_flops, told.image_size),
}


def baseline(
    name: str,
    shapes: Sequence[Shape],
    budget_flops: float,
    first_flops: float,
    seed: int = 0,
    image_size: int = 0,
) -> Schedule:
    """A schedule that knows no laws.

    - name: one of BASELINES, or of a static shape, e.g. 'V64-4/8'.
    - shapes: from the cheapest to the dearest.
    - budget_flops: of the schedule.
    - first_flops: where logarithmic spacing begins.
    - seed: of 'random'.
    - image_size: of the data, in pixels, for baselines of resolutions; 0 where the shapes say theirs.

    Raises UserError for an unknown name, and where the shapes do not serve it.
    """
    if not shapes:
        raise ValueError("a baseline needs shapes")
    statics = {str(shape): shape for shape in shapes}
    if name in statics:
        return static(statics[name], budget_flops)
    if name not in BASELINES:
        raise UserError(f"baseline {name!r} is unknown{suggest(name, [*BASELINES, *statics])}")
    return BASELINES[name](Told(shapes, budget_flops, first_flops, seed, image_size))


def _stages(shapes: Sequence[Shape], ends: np.ndarray, budget_flops: float) -> Schedule:
    return Schedule(tuple(Stage(s, float(end)) for s, end in zip(shapes, [*ends, budget_flops], strict=True)))
