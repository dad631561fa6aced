"""Settings of a study of training-set sizes."""

import dataclasses

from scalax import bounds, metrics
from scalax.config import RunConfig, at_least
from scalax.errors import UserError
from scalax.schedule import Shape

LEAST_SIZES = 5


@dataclasses.dataclass(frozen=True)
class SizesConfig:
    """One model on training sets of growing size, each the first examples of the next, for as many steps.

    Attributes:
      run: what all runs share.
      name: names the default output directory, runs/NAME.
      train_sizes: examples of each training set, in rising order.
      fit_until: laws are fitted to the sizes up to this, and held against the others.
      steps: of each run.
      full_batch: a batch is the whole training set; without it, run.batch_size examples.
      patch: in pixels, of models that have one.
      seeds: each is a run of its own on every training set.
      metric: what the curve is of (scalax.metrics): its least value along a run, the mean over the seeds.
    """

    run: RunConfig = dataclasses.field(default_factory=RunConfig)
    name: str = "sizes"
    train_sizes: tuple[int, ...] = (64, 128, 256, 512, 1024)
    fit_until: int = 256
    steps: int = 1000
    full_batch: bool = True
    patch: int = 1
    seeds: tuple[int, ...] = (0,)
    metric: str = "val_loss"

    def __post_init__(self):
        bounds.numbers(self)
        for size in self.train_sizes:
            at_least("train_sizes", size, 1)
        if list(self.train_sizes) != sorted(set(self.train_sizes)):
            raise UserError(f"train_sizes must rise, got {', '.join(map(str, self.train_sizes))}")
        fitted = sum(size <= self.fit_until for size in self.train_sizes)
        if fitted < LEAST_SIZES - 1 or fitted == len(self.train_sizes):
            raise UserError(
                f"fit_until {self.fit_until} leaves {fitted} of {len(self.train_sizes)} sizes to fit; want"
                f" {LEAST_SIZES - 1} or more to fit, and one or more beyond"
            )
        at_least("steps", self.steps, 1)
        at_least("patch", self.patch, 1)
        bounds.seeds("seeds", self.seeds)
        if not metrics.get(self.metric).lower_is_better:
            raise UserError(f"metric {self.metric} does not fall as a run improves; name one that does")
        if len(self.run.model.names) != 1:
            raise UserError(
                f"model.names: want one model, got {', '.join(self.run.model.names)}; launch a study of each"
            )
        self.shape()

    def shape(self) -> Shape:
        model = self.run.model
        (name,) = model.names
        return model.shape(name, model.patch_of(name) or self.patch)


def unused(config: SizesConfig) -> dict[str, str]:
    """Settings without effect (see Study.unused)."""
    from scalax.unused import of_constant_shape

    found = {
        **of_constant_shape(),
        "budget_flops": "beside steps",
        "data.max_train_images": "beside train_sizes",
    }
    if config.full_batch:
        found["batch_size"] = "beside full_batch"
    return found
