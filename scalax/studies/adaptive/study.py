"""The run of an adaptive study: each ladder of shapes in turn, with what they share opened once."""

from collections.abc import Callable, Sequence
from typing import Any

from etils import epath

from scalax import train, typed
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies.adaptive import fits, online, tuning
from scalax.studies.adaptive.config import AdaptiveConfig
from scalax.studies.adaptive.ladder import TrainRuns, make_ladder
from scalax.studies.adaptive.result import AdaptiveResult, ShapeCost
from scalax.studies.protocol import Device


def run(
    config: AdaptiveConfig, out: Any, hooks: Sequence[Any] = (), say: Callable[[str], None] = print
) -> AdaptiveResult:
    """Do what is missing of the study in directory `out` (see Study.run).

    - config: of the study.
    - out: its directory.
    - hooks: train.Hook of all training.
    - say: shows a line of text.
    """
    config = config.scaled()
    law = fits.form(config.law)  # a bad law, shape or budget is found before anything is trained
    experiment = train.open_experiment(config.run)
    for line in experiment.said():
        say(line)
    experiment.evaluator.check(config.metric)
    example_flops: dict[str, dict[Shape, float]] = {}
    for name, shapes in config.ladders().items():
        for shape in shapes:
            train.check(experiment, Schedule((Stage(shape, config.run.budget_flops),)))
        example_flops[name] = {s: experiment.cost(s).step.flops / config.run.batch_size for s in shapes}
        tuning.check_budget(config, shapes, lambda s, batch: experiment.cost(s, batch).step.flops)
        if config.online:
            online.planner(config, example_flops[name])
    costs: dict[str, ShapeCost] = {}

    def trainer(experiment: train.Experiment, directory: str, lenient: bool = False) -> TrainRuns:
        """Trains runs in a directory; gives the records of each, with `lenient` None of one that failed."""

        def train_runs(specs: Sequence[train.RunSpec]) -> list[list[RunRecord] | None]:
            runs = train.execute(experiment, specs, epath.Path(out) / directory, hooks, say, lenient)
            for run in runs.values():
                costs.update(typed.from_json(dict[str, ShapeCost], run.info.costs, directory))
            return [runs[spec.name].records if spec.name in runs else None for spec in specs]

        return train_runs

    train_runs = trainer(experiment, "runs")
    train_candidates = trainer(experiment.evaluated(tuning.evaluation(config)), "tuning", lenient=True)
    made = {
        name: make_ladder(config, name, of_ladder, experiment.targets, train_runs, train_candidates)
        for name, of_ladder in example_flops.items()
    }
    return AdaptiveResult(
        config=config,
        device=Device(**train.device()),
        versions=train.versions(),
        examples=experiment.examples,
        costs=costs,
        law=law,
        ladders=made,
    )
