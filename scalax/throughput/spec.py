"""What is measured, and rounds that alternate between the sides; both read it, so no JAX and no PyTorch."""

import statistics
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

Round = Callable[[int], float]  # makes so many steps, and says how many seconds they took


class Spec(NamedTuple):
    """A model by its name, and its batch: of square images of `image` pixels with 3 channels."""

    model: str
    image: int
    batch: int
    classes: int
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    attention: Literal["auto", "einsum", "fused"] = "auto"


def alternate(sides: Mapping[str, Round], rounds: int, steps: int) -> dict[str, list[float]]:
    """Seconds a step of each side, in each of `rounds` rounds of `steps` steps: a, b, c, a, b, c, ...

    - sides: from steps to seconds, by name.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            seconds[name].append(run(steps) / steps)
    return seconds


def compare(ours: list[float], theirs: Mapping[str, list[float]], batch: int) -> dict:
    """Variants of another side against ours.

    - ours: seconds a step, in each round.
    - theirs: the same of each variant, in the same rounds.
    - batch: examples a step.

    ratio: their time over ours, the median over rounds, so that above 1 ours is faster; that of the fastest
    variant stands above the `variants`.
    """
    variants = {}
    for name, seconds in theirs.items():
        median = statistics.median(seconds)
        ratio = statistics.median(b / a for a, b in zip(ours, seconds, strict=True))
        variants[name] = {"images_per_s": batch / median, "step_ms": 1e3 * median, "ratio": ratio}
    fastest = min(variants, key=lambda name: variants[name]["step_ms"])
    return {"ratio": variants[fastest]["ratio"], "fastest": fastest, "variants": variants}
