"""What tests of training share: a small experiment on digits, and evaluations of any kind."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

from scalax import records, train
from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.evals import Evaluator, Validation, evaluations
from scalax.records import Run
from scalax.schedule import Schedule, Shape, Stage
from scalax.train import Experiment, Member

LARGE, SMALL = Shape(4, 8, 1), Shape(2, 8, 1)
CONFIG = RunConfig(
    data=DataConfig(max_train_images=64, max_validation_images=40),
    model=ModelConfig(base_patch=2, base_grid=2),
    optim=OptimConfig(lr=1e-2, warmup_steps=2),
    eval=EvalConfig(points=3, batch_size=32, shots=0),
    batch_size=8,
    checkpoint_steps=3,
)


@dataclasses.dataclass(frozen=True)
class Measured:
    """An evaluation that a function makes, from scalax.evals.Outputs to metrics."""

    measure: Callable
    name: str = ""
    every: int = 1
    layers: tuple[str, ...] = ()

    def measured(self, task: Any) -> tuple[str, ...]:
        return ()

    def prepare(self, context: Any) -> Callable:
        return self.measure


def two_stages(experiment: Experiment, large: float = 4.3, small: float = 3.9) -> Schedule:
    """So many steps at patch 4, then at patch 2; what is after the point buys none."""
    first, second = experiment.cost(LARGE).step.flops, experiment.cost(SMALL).step.flops
    return Schedule((Stage(LARGE, large * first), Stage(SMALL, int(large) * first + small * second)))


def train_group(
    experiment: Experiment,
    schedule: Schedule,
    members: Sequence[Member],
    hooks: Sequence[train.Hook] = (),
    measure: Callable | None = None,
    **options: Any,
) -> list[Run]:
    """Train the members together, evaluated by the config or by `measure`; returns the runs as read back."""
    parts = evaluations(experiment.config) if measure is None else [Measured(measure)]
    evaluator = Evaluator(parts, experiment.task, experiment.splits, experiment.load)
    train.run(experiment, schedule, members, lambda: evaluator, hooks, **options)
    return [records.read_run(member.path) for member in members]


def train_one(
    experiment: Experiment, schedule: Schedule, seed: int, directory: Any, *more: Any, **options: Any
) -> Run:
    """The same for a run alone."""
    return train_group(experiment, schedule, [Member(directory, seed)], *more, **options)[0]


@functools.cache
def toy_experiment() -> Experiment:
    """Of CONFIG: one for all files that a worker takes, so that its programs are made once."""
    return train.open_experiment(CONFIG)


def with_config(experiment: Experiment, **changes: Any) -> Experiment:
    """Another experiment on the same data; with the same programs where no change touches them."""
    config = dataclasses.replace(experiment.config, **changes)
    if changes and _same_programs(experiment.config, config):
        return dataclasses.replace(experiment, config=config)
    return train.open_experiment(config, experiment.splits)


def _same_programs(config: RunConfig, other: RunConfig) -> bool:
    def without(config: RunConfig) -> RunConfig:
        optim = dataclasses.replace(
            config.optim, lr=1.0, on_nonfinite="stop", schedule="constant", cooldown_share=0.2
        )
        same = {"eval": CONFIG.eval, "population": "auto", "checkpoint_steps": 1}
        return dataclasses.replace(config, optim=optim, **same)

    return without(config) == without(other)


def validation(experiment: Experiment) -> Evaluator:
    return Evaluator([Validation()], experiment.task, experiment.splits, experiment.load)
