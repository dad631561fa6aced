"""Tasks beside each other: rank correlations, whose hull is whose, better upstream and worse downstream."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from scalax.errors import UserError
from scalax.transfer.hull import Mixture, hull_of
from scalax.transfer.models import ModelTable

FEWEST = 3  # models for a rank correlation
BLOCK = 256  # models compared with all others at once


class Reversal(NamedTuple):
    """Pairs of models of which one is better upstream and worse downstream.

    - task: the downstream task.
    - pairs: of models that differ on both tasks.
    - reversed: of these, better upstream and worse downstream.
    - beyond_noise: of these, those that differ on both by more than two standard deviations of the noise of
      test images (as if drawn anew for each model); None where their number is unknown.
    - better, worse: the models of the starkest of `reversed`, by the product of both differences: better and
      worse upstream; empty without one.
    - gain, loss: by how much `better` is better upstream and worse downstream, in accuracy.
    """

    task: str
    pairs: int
    reversed: int
    beyond_noise: int | None
    better: str
    worse: str
    gain: float
    loss: float


class Overlay(NamedTuple):
    """The models at the corners of one task's hull, seen on all other tasks.

    - tasks: [t], of rows and columns.
    - corners: [t], of each task's hull.
    - shared: [t][t], corners of the row's hull that are corners of the column's too.
    - gap: [t][t], how far in accuracy these models lie below the column's hull, on average; nan where none
      was measured on it.
    """

    tasks: list[str]
    corners: list[int]
    shared: list[list[int]]
    gap: list[list[float]]


def spearman(table: ModelTable) -> np.ndarray:
    """Rank correlations [1 + t, 1 + t] of errors, upstream first; nan for fewer than three models in common
    (Abnar et al. 2021, figures F.20 and F.21)."""
    every = np.column_stack([table.e_us, table.e_ds])
    if np.isfinite(every).all():
        return _correlations(every)
    count = every.shape[1]
    found = np.full((count, count), np.nan)
    for i in range(count):
        for j in range(i, count):
            both = np.isfinite(every[:, i]) & np.isfinite(every[:, j])
            if both.sum() >= FEWEST:
                found[i, j] = found[j, i] = _correlations(every[both][:, [i, j]])[0, 1]
    return found


def _correlations(values: np.ndarray) -> np.ndarray:
    ranks = rankdata(values, axis=0)
    ranks -= ranks.mean(0)
    size = np.sqrt((ranks**2).sum(0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip(ranks.T @ ranks / np.outer(size, size), -1, 1)


def overlay(table: ModelTable) -> Overlay:
    """The hull of each task laid over every other (Abnar et al. 2021, figure 5)."""
    hulls = [hull_of(table.e_us, column) for column in table.e_ds.T]
    shared, gap = [], []
    for hull in hulls:
        shared.append([len(np.intersect1d(hull.models, other.models)) for other in hulls])
        row = []
        for t, other in enumerate(hulls):
            above = table.e_ds[hull.models, t] - other.height(hull.e_us)
            above = above[np.isfinite(above)]
            row.append(float(np.maximum(above, 0).mean()) if len(above) else float("nan"))
        gap.append(row)
    return Overlay(list(table.tasks), [len(hull.models) for hull in hulls], shared, gap)


def mixtures(table: ModelTable, e_us: Sequence[float]) -> list[tuple[str, Mixture]]:
    """The mixture on the hull of each task at each upstream error, where the hull reaches it.

    - table: of models.
    - e_us: upstream errors. Raises UserError for one that no hull reaches.
    """
    found = []
    for at in e_us:
        hulls = [(task, hull_of(table.e_us, table.e_ds[:, t])) for t, task in enumerate(table.tasks)]
        reached = [(task, h.mixture(at)) for task, h in hulls if len(h.models) and h.reaches(at)]
        if not reached:
            ends = 1 - table.e_us.max(), 1 - table.e_us.min()
            raise UserError(
                f"`at` must lie between {ends[0]:.4g} and {ends[1]:.4g}, the least and the best upstream"
                f" accuracy, got {1 - at:g}"
            )
        found += reached
    return found


def reversals(table: ModelTable) -> list[Reversal]:
    """Better upstream, worse downstream, counted for each task."""
    return [_reversals(table, t) for t in range(len(table.tasks))]


def _reversals(table: ModelTable, task: int) -> Reversal:
    pairs = table.pairs(task)
    own = pairs[np.argsort(table.e_us[pairs], kind="stable")]  # the best upstream first
    e_us, e_ds = table.e_us[own], table.e_ds[own, task]
    variance = [
        _variance(e, n) for e, n in ((e_us, table.images_us[own]), (e_ds, table.images_ds[own, task]))
    ]
    known = any(v.any() for v in variance)
    differ = turned = beyond = 0
    best, starkest = 0.0, (0, 0)
    for first in range(0, len(own), BLOCK):
        rows = slice(first, first + BLOCK)
        gain = e_us[None] - e_us[rows, None]  # of the row's model over the column's
        loss = e_ds[rows, None] - e_ds[None]
        better = gain > 0
        differ += int((better & (loss != 0)).sum())
        worse = better & (loss > 0)
        turned += int(worse.sum())
        if known:
            apart = [4 * (v[rows, None] + v[None]) for v in variance]
            beyond += int((worse & (gain**2 > apart[0]) & (loss**2 > apart[1])).sum())
        size = np.where(worse, gain * loss, 0.0)
        i, j = divmod(int(size.argmax()), len(own))
        if size[i, j] > best:
            best, starkest = float(size[i, j]), (first + i, j)
    i, j = starkest
    return Reversal(
        task=table.tasks[task],
        pairs=differ,
        reversed=turned,
        beyond_noise=beyond if known else None,
        better=table.models[own[i]] if best else "",
        worse=table.models[own[j]] if best else "",
        gain=float(e_us[j] - e_us[i]) if best else 0.0,
        loss=float(e_ds[i] - e_ds[j]) if best else 0.0,
    )


def _variance(error: np.ndarray, images: np.ndarray) -> np.ndarray:
    return np.nan_to_num(error * (1 - error) / images)
