"""What a study of transfer may set."""

import dataclasses

from scalax import bounds
from scalax.config import RunConfig, at_least, inside, positive
from scalax.errors import UserError
from scalax.schedule import Shape


@dataclasses.dataclass(frozen=True)
class HeadConfig:
    """Runs of the study's first model that differ in the head's decay and learning rate, and in seed.

    Attributes:
      decays: weight decays of the head; empty leaves this part out.
      lr_heads: multipliers of the head's learning rate.
      seeds: each is a run of its own.
      epochs: passes over all training images.
      finetune: names of the sets that the runs of least and greatest decay are fine-tuned on.
      finetune_steps: updates of each.
      finetune_lr: its learning rate.
    """

    decays: tuple[float, ...] = ()
    lr_heads: tuple[float, ...] = (1.0,)
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: float = 4.0
    finetune: tuple[str, ...] = ()
    finetune_steps: int = 100
    finetune_lr: float = 0.01

    def __post_init__(self):
        bounds.numbers(self, "head.")
        for name in ("decays", "lr_heads"):
            for value in getattr(self, name):
                at_least(f"head.{name}", value, 0)
        bounds.seeds("head.seeds", self.seeds)
        for name in ("decays", "lr_heads"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise UserError(f"head.{name} must be different values, got {values}")
        if not self.lr_heads:
            raise UserError("head.lr_heads is empty; name at least one")
        if 0 < len(self.decays) < 3:
            raise UserError(f"head.decays: want none, or three and more, got {self.decays}")
        positive("head.epochs", self.epochs)
        positive("head.finetune_lr", self.finetune_lr)
        at_least("head.finetune_steps", self.finetune_steps, 1)


@dataclasses.dataclass(frozen=True)
class TransferConfig:
    """What upstream error buys downstream: models trained on one data set, probed on many others.

    Attributes:
      run: what all runs share: the upstream data, the models and their optimiser; the budget of a run comes
        from its epochs.
      name: names the default output directory, runs/NAME.
      patch: in pixels, of the models that have patches.
      sets: downstream image sets, NAME=PATH or the name of a downstream task (data.named).
      shares: of the training images; every model is trained on each. Empty leaves this part out.
      epochs: passes over that share; every model is trained for each.
      random_runs: further runs whose model, share, epochs, learning rates and decays are drawn at random.
      seed: of those draws, and of the runs.
      shots: images a class that probes learn from.
      draws: fixed draws of the shots.
      best_shots: number of shots by which the best layer is chosen, one of `shots`.
      max_test: test on so many images of each set; 0 takes all.
      head: the part that sweeps the head's decay and learning rate.
      scale: multiplies all epochs.
    """

    run: RunConfig = dataclasses.field(default_factory=RunConfig)
    name: str = "transfer"
    patch: int = 8
    sets: tuple[str, ...] = ()
    shares: tuple[float, ...] = (0.1, 0.3, 1.0)
    epochs: tuple[float, ...] = (2.0, 6.0)
    random_runs: int = 24
    seed: int = 0
    shots: tuple[int, ...] = (1, 5, 10, 20)
    draws: int = 3
    best_shots: int = 10
    max_test: int = 0
    head: HeadConfig = dataclasses.field(default_factory=HeadConfig)
    scale: float = 1.0

    def __post_init__(self):
        bounds.numbers(self)
        positive("scale", self.scale)
        positive("patch", self.patch)
        bounds.seed("seed", self.seed)
        for share in self.shares:
            inside("shares", share, 0, 1 + 1e-9)
        for epochs in self.epochs:
            positive("epochs", epochs)
        at_least("random_runs", self.random_runs, 0)
        at_least("draws", self.draws, 1)
        if self.shares and not self.epochs:
            raise UserError("epochs is empty; name at least one")
        if not self.shares and not self.head.decays:
            raise UserError("shares and head.decays are both empty; name some of one of them")
        if not self.shots or min(self.shots) < 1:
            raise UserError(f"shots must be positive, got {self.shots}")
        if self.best_shots not in self.shots:
            raise UserError(f"best_shots {self.best_shots} is not one of shots, {self.shots}")

    def scaled(self) -> "TransferConfig":
        """The same with the scale worked into the epochs."""
        head = dataclasses.replace(self.head, epochs=self.head.epochs * self.scale)
        epochs = tuple(each * self.scale for each in self.epochs)
        return dataclasses.replace(self, epochs=epochs, head=head, scale=1.0)

    def shapes(self) -> list[Shape]:
        """Of the models, in order; patch 1 for those that have none."""
        from scalax.models import find

        model, found = self.run.model, []
        for name in model.names:
            shape = model.shape(name)
            family, _ = find(str(shape))
            patch = model.patch_of(name) or self.patch
            found.append(shape._replace(patch=patch) if "patch" in family.axes else shape)
        return found
