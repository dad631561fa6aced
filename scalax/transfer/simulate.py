"""Tables of models whose law is known, and how well each fit finds it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from scalax.transfer.fits import fit_tasks
from scalax.transfer.models import ModelTable, model_table

IMAGES_US = 50_000
E_US = (0.15, 0.8)  # upstream errors


class Scene(NamedTuple):
    """A law, and how far models lie above it in downstream error.

    - name: what it is.
    - k, alpha, e_ir: of the law, which the best models at each upstream error follow.
    - scatter: mean of an exponential distance above the law; 0: all models are on it.
    - failed: share of the models that are up to 0.3 worse.
    """

    name: str
    k: float
    alpha: float
    e_ir: float
    scatter: float
    failed: float = 0.0


SCENES = (
    Scene("all on the law", 0.7, 1.2, 0.1, 0.0),
    Scene("most near the law", 0.7, 1.2, 0.1, 0.02),
    Scene("and a quarter failed", 0.7, 1.2, 0.1, 0.02, 0.25),
    Scene("no limit", 0.9, 1.5, 0.0, 0.02),
    Scene("alpha below 1", 0.7, 0.6, 0.1, 0.02),
    Scene("alpha below 1, no limit", 0.9, 0.6, 0.0, 0.02),
)


class Recovery(NamedTuple):
    """How one fit finds e_IR of one scene.

    - scene, fit: names.
    - models, images: of each table; images of the downstream test set.
    - e_ir: of the scene.
    - bias, spread: mean and standard deviation of fitted minus true e_IR over the tables.
    - covered: share of the tables whose interval has the true e_IR.
    - saturates, does_not: share of the tables with this verdict.
    """

    scene: str
    fit: str
    models: int
    images: int
    e_ir: float
    bias: float
    spread: float
    covered: float
    saturates: float
    does_not: float


def simulate(scene: Scene, models: int, images: int, seed: int) -> ModelTable:
    """A table of a scene: upstream errors spread evenly over 0.15 to 0.8; all errors are measured on images.

    - scene: the truth.
    - models: how many.
    - images: of the downstream test set; upstream it has 50,000.
    - seed: of models and images.

    >>> simulate(SCENES[0], 40, 1000, 0).e_ds.shape
    (40, 1)
    """
    rng = np.random.default_rng(seed)
    e_us = rng.uniform(*E_US, models)
    e_ds = scene.k * e_us**scene.alpha + scene.e_ir + rng.exponential(scene.scatter, models)
    e_ds += np.where(rng.random(models) < scene.failed, rng.uniform(0, 0.3, models), 0.0)
    measured_us = rng.binomial(IMAGES_US, e_us) / IMAGES_US
    measured_ds = rng.binomial(images, np.clip(e_ds, 0, 1)) / images
    return model_table(
        "upstream",
        measured_us,
        {"downstream": measured_ds},
        images_us=float(IMAGES_US),
        images_ds={"downstream": float(images)},
    )


def recover(
    scenes: Sequence[Scene] = SCENES,
    images: Sequence[int] = (500, 5000),
    models: int = 150,
    tables: int = 20,
    resamples: int = 60,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> list[Recovery]:
    """Bias and spread of e_IR, coverage of its intervals, and verdicts, by scene, images and fit.

    - scenes: the truths.
    - images: of the downstream test set.
    - models: of a table.
    - tables: of each scene and number of images.
    - resamples: of the intervals.
    - seed: of all tables.
    - progress: called with the number of tables just finished.
    """
    found = []
    for scene in scenes:
        for count in images:
            laws = []
            for i in range(tables):
                table = simulate(scene, models, count, seed + i)
                laws += [fit.laws for fit in fit_tasks(table, resamples, seed)]
                if progress:
                    progress(1)
            for name in laws[0]:
                own = [fit[name] for fit in laws]
                off = np.array([law.e_ir.value - scene.e_ir for law in own])
                covered = np.mean([law.e_ir.low <= scene.e_ir <= law.e_ir.high for law in own])
                verdicts = [
                    float(np.mean([law.verdict == v for law in own])) for v in ("saturates", "does not")
                ]
                numbers = (float(off.mean()), float(off.std()), float(covered), *verdicts)
                found.append(Recovery(scene.name, name, models, count, scene.e_ir, *numbers))
    return found
