"""What a study of adaptive shapes may set."""

import dataclasses
import math
from typing import Literal

from scalax import bounds, metrics
from scalax.config import RunConfig, at_least, divisors, inside, positive
from scalax.errors import UserError
from scalax.schedule import Shape
from scalax.studies.resolutions import grids

EFFICIENTTRAIN = "efficienttrain"  # the baseline whose images are resized otherwise than those of the others
LEAST_POINTS = 6  # of a curve, for a law of four parameters


@dataclasses.dataclass(frozen=True)
class TuneConfig:
    """A greedy search for each shape: the learning rate, then the batch size, then the weight decay.

    Attributes:
      share: of the budget that each candidate spends; 0 searches nothing and takes the config's settings.
      lrs: learning rates; empty leaves the config's.
      batch_sizes: examples a step; empty leaves the config's.
      weight_decays: weight decays of the body; empty leaves the config's.
    """

    share: float = 0.0
    lrs: tuple[float, ...] = ()
    batch_sizes: tuple[int, ...] = ()
    weight_decays: tuple[float, ...] = ()

    def __post_init__(self):
        bounds.numbers(self, "tune.")
        if not 0 <= self.share <= 1:
            raise UserError(f"tune.share must lie between 0 and 1, got {self.share}")
        for lr in self.lrs:
            positive("tune.lrs", lr)
        for batch in self.batch_sizes:
            positive("tune.batch_sizes", batch)
        for decay in self.weight_decays:
            at_least("tune.weight_decays", decay, 0)


