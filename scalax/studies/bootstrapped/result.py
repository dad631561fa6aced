"""What a study of repeated examples finds: plain records, kept in study.json and read by its report alone."""

from typing import Literal, NamedTuple

from scalax.studies.bootstrapped.config import BootstrappedConfig
from scalax.studies.protocol import Device, Versions

Verdict = Literal["coincide", "apart", "not determined", "no repeats"]


class PeakResult(NamedTuple):
    """Where an error is least before it rises (laws.Peak), in images seen; x, low and high nan where it does
    not rise beyond noise."""

    x: float
    low: float
    high: float
    rise: float
    error: float

    @property
    def found(self) -> bool:
        return self.x == self.x


class Gap(NamedTuple):
    """How far a part's curve is above the largest part's over a stretch: the mean of the log ratio of the
    errors, with its interval over seeds.

    - evaluations: in the stretch.
    - fall: how much the largest part's log error has fallen by the end of the stretch.
    """

    value: float
    low: float
    high: float
    evaluations: int
    fall: float


class PartResult(NamedTuple):
    """The runs on one part of the images.

    - share, images: of the training images, and their number.
    - errors, upstream: the metric and the error on upstream validation images, [seeds][evaluations].
    - peak: of the metric.
    - leaves: images seen from which on the whole interval of its error is above the largest part's by more
      than is tolerated; nan where that is never so, and for the largest part.
    - before: from the first repeated image to the peak (to the end without one); peak_gap: at the evaluation
      nearest to the peak; after: past it. None where no evaluation is there, and for the largest part.
    - verdict: whether its curve coincides with the largest part's before the peak; no repeats where no
      evaluation comes between the first pass and the peak, and for the largest part.
    """

    share: float
    images: int
    errors: list[list[float]]
    upstream: list[list[float]]
    peak: PeakResult
    leaves: float
    before: Gap | None
    peak_gap: Gap | None
    after: Gap | None
    verdict: Verdict


class BootstrappedResult(NamedTuple):
    """examples: images seen at each evaluation. parts: in the order of config.shares. train_s: seconds of
    training."""

    config: BootstrappedConfig
    device: Device
    versions: Versions
    shape: str
    params: int
    train_s: float
    examples: list[int]
    parts: list[PartResult]
