"""Runs by one given schedule, one for each seed."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from scalax import bounds, metrics
from scalax.config import RunConfig
from scalax.errors import UserError
from scalax.schedule import Schedule
from scalax.studies import naming, side_by_side
from scalax.studies.protocol import Study
from scalax.studies.side_by_side import RunsResult


@dataclasses.dataclass(frozen=True)
class ScheduledConfig:
    """Runs by a schedule, e.g. one that `scalax plan` wrote.

    Attributes:
      run: what all runs share.
      schedule: of all runs.
      name: names the default output directory, runs/NAME.
      seeds: each is a run of its own.
      metric: what the report shows (scalax.metrics); None takes the first that was measured.
    """

    run: RunConfig
    schedule: Schedule
    name: str = "scheduled"
    seeds: tuple[int, ...] = (0,)
    metric: str | None = None

    def __post_init__(self):
        bounds.seeds("seeds", self.seeds)
        if self.metric is not None:
            metrics.get(self.metric)


def scheduled(config: Any, schedule: Schedule) -> ScheduledConfig:
    """The runs and seeds of any study's config, by the schedule.

    Raises UserError for a config without a run or seeds.
    """
    if not hasattr(config, "run") or not hasattr(config, "seeds"):
        raise UserError(f"a {type(config).__name__} trains no model by a schedule; it has no run or no seeds")
    metric = getattr(config, "metric", None)
    return ScheduledConfig(config.run, schedule, f"{config.name}_scheduled", config.seeds, metric)


def run(
    config: ScheduledConfig, out: Any, hooks: Sequence[Any] = (), say: Callable[[str], None] = print
) -> RunsResult:
    """Do what is missing in directory `out` (see Study.run).

    - config: of the study.
    - out: its directory.
    - hooks: train.Hook of all training.
    - say: shows a line of text.
    """
    from scalax.train import RunSpec, open_experiment

    experiment = open_experiment(config.run)
    schedule = experiment.plain(config.schedule)
    specs = [RunSpec(naming.scheduled_run(schedule, seed), schedule, seed) for seed in config.seeds]
    return side_by_side.make(config, specs, out, hooks, say, experiment)


def unused(config: ScheduledConfig) -> dict[str, str | None]:
    """Settings without effect (see Study.unused)."""
    from scalax.unused import of_schedule, of_shapes

    shapes = [stage.shape for stage in config.schedule.stages]
    return {**of_schedule(config.schedule, config.run), **of_shapes(shapes)}


STUDY = Study("scheduled", ScheduledConfig, RunsResult, run, side_by_side.report, unused=unused)
