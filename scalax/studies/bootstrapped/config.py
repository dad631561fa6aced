"""Settings of a study of repeated examples."""

import dataclasses

from scalax import bounds, metrics
from scalax.config import RunConfig, at_least, inside, positive
from scalax.errors import UserError
from scalax.schedule import Shape

LEAST_POINTS = 8  # of a curve, that laws.until_peak needs


@dataclasses.dataclass(frozen=True)
class BootstrappedConfig:
    """One model trained on parts of an image set, each time for the same number of images seen.

    Attributes:
      run: what all runs share. Its data are the upstream set, of which parts are taken; its eval names the
        downstream set (eval.probe_dir, or an evaluation of its own in eval.more).
      name: names the default output directory, runs/NAME.
      patch: in pixels, of a model that has patches.
      shares: of the training images, from the smallest part to the largest, which the others are compared
        with. A part is the first images of one order, so that it lies within every larger one.
      examples: images that each run sees, repeats counted.
      seeds: each is a run of its own on every part, with the same first weights.
      metric: the error that is compared (scalax.metrics).
      confidence: of intervals over seeds.
      tolerance: curves coincide where they differ by at most this share of what the largest part's error has
        fallen, in logs.
    """

    run: RunConfig = dataclasses.field(default_factory=RunConfig)
    name: str = "bootstrapped_examples"
    patch: int = 8
    shares: tuple[float, ...] = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
    examples: int = 500_000
    seeds: tuple[int, ...] = (0, 1, 2)
    metric: str = "fewshot_error"
    confidence: float = 0.9
    tolerance: float = 0.1

    def __post_init__(self):
        bounds.numbers(self)
        positive("patch", self.patch)
        for share in self.shares:
            inside("shares", share, 0, 1 + 1e-9)
        if len(self.shares) < 2 or list(self.shares) != sorted(set(self.shares)):
            raise UserError(f"shares must be two or more and increase, got {self.shares}")
        at_least("examples", self.examples, 1)
        bounds.seeds("seeds", self.seeds)
        if len(self.seeds) < 2:
            raise UserError(f"seeds {self.seeds}: an interval needs two or more; add one")
        metrics.get(self.metric)
        inside("confidence", self.confidence, 0.5, 1.0)
        inside("tolerance", self.tolerance, 0.0, 1.0)
        at_least("eval.points", self.run.eval.points, LEAST_POINTS)
        if len(self.run.model.names) != 1:
            raise UserError(f"model.names: such a study is of one model, got {self.run.model.names}")

    def shape(self) -> Shape:
        """Of the model; patch 1 for one that has none."""
        from scalax.models import find

        model = self.run.model
        [name] = model.names
        shape = model.shape(name)
        family, _ = find(str(shape))
        patch = model.patch_of(name) or self.patch
        return shape._replace(patch=patch) if "patch" in family.axes else shape


def unused(config: BootstrappedConfig) -> dict[str, str]:
    """Settings without effect (see Study.unused)."""
    from scalax.unused import of_constant_shape

    return {**of_constant_shape(), "budget_flops": "to a study of repeated examples: its runs have examples"}