@dataclasses.dataclass(frozen=True)
class AdaptiveConfig:
    """Static runs of each shape, their laws, and runs that change their shape by them.

    Attributes:
      run: what all runs share.
      name: names the default output directory, runs/NAME.
      patches: patch sizes in pixels, of each model in model.names; 1 for families without patches.
      resolutions: sides in pixels that images are resized to, at most data.image_size; empty takes that.
      joint: all models, patch sizes and resolutions are one ladder, on which a model grows in width and depth
        too; else each model is a ladder of its patch sizes or resolutions.
      seeds: everything is trained once a seed.
      tune: the search for the hyper-parameters of each shape, which comes first and uses the first seed.
      metric: what the laws describe, e.g. val_error, val_loss or fewshot_error (scalax.metrics).
      law: the law of each shape that plans go by (scalax.laws).
      carry: what plans take a run to keep when it changes its shape. error: it goes on at the error that it
        had, by the law of the new shape (the paper). examples: it nears the error of a run that had the new
        shape from its first example on (plan.fewest_flops); for patch sizes and resolutions.
      law_first_share: measurements before this share of the budget are left out of the laws (warm-up).
      replans: how often to improve the plan. Each time, a pilot run (with a seed of its own) is trained by
        the plan, and the plan is made again with what the pilot's changes of shape did: the FLOPs until the
        metric recovered, and how fast it fell from there; or the lag, where plans carry examples. The plan of
        the best pilot is kept. Pilots count as cost of planning. 0 plans by the laws alone.
      online: also train runs that plan as they go, without static runs.
      baselines: schedules to compare the plan with: linear, logarithmic, random, flexi (patch sizes),
        progressive and efficienttrain (resolutions; the latter on images of their lowest frequencies).
      cooldowns: shares of the budget at which runs end whose learning rate falls to zero over the last
        optim.cooldown_share of their FLOPs. They branch off each run that is compared, and keep the shape
        that it has there; they are compared with each other, and with the runs at a constant rate. Empty
        trains none.
      shifts: also train the plan with the FLOPs at which it changes its shape times each of these factors.
      fewer_shapes: also train the plan of so many of the shapes alone, evenly spaced from the cheapest to the
        dearest: what closer shapes are worth. By the laws, without pilots.
      targets: how many values of the metric the comparison is made at, evenly spaced in log.
      targets_first_share: targets begin below the best value of the static runs at this share of the budget.
      scale: multiplies the budget.
      device_watts: power of one device, for the energy; 0 takes what is known of it.
    """

    run: RunConfig = dataclasses.field(default_factory=RunConfig)
    name: str = "adaptive"
    patches: tuple[int, ...] = (4, 2, 1)
    resolutions: tuple[int, ...] = ()
    joint: bool = False
    seeds: tuple[int, ...] = (0,)
    tune: TuneConfig = dataclasses.field(default_factory=TuneConfig)
    metric: str = "val_error"
    law: str = "shifted_power"
    carry: Literal["error", "examples"] = "error"
    law_first_share: float = 0.02
    replans: int = 0
    online: bool = False
    baselines: tuple[
        Literal["linear", "logarithmic", "random", "flexi", "progressive", "efficienttrain"], ...
    ] = ()
    cooldowns: tuple[float, ...] = ()
    shifts: tuple[float, ...] = ()
    fewer_shapes: tuple[int, ...] = ()
    targets: int = 5
    targets_first_share: float = 0.04
    scale: float = 1.0
    device_watts: float = 0.0

    def __post_init__(self):
        bounds.numbers(self)
        if len(set(self.patches)) < len(self.patches) or not self.patches:
            raise UserError(f"patches must be different sizes, got {self.patches}")
        for patch in self.patches:
            positive("patches", patch)
            if not self.resolutions and self.run.data.image_size % patch:
                raise UserError(
                    f"patches: {patch} does not divide data.image_size {self.run.data.image_size};"
                    f" choose from {divisors(self.run.data.image_size)}"
                )
        for name in self.run.model.names:
            own = self.run.model.patch_of(name)
            if own is not None and own not in self.patches:
                raise UserError(f"patches: {self.patches} lack {own}, the patch of {name}; add it")
        models = self.run.model.names if self.joint else ()
        axes = [values for values in (models, self.patches, self.resolutions) if len(values) > 1]
        if len(axes) > 1 and not self.joint:
            raise UserError(
                f"patches {self.patches} and resolutions {self.resolutions} both change; keep one of either,"
                " or set joint"
            )
        for ladder, shapes in self.ladders().items():
            if len(shapes) < 2:
                raise UserError(
                    f"{ladder}: a ladder needs two shapes or more; add patches or resolutions, or set joint"
                    " and add models"
                )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"seeds must be one or more different numbers, got {self.seeds}")
        metrics.get(self.metric)
        if not metrics.planned([self.metric]):
            raise UserError(
                f"metric {self.metric!r}: laws and plans are made for what falls towards 0; choose another"
            )
        if any(not 0 <= seed < 1000 for seed in self.seeds):
            raise UserError(f"seeds must lie between 0 and 999, got {self.seeds}")
        inside("law_first_share", self.law_first_share, 0.0, 1.0)
        inside("targets_first_share", self.targets_first_share, 0.0, 1.0)
        evaluation = self.metric.rpartition("/")[0]
        every = next((each.every for each in self.run.eval.more if each.name == evaluation), 1)
        share = math.log(self.law_first_share) / math.log(self.run.eval.first_share)
        usable = share * (self.run.eval.points - 1) / every
        if usable < LEAST_POINTS:
            raise UserError(
                f"eval.points {self.run.eval.points}: about {usable:.1f} evaluations of {self.metric} lie"
                f" after law_first_share {self.law_first_share:g}, and a law needs {LEAST_POINTS};"
                " raise eval.points"
            )
        at_least("replans", self.replans, 0)
        positive("targets", self.targets)
        positive("scale", self.scale)
        at_least("device_watts", self.device_watts, 0)
        self._check_cooldowns()
        for factor in self.shifts:
            positive("shifts", factor)
        if len(set(self.shifts)) < len(self.shifts) or 1.0 in self.shifts:
            raise UserError(f"shifts must be different factors, and none of them 1, got {self.shifts}")
        least = min(map(len, self.ladders().values()))
        for count in self.fewer_shapes:
            if not 2 <= count < least:
                raise UserError(f"fewer_shapes must be at least 2 and below {least}, got {count}")
        if len(set(self.fewer_shapes)) < len(self.fewer_shapes):
            raise UserError(f"fewer_shapes must be different numbers, got {self.fewer_shapes}")
        if self.carry == "examples" and len(models) > 1:
            raise UserError(
                "carry examples is for patch sizes and resolutions; choose error for widths and depths, or"
                " name one model"
            )
        if self.online and len(axes) > 1:
            raise UserError(
                "online changes along one axis; choose one model, patch size or resolution, or set joint to"
                " False"
            )
        if "flexi" in self.baselines and self.joint and len(self.run.model.names) > 1:
            raise UserError(
                "baselines: flexi draws patch sizes of one model; leave flexi out, or set joint to False"
            )
        if "flexi" in self.baselines and len(self.resolutions) > 1:
            raise UserError(
                "baselines: flexi draws patch sizes at one resolution; leave flexi out, or name one of these"
            )
        for name in self.baselines:
            if name in ("progressive", EFFICIENTTRAIN) and axes != [self.resolutions]:
                raise UserError(
                    f"baselines: {name} changes the resolution alone; leave {name} out, or name two"
                    " resolutions or more and one patch"
                )

        if EFFICIENTTRAIN in self.baselines and self.run.data.resize == "frequencies":
            raise UserError(
                f"baselines: {EFFICIENTTRAIN} has the images that data.resize frequencies gives all runs;"
                " leave one of them out"
            )

    def _check_cooldowns(self) -> None:
        if not self.cooldowns:
            return
        if len(set(self.cooldowns)) < len(self.cooldowns) or len(self.cooldowns) < 2:
            raise UserError(f"cooldowns must be two or more different shares, got {self.cooldowns}")
        if any(not 0 < share <= 1 for share in self.cooldowns):
            raise UserError(f"cooldowns must lie above 0 and be 1 at most, got {self.cooldowns}")
        if EFFICIENTTRAIN in self.baselines:
            raise UserError(f"cooldowns are not made of {EFFICIENTTRAIN}; leave one of them out")
        if self.run.optim.schedule != "constant":
            raise UserError(
                f"cooldowns need runs at a constant rate, and optim.schedule is {self.run.optim.schedule};"
                " leave one of them out"
            )

    @property
    def first_flops(self) -> float:
        """Training FLOPs from which on measurements count for the laws."""
        return self.law_first_share * self.run.budget_flops

    def ladders(self) -> dict[str, tuple[Shape, ...]]:
        """The shapes that one run may go through, by a name for them, in the order they may follow."""
        model = self.run.model
        size = self.run.data.image_size
        sizes = [(p, r or size, r) for p, r in grids(self.patches, self.resolutions, size)]
        # By tokens, then pixels: from cheap to dear, and each before all that may follow it.
        sizes.sort(key=lambda grid: (grid[1] / grid[0], grid[1]))
        by_name = {
            str(model.shape(name)).partition("/")[0]: tuple(
                model.shape(name, patch, resolution) for patch, _, resolution in sizes
            )
            for name in model.names
        }
        if not self.joint:
            return by_name
        return {"joint": tuple(shape for shapes in by_name.values() for shape in shapes)}

    def scaled(self) -> "AdaptiveConfig":
        """The same with the scale worked into the budget."""
        run = dataclasses.replace(self.run, budget_flops=self.run.budget_flops * self.scale)
        return dataclasses.replace(self, run=run, scale=1.0)
