"""The runs of a study's cells, and what they measured of each validation image."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from scalax import records, train
from scalax.config import RunConfig, StartConfig
from scalax.data import Splits
from scalax.errors import UserError
from scalax.records import Run
from scalax.schedule import Schedule, Stage
from scalax.studies import naming
from scalax.studies.returns.config import ReturnsConfig
from scalax.studies.returns.planning import PlannedCell
from scalax.train import RunSpec


class Scores(NamedTuple):
    """Of a task's validation images, at several evaluations [e] of the runs of all seeds [s].

    right1, right5: 0 or 1, loss: nats; [e, s, n]. flops: spent by each evaluation [e], by the study's count.
    """

    flops: np.ndarray
    right1: np.ndarray
    right5: np.ndarray
    loss: np.ndarray

    def at(self, places: Sequence[int]) -> "Scores":
        return Scores(*(array[list(places)] for array in self))


class Measured(NamedTuple):
    """An architecture on a task. ends: at the end of each budget. curve: at all evaluations of the runs with
    the largest budget. train_s: seconds of training."""

    cells: list[PlannedCell]
    ends: Scores
    curve: Scores
    train_s: float


def make(
    config: ReturnsConfig,
    cells: list[PlannedCell],
    splits: Splits,
    out: Any,
    hooks: Sequence[Any],
    say: Callable[[str], None],
) -> Measured:
    """Train what is missing of an architecture on a task, and read what the runs measured.

    - config: of the study.
    - cells: its budgets.
    - splits: of the task.
    - out: directory of the study.
    - hooks: train.Hook of all training.
    - say: shows a line of text.
    """
    task, architecture = cells[0].task, cells[0].architecture
    experiment = train.open_experiment(run_config(config, cells), splits)
    _check_channels(config, experiment)
    if architecture.weights:  # weights of another model are found before anything is trained
        experiment.first_state(architecture.shape, 0)
    schedules = _schedules(config, cells, experiment.cost(architecture.shape).step.flops)
    specs = {
        (schedule, seed): RunSpec(
            naming.budget_run(task.name, architecture.shape, schedule, seed), schedule, seed
        )
        for schedule in dict.fromkeys(schedules)
        for seed in config.seeds
    }
    directory = epath.Path(out) / "runs"
    made = train.execute(experiment, list(specs.values()), directory, hooks, say)

    def runs(schedule: Schedule) -> list[tuple[epath.Path, Run]]:
        names = [specs[schedule, seed].name for seed in config.seeds]
        return [(directory / name, made[name]) for name in names]

    def scores(schedule: Schedule, steps: Sequence[int]) -> Scores:
        return read(runs(schedule), steps, cells[0].step_flops, experiment)

    ends = [scores(schedule, [cell.steps]) for schedule, cell in zip(schedules, cells, strict=True)]
    steps = [record.step for record in runs(schedules[-1])[0][1].records]
    train_s = sum(run.records[-1].wall_s for run in made.values())
    return Measured(cells, _joined(ends), scores(schedules[-1], steps), train_s)


def run_config(config: ReturnsConfig, cells: list[PlannedCell]) -> RunConfig:
    """Of an architecture on a task."""
    run, architecture = config.run, cells[0].architecture
    start = StartConfig(architecture.weights, keep_head=False) if architecture.weights else StartConfig()
    return dataclasses.replace(
        run,
        data=cells[0].task.data,
        start=start,
        optim=dataclasses.replace(run.optim, lr=architecture.lr),
        eval=dataclasses.replace(run.eval, keep_scores=True, shots=0),
    )


def _schedules(config: ReturnsConfig, cells: list[PlannedCell], xla_flops: float) -> list[Schedule]:
    """Of each budget. Training counts by XLA: half a step more than the cell's steps ends it after these.

    With a constant learning rate, the run with the largest budget is that of each smaller one until its end,
    bit for bit: one run then passes all budgets, a stage each.
    """
    stages = [Stage(cell.architecture.shape, (cell.steps + 0.5) * xla_flops) for cell in cells]
    if config.run.optim.schedule == "constant":
        return [Schedule(tuple(stages))] * len(cells)
    return [Schedule((stage,)) for stage in stages]


def _check_channels(config: ReturnsConfig, experiment: train.Experiment) -> None:
    *_, channels = experiment.task.input.shape
    if channels != config.channels:
        raise UserError(f"channels {config.channels}: the images of the data have {channels}; set it to that")


def read(
    runs: Sequence[tuple[epath.Path, Run]],
    steps: Sequence[int],
    step_flops: float,
    experiment: train.Experiment,
) -> Scores:
    """The scores after so many steps [e] of runs [s] that differ in seed alone.

    - runs: directory and records of each.
    - steps: of the evaluations.
    - step_flops: of one step.
    - experiment: of the runs.

    Raises UserError where a run lacks scores, or they are not those that its records were made of.
    """
    found = [[_scores(path, run, step, experiment) for path, run in runs] for step in steps]

    def stacked(value: Callable[[dict[str, np.ndarray]], np.ndarray]) -> np.ndarray:
        return np.array([[value(scores) for scores in row] for row in found], np.float32)

    return Scores(
        np.array(steps) * step_flops,
        stacked(lambda scores: 1 - scores["wrong"]),
        stacked(lambda scores: scores["rank"] < 5),
        stacked(lambda scores: scores["loss"]),
    )


def _scores(path: epath.Path, run: Run, step: int, experiment: train.Experiment) -> dict[str, np.ndarray]:
    record = next((record for record in run.records if record.step == step), None)
    if record is None:
        raise UserError(f"{path}: has no record of step {step}; remove the run's directory and make it again")
    count, metrics = len(experiment.splits.validation), experiment.task.metrics
    return records.read_scores_of(path, record, count, metrics)


def _joined(parts: Sequence[Scores]) -> Scores:
    return Scores(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
