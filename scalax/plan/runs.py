"""Runs on disk, as plans want them: the static ones, and records of those that changed shape."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import NamedTuple

from etils import epath

from scalax import metrics, records
from scalax.errors import UserError, suggest
from scalax.places import no_directory
from scalax.plan.compare import Trajectory, trajectory_of
from scalax.records import RunRecord
from scalax.schedule import Shape, Stage
from scalax.settings import config_of, differences, upgraded

AXES = Shape._fields


class StaticRuns(NamedTuple):
    """The finished runs of a study.

    - trajectories: of the static runs by shape, the cheapest shape first.
    - stages: the stage of each shape, with the settings that it was trained by.
    - example_flops: training FLOPs of each shape for an example.
    - image_size: of the data, in pixels: the resolution of shapes that say none; 0 where no shape says one.
    - changing: records of each run with changes of shape.
    - notes: which runs were left out, and why, in words.
    """

    trajectories: dict[Shape, list[Trajectory]]
    stages: dict[Shape, Stage]
    example_flops: dict[Shape, float]
    image_size: int
    changing: list[list[RunRecord]]
    notes: tuple[str, ...]


def read_runs(directory: str | PathLike, metric: str, axes: Sequence[str]) -> StaticRuns:
    """The finished runs of a study, where they have the metric. Where nothing is wrong, half a target counts
    as wrong (metrics.least).

    - directory: its runs are in `directory`/runs.
    - metric: its values; lower is better.
    - axes: along which the static runs may differ, of patch, width, depth and resolution.

    Raises UserError where there are fewer than two static shapes, they differ in another axis, the runs of a
    shape differ in their settings, a file is missing or lacks the metric, or the metric rises as a run
    improves.
    """
    if metric.rpartition("/")[2] in metrics.METRICS and not metrics.planned([metric]):
        raise UserError(f"`metric` {metric!r}: plans are made for what falls towards 0; choose another")
    for axis in axes:
        if axis not in AXES:
            raise UserError(f"axis {axis!r} is unknown{suggest(axis, AXES)}")
    if not (epath.Path(directory) / "runs").is_dir():
        where = epath.Path(directory)
        problem = "has no runs/" if where.is_dir() else no_directory(where)
        raise UserError(f"{directory}: {problem}; name the directory of a study")
    trajectories, stages, example_flops, settings, changing, notes = {}, {}, {}, {}, [], []
    image_size = 0
    for where in sorted((epath.Path(directory) / "runs").iterdir()):
        if not records.is_run(where):
            continue
        info = records.read_info(where)
        if not info.finished:
            notes.append(f"{where.name} is not finished: left out")
            continue
        if any(stage.patches for stage in info.schedule.stages):
            notes.append(f"{where.name} draws its patch at each step: left out")
            continue
        run = _measured(where, metric)
        shapes = {Shape.of(record) for record in run}
        if len(shapes) > 1:
            changing.append(run)
            continue
        shape, stage = shapes.pop(), info.schedule.stages[0]
        stages.setdefault(shape, stage)
        if shape.resolution:
            image_size = config_of(info.config, f"{where}/run.json").data.image_size
        trained_by = info.schedule.to_json()["stages"][0]
        own = {**upgraded(info.config), **trained_by, "until_flops": None}
        own.pop("morph", None)  # nothing changed: an online run may stay with its first shape
        if different := differences(settings.setdefault(shape, own), own):
            raise UserError(
                f"{where}: runs of {shape} have different settings: {different[0]}; keep the runs of one"
                " setting"
            )
        least = metrics.least(metric, records.validation_targets(where, info))
        trajectories.setdefault(shape, []).append(trajectory_of(run, metric, least))
        example_flops[shape] = _example_flops(where, run)
    _check_axes(directory, trajectories, axes, image_size)
    order = sorted(trajectories, key=example_flops.__getitem__)
    return StaticRuns(
        {s: trajectories[s] for s in order},
        stages,
        {s: example_flops[s] for s in order},
        image_size,
        changing,
        tuple(notes),
    )


def _check_axes(
    directory: str | PathLike,
    trajectories: Mapping[Shape, list[Trajectory]],
    axes: Sequence[str],
    image_size: int,
) -> None:
    if len(trajectories) < 2:
        raise UserError(
            f"{directory}: a plan needs finished static runs of two shapes or more, found"
            f" {', '.join(map(str, trajectories)) or 'none'}"
        )
    for axis in AXES:
        values = {getattr(shape, axis) for shape in trajectories}
        if axis == "resolution":
            values = {shape.pixels(image_size) for shape in trajectories}
        if axis not in axes and len(values) > 1:
            raise UserError(
                f"{directory}: the static runs also differ in {axis} ({', '.join(map(str, sorted(values)))});"
                f" add it: `axes` {','.join([*axes, axis])}"
            )


def _example_flops(directory: epath.Path, run: Sequence[RunRecord]) -> float:
    if not (run[-1].examples and run[-1].flops):
        raise UserError(f"{directory}: its last record is of no training; remove the run, or make it again")
    return run[-1].flops / run[-1].examples


def _measured(directory: epath.Path, metric: str) -> list[RunRecord]:
    run = records.read_run(directory).records
    if not run:
        raise UserError(f"{directory}: holds no record; remove the run, or make it again")
    measured = records.measured(run, metric)
    if not measured:
        raise UserError(f"{directory}: no metric {metric!r}{suggest(metric, run[-1].metrics)}")
    return measured
