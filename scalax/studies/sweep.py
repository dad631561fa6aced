"""Runs side by side: every shape, learning rate, weight decay and seed."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from scalax import bounds, metrics
from scalax.config import OptimConfig, RunConfig, at_least, positive
from scalax.errors import UserError
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies import naming, side_by_side
from scalax.studies.protocol import Study
from scalax.studies.resolutions import grids
from scalax.studies.side_by_side import RunsResult


@dataclasses.dataclass(frozen=True)
class SweepConfig:
    """Runs of every shape with every learning rate, weight decay and seed, and what they reach.

    Runs of one shape may train as one program, whatever rates and decays they have (population).

    Attributes:
      run: what all runs share.
      name: names the default output directory, runs/NAME.
      patches: patch sizes in pixels, of each model in model.names (1 for ResNets).
      resolutions: sides in pixels that images are resized to, at most data.image_size; empty takes that.
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
    resolutions: tuple[int, ...] = ()
    lrs: tuple[float, ...] = ()
    weight_decays: tuple[float, ...] = ()
    lr_heads: tuple[float, ...] = ()
    weight_decays_head: tuple[float, ...] = ()
    seeds: tuple[int, ...] = (0,)
    metric: str = "val_error"

    def __post_init__(self):
        bounds.numbers(self)
        for lr in self.lrs:
            positive("lrs", lr)
        for name in ("weight_decays", "lr_heads", "weight_decays_head"):
            for value in getattr(self, name):
                at_least(name, value, 0)
        for name in ("patches", "lrs", "weight_decays", "lr_heads", "weight_decays_head"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise UserError(f"{name} must be different values, got {values}")
        if not self.patches:
            raise UserError("patches is empty; name at least one")
        bounds.seeds("seeds", self.seeds)
        metrics.get(self.metric)
        self.shapes()

    def shapes(self) -> list[Shape]:
        model = self.run.model
        size = self.run.data.image_size
        return [
            model.shape(name, *grid)
            for name in model.names
            for grid in grids(self.patches_of(name), self.resolutions, size)
        ]

    def patches_of(self, name: str) -> tuple[int, ...]:
        """Of the model: the one in its name, where it says one."""
        own = self.run.model.patch_of(name)
        return self.patches if own is None else (own,)

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


def unused(config: SweepConfig) -> dict[str, str | None]:
    """Settings without effect (see Study.unused)."""
    from scalax.unused import of_constant_shape, of_shapes, of_swept

    names = ("lrs", "weight_decays", "lr_heads", "weight_decays_head")
    found: dict[str, str | None] = {**of_constant_shape(), **of_shapes(config.shapes())}
    found |= of_swept({name: getattr(config, name) for name in names})
    model = config.run.model
    if all(model.patch_of(name) for name in model.names):
        found["patches"] = "to models whose names say their patch"
    return found


STUDY = Study("sweep", SweepConfig, RunsResult, run, side_by_side.report, unused=unused)
