"""Pairs of recipes with a known speed-up: how often the intervals hold it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from scalax.laws.curves import Curve
from scalax.laws.simulated import LAWS, Design, draw
from scalax.laws.speedup.compare import speedup

TARGETS = (0.3, 0.5, 0.7, 0.9, 1.0)  # where A is, as shares of its log x, that the speed-up is asked at


class Scene(NamedTuple):
    """How a pair of recipes is sampled.

    - seeds: runs of each recipe.
    - spread: standard deviation of a seed's log y around the recipe's curve.
    - shared: part of its variance that both recipes have.
    - paired: whether the comparison is told which runs share a seed.
    - design: rows and noise.
    """

    seeds: int = 1
    spread: float = 0.0
    shared: float = 0.0
    paired: bool = False
    design: Design = Design()


SCENES = {
    "one seed": Scene(),
    "one seed, 5% noise": Scene(design=Design(noise=0.05)),
    "one seed, 12 rows": Scene(design=Design(rows=12)),
    "three seeds": Scene(3, 0.01),
    "three seeds, even in x": Scene(3, 0.01, design=Design(even=True)),
    "five seeds": Scene(5, 0.02),
    "five seeds, paired": Scene(5, 0.02, 0.8, True),
}


class Coverage(NamedTuple):
    """Of one scene and law.

    - inside: share of 90% intervals that hold the true speed-up.
    - error: root mean square of its log.
    - width: median of the interval's log width.
    - count: of intervals.
    """

    scene: str
    law: str
    inside: float
    error: float
    width: float
    count: int


def coverage(
    count: int = 40,
    scenes: Sequence[str] = tuple(SCENES),
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> list[Coverage]:
    """How often 90% intervals hold the true speed-up, by scene and law; law "all" is of all laws.

    - count: of pairs of recipes for each scene and law.
    - scenes: names of SCENES.
    - seed: of the curves.
    - progress: called with the number of pairs just compared.
    """
    found = []
    for name in scenes:
        held: dict[str, list[tuple[bool, float, float]]] = {law: [] for law in LAWS}
        for law in LAWS:
            for i in range(count):
                held[law] += _one(law, i, count, SCENES[name], seed)
                if progress:
                    progress(1)
        everything = [each for one in held.values() for each in one]
        for law, own in {**held, "all": everything}.items():
            inside, error, width = np.array(own).T
            rms = float(np.sqrt(np.mean(error**2)))
            found.append(Coverage(name, law, float(inside.mean()), rms, float(np.median(width)), len(own)))
    return found


def _one(law: str, i: int, count: int, scene: Scene, seed: int) -> list[tuple[bool, float, float]]:
    """(inside, error, width) at each target of one pair of recipes."""
    rng = np.random.default_rng([seed, list(LAWS).index(law), i, 7])
    truth = draw(law, i + 1, scene.design, seed)[i]
    times = float(np.exp(rng.uniform(np.log(0.7), np.log(4))))
    log_x = np.log(truth.curve.x)
    a, b = [], []
    for _ in range(scene.seeds):
        common = rng.standard_normal(2)
        for curves, speed in ((a, 1.0), (b, times)):
            own = np.sqrt(scene.shared) * common + np.sqrt(1 - scene.shared) * rng.standard_normal(2)
            drift = scene.spread * (own[0] + 0.5 * own[1] * np.linspace(-1, 1, len(log_x)))
            noise = scene.design.noise * rng.standard_normal(len(log_x))
            y = np.exp(truth.log_y(log_x + np.log(speed)) + drift + noise)
            curves.append(Curve(truth.curve.x, y))
    at = log_x[0] + np.array(TARGETS) * np.ptp(log_x)
    kept = at - np.log(times) >= log_x[0]
    targets = np.exp(truth.log_y(at[kept]))
    pairs = [(k, k) for k in range(scene.seeds)] if scene.paired else []
    made = speedup(a, b, targets, pairs)
    inside = (made.low <= times) & (times <= made.high)
    with np.errstate(divide="ignore", invalid="ignore"):
        error, width = np.log(made.ratio / times), np.log(made.high / made.low)
    known = np.isfinite(made.ratio) & (made.ratio > 0)
    return [
        (bool(c), float(e), float(w)) for c, e, w, k in zip(inside, error, width, known, strict=True) if k
    ]
