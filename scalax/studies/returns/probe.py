"""How hard a task is, measured without any of the networks."""

import math

import numpy as np

from scalax.data import Dataset, Splits
from scalax.evals import ridge
from scalax.studies.returns.config import ReturnsConfig, Task
from scalax.studies.returns.result import TaskResult

GRID, RIDGE = 8, 100.0  # pixels a side that the probe sees; weight of its squared coefficients
BATCH = 1024


def describe(config: ReturnsConfig, task: Task, splits: Splits) -> TaskResult:
    """A task, its data and its difficulty by config.difficulty.

    - config: of the study.
    - task: that is described.
    - splits: of the task.
    """
    error = probe_error(splits)
    difficulty = {"classes": math.log2(splits.outputs), "probe": error, "given": float(task.given)}
    source = splits.train.source
    return TaskResult(
        name=task.name,
        classes=splits.outputs,
        train_per_class=task.train_per_class,
        train=len(splits.train),
        validation=len(splits.validation),
        difficulty=difficulty[config.difficulty],
        probe_error=error,
        class_names=list(source.names) or [str(number) for number in range(splits.outputs)],
    )


def probe_error(splits: Splits) -> float:
    """Share of the validation images that ridge regression on GRID x GRID mean colours gets wrong, learnt
    from the training images: cheap, and the same for every study."""
    features, labels = _pixels(splits.train), splits.train.labels()
    found = ridge.fewshot_errors(
        features[None],
        labels[None],
        _pixels(splits.validation),
        splits.validation.labels(),
        splits.outputs,
        RIDGE,
    )
    return float(np.asarray(found)[0])


def _pixels(dataset: Dataset) -> np.ndarray:
    """float32 [n, GRID * GRID * channels]: mean colour of each field of the image."""
    parts = []
    for first in range(0, len(dataset), BATCH):
        images = dataset.read(np.arange(first, min(first + BATCH, len(dataset))))["image"].astype(np.float32)
        edges = [np.arange(GRID) * side // GRID for side in images.shape[1:3]]
        sums = np.add.reduceat(np.add.reduceat(images, edges[0], 1), edges[1], 2)
        counts = [np.diff([*edge, side]) for edge, side in zip(edges, images.shape[1:3], strict=True)]
        means = sums / (counts[0][:, None, None] * counts[1][None, :, None])
        parts.append(means.reshape(len(images), -1))
    return np.concatenate(parts)
