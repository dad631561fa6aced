"""What a sweep of runs may set."""

import dataclasses
import itertools
from typing import ClassVar

from scalax.config import OptimConfig, RunConfig, at_least, positive
from scalax.errors import UserError
from scalax.schedule import Shape


@dataclasses.dataclass(frozen=True)
class SweepConfig(RunConfig):
    """Runs of every shape with every learning rate, weight decay and seed, and what they reach.

    Attributes:
      name: names the default output directory, runs/NAME.
      patches: patch sizes in pixels, of each model in model.names (1 for ResNets).
      lrs: learning rates; empty takes optim.lr.
      weight_decays: empty takes optim.weight_decay.
      seeds: each is a run of its own.
      metric: what the report shows.
    """

    study: ClassVar[str] = "sweep"
    name: str = "sweep"
    patches: tuple[int, ...] = (4,)
    lrs: tuple[float, ...] = ()
    weight_decays: tuple[float, ...] = ()
    seeds: tuple[int, ...] = (0,)
    metric: str = "val_error"

    def __post_init__(self):
        super().__post_init__()
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
        self.shapes()

    def shapes(self) -> list[Shape]:
        return [
            self.model.shape(name, patch) for name, patch in itertools.product(self.model.names, self.patches)
        ]

    def optims(self) -> list[OptimConfig]:
        values = itertools.product(
            self.lrs or (self.optim.lr,), self.weight_decays or (self.optim.weight_decay,)
        )
        return [dataclasses.replace(self.optim, lr=lr, weight_decay=decay) for lr, decay in values]
