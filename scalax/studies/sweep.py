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

    Runs of one shape may train as one program, whatever rates and decays they have (population).

    Attributes:
      run: what all runs share.
      name: names the default output directory, runs/NAME.
      patches: patch sizes in pixels, of each model in model.names (1 for ResNets).
      lrs: learning rates; empty takes optim.lr.
      weight_decays: empty takes optim.weight_decay.
      lr_heads: multipliers of the head's learning rate; empty takes optim.lr_head.
      weight_decays_head: of the head; empty takes optim.weight_decay_head.
      seeds: each is a run of its own.
      metric: what the report shows (scalax.metrics).
    """

    run: RunConfig = dataclasses.field(default_factory=RunConfig)
    name: str = "sweep"
    patches: tuple[int, ...] = (4,)
    lrs: tuple[float, ...] = ()
    weight_decays: tuple[float, ...] = ()
    lr_heads: tuple[float, ...] = ()
    weight_decays_head: tuple[float, ...] = ()
    seeds: tuple[int, ...] = (0,)
    metric: str = "val_error"

    def __post_init__(self):
        for lr in self.lrs:
            positive("lrs", lr)
        for name in ("weight_decays", "lr_heads", "weight_decays_head"):
            for value in getattr(self, name):
                at_least(name, value, 0)
        for name in ("patches", "lrs", "weight_decays", "lr_heads", "weight_decays_head", "seeds"):
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
        fields = {
            "lr": self.lrs,
            "weight_decay": self.weight_decays,
            "lr_head": self.lr_heads,
            "weight_decay_head": self.weight_decays_head,
        }
        choices = [values or (getattr(optim, name),) for name, values in fields.items()]
        return [
            dataclasses.replace(optim, **dict(zip(fields, values, strict=True)))
            for values in itertools.product(*choices)
        ]


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
            naming.swept_run(shape, optim, seed, config.run.optim),
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
