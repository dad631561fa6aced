"""The whole analysis of a table of models, as one typed result that reads itself back."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.records import read_json
from scalax.transfer.between import Overlay, Reversal, overlay, reversals, spearman
from scalax.transfer.fits import TaskFit, fit_tasks
from scalax.transfer.given import GroupEffect, SizeEffect, group_effects, size_effects
from scalax.transfer.models import FEWEST, Column, ModelTable
from scalax.transfer.prediction import Prediction, predict, threshold
from scalax.transfer.shots import ShotTrend, shot_trends
from scalax.typed import from_json

VERSION = 1


class Thin(NamedTuple):
    """A downstream task that was left out: fewer than five models were measured on it."""

    task: str
    models: int


class TransferResult(NamedTuple):
    """What upstream accuracy buys downstream.

    - upstream: name of the upstream task.
    - models, left_out: how many, and how many had no upstream error.
    - columns: how each was read; unread: other columns of the file.
    - resamples, seed: of intervals; whole_groups: whether groups were resampled.
    - fits: of each task.
    - thin: tasks that were left out.
    - below: the upstream accuracy up to which the prediction experiment fits.
    - predictions: of each task with models on both sides of it.
    - shots: of tasks that are named with their shots.
    - tasks: of the rows and columns of `spearman`, upstream first.
    - spearman: rank correlations; nan where they are not defined.
    - overlay: the hull of each task on every other.
    - reversals: better upstream, worse downstream.
    - sizes, groups: what else matters, given upstream.
    - notes: what was left out of the file, or taken for granted, a sentence each.
    """

    upstream: str
    models: int
    left_out: int
    columns: list[Column]
    unread: list[str]
    resamples: int
    seed: int
    whole_groups: bool
    fits: list[TaskFit]
    thin: list[Thin]
    below: float
    predictions: list[Prediction]
    shots: list[ShotTrend]
    tasks: list[str]
    spearman: list[list[float]]
    overlay: Overlay
    reversals: list[Reversal]
    sizes: list[SizeEffect]
    groups: list[GroupEffect]
    version: int = VERSION
    notes: list[str] = []  # noqa: RUF012


def analyse(
    table: ModelTable,
    *,
    resamples: int = 200,
    seed: int = 0,
    whole_groups: bool = False,
    below: float | None = None,
    draws: int = 10,
) -> TransferResult:
    """All of it.

    - table: of models.
    - resamples: of the models, for intervals.
    - seed: of resamples and draws.
    - whole_groups: resample groups of models, not single models: for rows that are checkpoints of one run.
    - below: upstream accuracy to fit below and predict above; None: 0.9 times the best (see `threshold`).
    - draws: of each size, in the prediction experiment.

    Raises UserError for fewer than 20 resamples, no draw, and a threshold beyond the models.
    """
    if resamples < 20:
        raise UserError(f"`resamples` must be at least 20 for intervals, got {resamples}")
    if draws < 1:
        raise UserError(f"`draws` must be at least 1, got {draws}")
    if whole_groups and not table.groups:
        raise UserError("`whole_groups` needs the kind of each model; name its column in `group`")
    counts = np.isfinite(table.e_ds).sum(0)
    cut = threshold(table) if below is None else below
    predictions = predict(table, cut, draws, seed)
    fits = fit_tasks(table, resamples, seed, whole_groups)
    return TransferResult(
        upstream=table.upstream,
        models=len(table.models),
        left_out=table.left_out,
        columns=table.columns,
        unread=table.unread,
        resamples=resamples,
        seed=seed,
        whole_groups=whole_groups,
        fits=fits,
        thin=[Thin(t, int(n)) for t, n in zip(table.tasks, counts, strict=True) if n < FEWEST],
        below=cut,
        predictions=predictions,
        shots=shot_trends(fits),
        tasks=[table.upstream, *table.tasks],
        spearman=spearman(table).tolist(),
        overlay=overlay(table),
        reversals=reversals(table),
        sizes=size_effects(table, fits, resamples, seed, whole_groups),
        groups=group_effects(table, fits),
        notes=[str(remark) for remark in table.remarks],
    )


def read_result(path: str | Path) -> TransferResult:
    """A result from the transfer.json of a report. Raises UserError for a file of another kind or version."""
    data = read_json(path, "give a transfer.json")
    if data is None:
        raise UserError(f"{path}: no such file; give a transfer.json")
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise UserError(f"{path}: is not of version {VERSION}; make it again with scalax transfer")
    return from_json(TransferResult, data, str(path))
