"""Runs on disk, as plans want them: curves of static runs, and records of those that changed shape."""

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from etils import epath

from scalax import config as configs
from scalax import records
from scalax.errors import UserError, suggest
from scalax.plan.compare import Curve
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape, Stage

AXES = Shape._fields


class Runs(NamedTuple):
    """curves: of the static runs by shape, the cheapest shape first. stages: the stage of each shape, with
    the settings that it was trained by. image_flops: training FLOPs of each shape for an image. changing:
    records of each run with changes of shape. notes: which runs were left out, and why."""

    curves: dict[Shape, list[Curve]]
    stages: dict[Shape, Stage]
    image_flops: dict[Shape, float]
    changing: list[list[RunRecord]]
    notes: tuple[str, ...]


def read_runs(directory, metric: str, axes: Sequence[str]) -> Runs:
    """The finished runs of `directory`/runs, static ones along `axes` (of patch, width, depth).

    An error of no image wrong counts as half an image, since laws live in logarithms. Raises UserError
    where there are fewer than two static shapes, they differ in another axis, the runs of a shape differ in
    their settings, or a file is missing or lacks the metric.
    """
    for axis in axes:
        if axis not in AXES:
            raise UserError(f"axis {axis!r} is unknown{suggest(axis, AXES)}")
    if not (epath.Path(directory) / "runs").is_dir():
        raise UserError(f"{directory}: has no runs/; name the directory of a study")
    curves, stages, image_flops, settings, changing, notes = {}, {}, {}, {}, [], []
    for where in sorted((epath.Path(directory) / "runs").iterdir()):
        if not (where / "run.json").exists():
            continue
        info = _info(where / "run.json")
        if not info.get("finished"):
            notes.append(f"{where.name} is not finished: left out")
            continue
        if any(stage.patches for stage in Schedule.from_json(info["schedule"]).stages):
            notes.append(f"{where.name} draws its patch at each step: left out")
            continue
        run = _records(where / "metrics.jsonl", metric)
        shapes = {Shape.of(record) for record in run}
        if len(shapes) > 1:
            changing.append(run)
            continue
        shape = shapes.pop()
        stages.setdefault(shape, Schedule.from_json(info["schedule"]).stages[0])
        own = {**info["config"], **info["schedule"]["stages"][0], "until_flops": None}
        if different := configs.differences(settings.setdefault(shape, own), own):
            raise UserError(
                f"{where}: runs of {shape} differ in their settings: {different[0]}; keep one kind"
            )
        flops = np.array([record.flops for record in run])
        least = 0.5 / info["data"]["validation"]
        values = np.maximum([record.metrics[metric] for record in run], least)
        curves.setdefault(shape, []).append((flops, values))
        image_flops[shape] = run[-1].flops / run[-1].images
    _check_axes(directory, curves, axes)
    order = sorted(curves, key=image_flops.__getitem__)
    return Runs(
        {s: curves[s] for s in order}, stages, {s: image_flops[s] for s in order}, changing, tuple(notes)
    )


def _check_axes(directory, curves, axes: Sequence[str]) -> None:
    if len(curves) < 2:
        raise UserError(
            f"{directory}: a plan needs finished static runs of two shapes or more, found"
            f" {', '.join(map(str, curves)) or 'none'}"
        )
    for axis in AXES:
        values = sorted({getattr(shape, axis) for shape in curves})
        if axis not in axes and len(values) > 1:
            raise UserError(
                f"{directory}: the static runs differ in {axis} too ({', '.join(map(str, values))});"
                f" plan along it as well: --axis {','.join([*axes, axis])}"
            )


def _info(path) -> dict:
    info = {}
    try:
        info = json.loads(path.read_text())
        whole = {"schedule", "config"} <= info.keys() and info["data"]["validation"] > 0
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise UserError(f"{path}: not the description of a run of scalax")
    return info


def _records(path, metric: str) -> list[RunRecord]:
    try:
        run = records.read(path)
    except OSError as e:
        raise UserError(f"{path}: cannot read it ({e.strerror or e})") from None
    if not run:
        raise UserError(f"{path}: holds no record")
    for record in run:
        if record.metrics.get(metric) is None:
            raise UserError(f"{path}: no metric {metric!r}{suggest(metric, record.metrics)}")
    return run
