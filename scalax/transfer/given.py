"""What else matters downstream, given upstream: sizes, data, compute, and the kind of model."""

from typing import NamedTuple

import numpy as np

from scalax.transfer.fits import LEVEL, Interval, TaskFit
from scalax.transfer.models import ModelTable, resampled

FEWEST = 10  # models that have the size
WIDE = 10  # sizes that span more than this factor count by their logarithm


class SizeEffect(NamedTuple):
    """One size and one task.

    - task, size: names.
    - models: that have both.
    - log: whether the size counts by its logarithm.
    - partial: correlation of accuracy downstream with the size, both freed of what upstream error explains of
      them: the law of all models, and 1, e_US, e_US^2. With its interval over resampled models.
    - left: share of the variance downstream that the law leaves.
    - left_with_size: share that is left once the size is known too.
    """

    task: str
    size: str
    models: int
    log: bool
    partial: Interval
    left: float
    left_with_size: float


class GroupEffect(NamedTuple):
    """The kinds of model and one task.

    - task: its name.
    - groups, models: how many.
    - left: share of the variance downstream that the law leaves.
    - between: share of that which lies between groups, beyond what as many random groups would have (adjusted
      as R^2 is for its degrees of freedom; below 0 counts as 0).
    """

    task: str
    groups: int
    models: int
    left: float
    between: float


def size_effects(
    table: ModelTable,
    fits: list[TaskFit],
    resamples: int = 200,
    seed: int = 0,
    whole_groups: bool = False,
) -> list[SizeEffect]:
    """Of every size on every task (Abnar et al. 2021, section 3: models of all sizes lie on one curve).

    - table: of models.
    - fits: of its tasks.
    - resamples: of the models, for intervals.
    - seed: of the resamples.
    - whole_groups: resample groups of models, not single models.
    """
    found = []
    for fit in fits:
        t = table.tasks.index(fit.task)
        for name, values in table.sizes.items():
            own = table.pairs(t)
            own = own[np.isfinite(values[own])]
            if len(own) < FEWEST or np.ptp(values[own]) == 0 or np.ptp(table.e_us[own]) == 0:
                continue
            low, high = values[own].min(), values[own].max()
            log = bool(low > 0 and high > WIDE * low)
            size = np.log(values[own]) if log else values[own]
            accuracy, law = 1 - table.e_ds[own, t], fit.laws["all"].laws.predict(table.e_us[own])
            index = resampled(table, own, resamples, seed, whole_groups)
            partial = _partial(accuracy, size, table.e_us[own], law, index)
            tail = (1 - LEVEL) / 2
            ends = np.nanquantile(partial[1:], [tail, 1 - tail]) if resamples else (np.nan, np.nan)
            interval = Interval(float(partial[0]), *map(float, ends))
            left = _left(table.e_ds[own, t], law)
            with_size = left * (1 - float(partial[0]) ** 2)
            found.append(SizeEffect(fit.task, name, len(own), log, interval, left, with_size))
    return found


def group_effects(table: ModelTable, fits: list[TaskFit]) -> list[GroupEffect]:
    """Of the kind of model on every task; none where there is one group, or as many as models."""
    found = []
    for fit in fits:
        t = table.tasks.index(fit.task)
        own = table.pairs(t) if table.groups else np.array([], int)
        kinds, which = np.unique([table.groups[i] for i in own], return_inverse=True)
        if not 1 < len(kinds) < len(own):
            continue
        law = fit.laws["all"].laws.predict(table.e_us[own])
        residual = table.e_ds[own, t] - law
        residual = residual - residual.mean()
        means = np.bincount(which, residual) / np.bincount(which)
        total, within = float(residual @ residual), float(((residual - means[which]) ** 2).sum())
        free = (len(own) - 1) / (len(own) - len(kinds))
        between = max(0.0, 1 - free * within / total) if total > 0 else float("nan")
        found.append(GroupEffect(fit.task, len(kinds), len(own), _left(table.e_ds[own, t], law), between))
    return found


def _left(e_ds: np.ndarray, law: np.ndarray) -> float:
    """Share of the variance that the law leaves; nan without any variance."""
    total = float(np.var(e_ds))
    return float(np.mean((e_ds - law) ** 2)) / total if total > 0 else float("nan")


def _partial(
    accuracy: np.ndarray, size: np.ndarray, e_us: np.ndarray, law: np.ndarray, index: np.ndarray
) -> np.ndarray:
    """Partial correlations [b] of each set of models, index [b, n]."""
    terms = np.stack([np.ones_like(e_us), e_us, e_us**2, law], -1)
    terms[:, 1:] -= terms[:, 1:].mean(0)
    terms /= np.maximum(np.abs(terms).max(0), 1e-12)
    x, y = terms[index], np.stack([accuracy, size - size.mean()], -1)[index]  # [b, n, 4], [b, n, 2]
    gram = np.einsum("bni,bnj->bij", x, x)
    solved = np.linalg.pinv(gram, rcond=1e-10, hermitian=True) @ np.einsum("bni,bnj->bij", x, y)
    left = y - x @ solved
    cov = np.einsum("bni,bnj->bij", left, left)
    floor = 1e-20 * np.einsum("bni,bni->bi", y, y) + 1e-300
    spread = np.sqrt(np.maximum(cov[:, 0, 0], floor[:, 0]) * np.maximum(cov[:, 1, 1], floor[:, 1]))
    return cov[:, 0, 1] / spread
