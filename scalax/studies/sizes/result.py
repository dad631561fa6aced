"""What a study of training-set sizes finds: plain records, which its report is written from."""

from typing import NamedTuple

from scalax.studies.protocol import Device, Versions
from scalax.studies.sizes.config import SizesConfig


class SizeResult(NamedTuple):
    """Runs on a training set, by seed.

    - size: examples of the training set.
    - best: least value of the metric along each run; zero is as metrics.least has it, also in `last`.
    - best_step: where each had it.
    - last: value at the end of each run.
    - flops: of one run.
    """

    size: int
    best: list[float]
    best_step: list[int]
    last: list[float]
    flops: float


class FittedLaw(NamedTuple):
    """A law of the curve.

    - params: by name.
    - rmsle: over the sizes that it was fitted to.
    - rmsle_held_out: over the others; None where it was fitted to all.
    """

    params: dict[str, float]
    rmsle: float
    rmsle_held_out: float | None


class SizesResult(NamedTuple):
    """first, whole: laws by name, fitted to the sizes up to fit_until and to all of them.

    train_s: seconds of training, all runs together.
    """

    config: SizesConfig
    device: Device
    versions: Versions
    train_s: float
    sizes: list[SizeResult]
    first: dict[str, FittedLaw]
    whole: dict[str, FittedLaw]
