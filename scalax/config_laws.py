"""Settings of the studies of laws, which train no network."""

import dataclasses
from typing import ClassVar

from scalax.config import at_least, positive
from scalax.errors import UserError


@dataclasses.dataclass(frozen=True)
class LawHalfspaceConfig:
    """Logistic regression on a noisy halfspace, where the limit of the learning curve is known.

    Attributes:
      name: names the default output directory, runs/NAME.
      dimension: of the sphere that inputs are drawn from.
      label_noise: chance that a label is flipped; the Bayes risk.
      sizes: training-set sizes, smallest and largest, and how many, evenly in log.
      ridge: weight of |w|^2 / 2 beside the mean loss. Without one, training sets of about as many examples
        as dimensions interpolate their noise, and the curve has a bump that no law of the paper has.
      seeds: independent training sets per size, averaged.
    """

    study: ClassVar[str] = "law_halfspace"
    name: str = "law_halfspace"
    dimension: int = 100
    label_noise: float = 0.2
    smallest: int = 16
    largest: int = 16384
    sizes: int = 21
    seeds: int = 20
    ridge: float = 1.0

    def __post_init__(self):
        if not 0 <= self.label_noise < 0.5:
            raise UserError(f"label_noise must be at least 0 and below 0.5, got {self.label_noise}")
        for name in ("dimension", "smallest", "seeds"):
            at_least(name, getattr(self, name), 1)
        positive("ridge", self.ridge)
        at_least("sizes", self.sizes, 8)
        if self.largest < 16 * self.smallest:
            raise UserError(
                f"largest must be 16 times smallest ({self.smallest}) or more, got {self.largest}"
            )
