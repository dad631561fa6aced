"""Runs side by side: every shape, learning rate, weight decay and seed."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from scalax import metrics
from scalax.config import OptimConfig, RunConfig, at_least, positive
from scalax.errors import UserError
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies import naming, side_by_side
from scalax.studies.protocol import Study
from scalax.studies.side_by_side import RunsResult


@dataclasses.dataclass(frozen=True)
class SweepConfig:
    """Runs of every shape with every learning rate, weight decay and seed, and what they reach.

    Attributes:
      run: what all runs share.
      name: names the default output directory, runs/NAME.
      patches: patch sizes in pixels, of each model in model.names (1 for ResNets).
      lrs: learning rates; empty takes optim.lr.
      weight_decays: empty takes optim.weight_decay.
      seeds: each is a run of its own.
      metric: what the report shows (scalax.metrics).
    """

    run: RunConfig = dataclasses.field(default_factory=RunConfig)
    name: str = "sweep"
    patches: tuple[int, ...] = (4,)
    lrs: tuple[float, ...] = ()
    weight_decays: tuple[float, ...] = ()
    seeds: tuple[int, ...] = (0,)
    metric: str = "val_error"

    def __post_init__(self):
        for lr in self.lrs:
            positive("lrs", lr)
        for decay in self.weight_decays:
            at_least("weight_decays", decay, 0)
        for name in ("patches", "lrs", "weight_decays", "seeds"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise UserError(f"{name} must be different values, got {values}")
        for name in ("patches", "seeds"):
            if not getattr(self, name):
                raise UserError(f"{name} is empty; name at least one")
        metrics.get(self.metric)
        self.shapes()

    def shapes(self) -> list[Shape]:
        model = self.run.model
        return [model.shape(name, patch) for name, patch in itertools.product(model.names, self.patches)]

    def optims(self) -> list[OptimConfig]:
        optim = self.run.optim
        values = itertools.product(self.lrs or (optim.lr,), self.weight_decays or (optim.weight_decay,))
        return [dataclasses.replace(optim, lr=lr, weight_decay=decay) for lr, decay in values]


def run(
    config: SweepConfig, out: Any, hooks: Sequence[Any] = (), say: Callable[[str], None] = print
) -> RunsResult:
    """Do what is missing in directory `out` (see Study.run).

    - config: of the study.
    - out: its directory.
    - hooks: train.Hook of all training.
    - say: shows a line of text.
    """
    from scalax.train import RunSpec

    specs = [
        RunSpec(
            naming.swept_run(shape, optim, seed),
            Schedule((Stage(shape, config.run.budget_flops),)),
            seed,
            optim,
        )
        for shape in config.shapes()
        for optim in config.optims()
        for seed in config.seeds
    ]
    return side_by_side.make(config, specs, out, hooks, say)


STUDY = Study("sweep", SweepConfig, RunsResult, run, side_by_side.report)
