"""What the study of double descent is given."""

import dataclasses

from scalax import bounds
from scalax.config import at_least, inside
from scalax.errors import UserError

LEAST_ROWS = 10  # up to a cut, that breaks can be chosen
MOST_ROWS, MOST_SEEDS, MOST_SIZE = (
    1000,
    10_000,
    20_000,
)  # of features or examples: a matrix of its square is made


@dataclasses.dataclass(frozen=True)
class WidthConfig:
    """Least squares on random ReLU features, of more and more of them.

    Attributes:
      examples: of a training set; as many features interpolate it.
      inputs: dimension of the inputs, which are Gaussian.
      label_noise: standard deviation of the training labels' noise; the target itself has 1.
      ridge: weight of |w|^2 beside the mean squared error; 0 takes the solution of least norm, whose error
        has no mean where there are as many features as examples.
      smallest: least number of features.
      largest: greatest number of features.
      per_decade: numbers of features, evenly in log, with `examples` among them.
      cuts: widths up to which laws are fitted, and after which they are scored.
    """

    examples: int = 200
    inputs: int = 10
    label_noise: float = 0.3
    ridge: float = 1e-4
    smallest: int = 8
    largest: int = 4000
    per_decade: int = 15
    cuts: tuple[float, ...] = (60, 150, 400, 800, 1600)

    def __post_init__(self):
        bounds.numbers(self, "width.")
        for name in ("examples", "inputs", "smallest", "per_decade"):
            at_least(f"width.{name}", getattr(self, name), 1)
        for name in ("label_noise", "ridge"):
            at_least(f"width.{name}", getattr(self, name), 0)
        for name in ("examples", "inputs", "largest"):
            _at_most(f"width.{name}", getattr(self, name), MOST_SIZE)
        if not self.smallest < self.examples < self.largest:
            raise UserError(
                f"width.examples must lie between smallest {self.smallest} and largest {self.largest}, got"
                f" {self.examples}"
            )
        _cuts("width", self.cuts, self.sizes())

    def sizes(self) -> list[int]:
        """Numbers of features."""
        at = round_log(self.examples, self.smallest, self.largest, self.per_decade)
        return [n for n in at if self.smallest <= n <= self.largest]


@dataclasses.dataclass(frozen=True)
class StepsConfig:
    """Linear regression by gradient descent, whose features have two scales.

    Attributes:
      examples: of a training set; more than features.
      large: features with standard deviation 1, learnt first.
      small: features with standard deviation `scale`, learnt last.
      scale: of the small features.
      share: of the target's variance that the small features explain.
      label_noise: standard deviation of the training labels' noise; the target itself has 1.
      rate: of the descent.
      first: least number of steps.
      last: greatest number of steps.
      per_decade: numbers of steps, evenly in log.
      cuts: steps up to which laws are fitted, and after which they are scored.
    """

    examples: int = 200
    large: int = 140
    small: int = 10
    scale: float = 0.02
    share: float = 0.3
    label_noise: float = 0.3
    rate: float = 0.01
    first: int = 5
    last: int = 5_000_000
    per_decade: int = 8
    cuts: tuple[float, ...] = (70, 1000, 30_000, 200_000, 700_000)

    def __post_init__(self):
        bounds.numbers(self, "steps.")
        for name in ("examples", "large", "small", "first", "per_decade"):
            at_least(f"steps.{name}", getattr(self, name), 1)
        at_least("steps.label_noise", self.label_noise, 0)
        inside("steps.share", self.share, 0, 1)
        inside("steps.scale", self.scale, 0, 1)
        inside("steps.rate", self.rate, 0, 0.25)  # below 2 over the largest variance that a sample has
        _at_most("steps.examples", self.examples, MOST_SIZE)
        if self.large + self.small >= self.examples:
            raise UserError(
                f"steps.examples must be above large and small features, {self.large + self.small}, got"
                f" {self.examples}"
            )
        at_least("steps.last", self.last, 10 * self.first)
        _cuts("steps", self.cuts, self.times())

    def times(self) -> list[int]:
        """Numbers of steps."""
        return round_log(self.first, self.first, self.last, self.per_decade)


@dataclasses.dataclass(frozen=True)
class DoubleDescentConfig:
    """Test error that falls, rises and falls again, over width and over training; what laws make of it.

    Attributes:
      name: names the default output directory, runs/NAME.
      width: the model that grows.
      steps: the model that trains longer.
      seeds: independent training sets (and features) of each; the curve is the mean of their log error.
      resamples: of the seeds, for 90% intervals.
      most_breaks: of the broken laws.
    """

    name: str = "law_double_descent"
    width: WidthConfig = dataclasses.field(default_factory=WidthConfig)
    steps: StepsConfig = dataclasses.field(default_factory=StepsConfig)
    seeds: int = 40
    resamples: int = 10
    most_breaks: int = 3

    def __post_init__(self):
        bounds.numbers(self)
        at_least("seeds", self.seeds, 2)
        _at_most("seeds", self.seeds, MOST_SEEDS)
        at_least("resamples", self.resamples, 2)
        _at_most("resamples", self.resamples, MOST_ROWS)
        at_least("most_breaks", self.most_breaks, 1)
        _at_most("most_breaks", self.most_breaks, 4)


def round_log(through: int, low: int, high: int, per_decade: int) -> list[int]:
    """Whole numbers from `low` to `high`, `per_decade` evenly in log, that go through one of them.

    >>> round_log(100, 10, 1000, 2)
    [10, 32, 100, 316, 1000]
    """
    import math

    first, last = (math.log10(end / through) * per_decade for end in (low, high))
    grid = range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1)
    return sorted({round(through * 10 ** (k / per_decade)) for k in grid})


def _cuts(name: str, cuts: tuple[float, ...], x: list[int]) -> None:
    if len(x) > MOST_ROWS:
        raise UserError(f"{name}.per_decade gives {len(x)} rows, want {MOST_ROWS} at most")
    if not cuts or list(cuts) != sorted(set(cuts)):
        raise UserError(f"{name}.cuts must be one or more numbers that grow, got {cuts}")
    if sum(each <= cuts[0] for each in x) < LEAST_ROWS:
        raise UserError(f"{name}.cuts: {cuts[0]:g} leaves fewer than {LEAST_ROWS} rows to fit, want more")
    if not cuts[-1] < x[-1]:
        raise UserError(f"{name}.cuts: {cuts[-1]:g} leaves no row to score, the last is {x[-1]}")


def _at_most(name: str, value: float, most: float) -> None:
    if value > most:
        raise UserError(f"{name} must be {most:,} at most, got {value}")
