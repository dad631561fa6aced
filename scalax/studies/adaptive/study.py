"""The run of an adaptive study: each ladder of shapes in turn, with what they share opened once."""

from collections.abc import Callable, Sequence
from typing import Any

from etils import epath

from scalax import records, train, typed
from scalax.errors import UserError
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies.adaptive import beforehand, fits, online, tuning
from scalax.studies.adaptive.config import EFFICIENTTRAIN, AdaptiveConfig
from scalax.studies.adaptive.cooled import Trunks
from scalax.studies.adaptive.ladder import TrainRuns, make_ladder
from scalax.studies.adaptive.result import AdaptiveResult, ShapeCost
from scalax.studies.adaptive.specs import Specs
from scalax.studies.protocol import Device
from scalax.tasks import Worded


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
    experiment_of = {
        "runs": experiment,
        "tuning": experiment.evaluated(tuning.evaluation(config)),
        "cooled": experiment.cooling_down(),
    }
    if EFFICIENTTRAIN in config.baselines:
        experiment_of[EFFICIENTTRAIN] = experiment.of_low_frequencies()
    example_flops: dict[str, dict[Shape, float]] = {}
    for name, shapes in config.ladders().items():
        for shape in shapes:
            alone = Schedule((Stage(shape, config.run.budget_flops),))
            train.check(experiment, alone)
            for share in config.cooldowns:
                budget = share * config.run.budget_flops
                try:
                    train.cooled(experiment, alone, config.run.optim, budget)
                except UserError as e:
                    raise UserError(f"cooldowns: a share of {share:g} is too little: {e}") from None
        example_flops[name] = {s: experiment.cost(s).step.flops / config.run.batch_size for s in shapes}
        tuning.check_budget(config, shapes, lambda s, batch: experiment.cost(s, batch).step.flops)
        if config.online:
            online.planner(config, example_flops[name])
    for directory, spec in beforehand.first_specs(config, example_flops):
        where = epath.Path(out) / directory
        if records.is_finished(where / spec.name):
            train.read(experiment_of[directory], spec, where)  # raises for one of another config
    wanted, seconds = beforehand.wanted(config, out), 0.0
    if wanted.flops:
        seconds = beforehand.seconds(
            config, experiment, list(example_flops.values()), wanted.flops, epath.Path(out) / "runs"
        )
        say(beforehand.said(wanted, seconds))
    for hook in hooks:
        hook.study(wanted.flops, seconds)
    costs: dict[str, ShapeCost] = {}

    def trainer(directory: str, lenient: bool = False) -> TrainRuns:
        """Trains runs in a directory; gives the records of each, with `lenient` None of one that failed."""

        def train_runs(specs: Sequence[train.RunSpec]) -> list[list[RunRecord] | None]:
            where = epath.Path(out) / directory
            runs = train.execute(experiment_of[directory], specs, where, hooks, say, lenient)
            for run in runs.values():
                costs.update(typed.from_json(dict[str, ShapeCost], run.info.costs, directory))
            return [runs[spec.name].records if spec.name in runs else None for spec in specs]

        return train_runs

    def train_cooled(specs: Specs, trunks: Trunks) -> list[list[list[RunRecord]]]:
        budget, optim = config.run.budget_flops, experiment_of["cooled"].config.optim
        found: dict[str, train.RunSpec] = {}
        names = []
        for trunk, schedule in trunks:
            where = str(epath.Path(out) / "runs" / trunk.name)
            of_trunk = [
                specs.cooled(trunk, train.cooled(experiment, schedule, optim, share * budget), share, where)
                for share in sorted(config.cooldowns)
            ]
            found = {spec.name: spec for spec in of_trunk} | found  # two trunks may share a start
            names.append([spec.name for spec in of_trunk])
        runs = dict(zip(found, trainer("cooled")(list(found.values())), strict=True))
        return [[runs[name] for name in of_trunk] for of_trunk in names]

    trainers = {name: trainer(name, lenient=name == "tuning") for name in experiment_of}
    made = {
        name: make_ladder(config, name, of_ladder, experiment.targets, trainers, train_cooled)
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
        unit=experiment.task.unit,
        units=dict(experiment.task.units) if isinstance(experiment.task, Worded) else {},
    )
