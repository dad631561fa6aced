"""What a study of adaptive shapes may set."""

import dataclasses
import math
from typing import ClassVar, Literal, get_args

from scalax.config import RunConfig, at_least, between, divisors, positive
from scalax.errors import UserError
from scalax.schedule import Shape

Metric = Literal["val_error", "val_loss", "fewshot_error"]
METRICS: tuple[str, ...] = get_args(Metric)
LEAST_POINTS = 6  # of a curve, for a law of four parameters


@dataclasses.dataclass(frozen=True)
class TuneConfig:
    """A greedy search for each shape: the learning rate, then the batch size, then the weight decay.

    Attributes:
      share: of the budget that each candidate spends; 0 searches nothing and takes the config's settings.
      lrs: learning rates; empty leaves the config's.
      batch_sizes: images a step, likewise.
      weight_decays: likewise.
    """

    share: float = 0.0
    lrs: tuple[float, ...] = ()
    batch_sizes: tuple[int, ...] = ()
    weight_decays: tuple[float, ...] = ()

    def __post_init__(self):
        if not 0 <= self.share <= 1:
            raise UserError(f"tune.share must lie in 0..1, got {self.share}")
        for lr in self.lrs:
            positive("tune.lrs", lr)
        for batch in self.batch_sizes:
            positive("tune.batch_sizes", batch)
        for decay in self.weight_decays:
            at_least("tune.weight_decays", decay, 0)


@dataclasses.dataclass(frozen=True)
class AdaptiveConfig(RunConfig):
    """Static runs of each shape, their laws, and runs that change their shape by them.

    Attributes:
      name: names the default output directory, runs/NAME.
      patches: patch sizes in pixels, of each model in model.names.
      joint: all models and patch sizes are one family, in which a model grows in width and depth too; else
        each model is a family of its patch sizes.
      seeds: everything is trained once a seed.
      tune: the search for the hyper-parameters of each shape, made before with the first seed.
      metric: what the laws describe. Errors are shares of images, val_loss is cross-entropy in nats.
      law_first_share: measurements before this share of the budget are left out of the laws (warm-up).
      replans: train a first run by the plan, with a seed of its own, and plan again with what its changes of
        shape did (FLOPs until the error was back, and how fast it fell then), so many times; the best of
        these runs gives the plan. Their FLOPs are part of the cost of planning. 0 plans by the laws alone.
      online: train runs as well that plan as they go, without static runs.
      baselines: schedules to hold the plan against: linear, logarithmic, random, flexi.
      targets: how many values of the metric the comparison is made at, evenly spaced in log.
      targets_first_share: they begin below the best that a static run has at this share of the budget.
      scale: multiplies the budget.
      device_watts: power of one device, for the energy; 0 takes what is known of it.
    """

    study: ClassVar[str] = "adaptive"
    name: str = "adaptive"
    patches: tuple[int, ...] = (4, 2, 1)
    joint: bool = False
    seeds: tuple[int, ...] = (0,)
    tune: TuneConfig = dataclasses.field(default_factory=TuneConfig)
    metric: Metric = "val_error"
    law_first_share: float = 0.02
    replans: int = 0
    online: bool = False
    baselines: tuple[Literal["linear", "logarithmic", "random", "flexi"], ...] = ()
    targets: int = 5
    targets_first_share: float = 0.04
    scale: float = 1.0
    device_watts: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        if len(set(self.patches)) < len(self.patches) or not self.patches:
            raise UserError(f"patches must be different sizes, got {self.patches}")
        for patch in self.patches:
            positive("patches", patch)
            if self.data.image_size % patch:
                raise UserError(
                    f"patches: {patch} does not divide data.image_size {self.data.image_size};"
                    f" choose from {divisors(self.data.image_size)}"
                )
        for family, shapes in self.families().items():
            if len(shapes) < 2:
                raise UserError(
                    f"{family}: a study needs two shapes or more; add patches, or models with --joint"
                )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"seeds must be one or more different numbers, got {self.seeds}")
        if self.metric == "fewshot_error" and not self.eval.shots:
            raise UserError("metric fewshot_error needs eval.shots of 1 or more, got 0")
        if any(not 0 <= seed < 1000 for seed in self.seeds):
            raise UserError(f"seeds must lie in 0..999, got {self.seeds}")
        between("law_first_share", self.law_first_share, 0.0, 1.0)
        between("targets_first_share", self.targets_first_share, 0.0, 1.0)
        usable = math.log(self.law_first_share) / math.log(self.eval.first_share) * (self.eval.points - 1)
        if usable < LEAST_POINTS:
            raise UserError(
                f"eval.points {self.eval.points}: about {usable:.0f} evaluations after law_first_share"
                f" {self.law_first_share:g} are too few for a law; raise it to have {LEAST_POINTS}"
            )
        at_least("replans", self.replans, 0)
        positive("targets", self.targets)
        positive("scale", self.scale)
        at_least("device_watts", self.device_watts, 0)
        if self.online and self.joint and len(self.model.names) > 1 and len(self.patches) > 1:
            raise UserError("online goes from each shape to the next; give it one axis, or leave out --joint")
        if "flexi" in self.baselines and self.joint and len(self.model.names) > 1:
            raise UserError("baselines: flexi draws patch sizes of one model; leave it out with --joint")

    def families(self) -> dict[str, tuple[Shape, ...]]:
        """The shapes that one run may go through, by a name for them, in the order they may follow."""
        by_name = {
            name: tuple(self.model.shape(name, patch) for patch in sorted(self.patches, reverse=True))
            for name in self.model.names
        }
        if not self.joint:
            return by_name
        return {"joint": tuple(shape for shapes in by_name.values() for shape in shapes)}

    def scaled(self) -> "AdaptiveConfig":
        """The same with the scale worked into the budget."""
        return dataclasses.replace(self, budget_flops=self.budget_flops * self.scale, scale=1.0)
