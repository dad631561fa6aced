"""What a study of return curves finds: plain records, kept in study.json and read by its report alone."""

from typing import NamedTuple

from scalax.studies.protocol import Device, Versions
from scalax.studies.returns.config import ReturnsConfig


class Estimate(NamedTuple):
    """A number with its interval over seeds and validation images together."""

    value: float
    low: float
    high: float


class TaskResult(NamedTuple):
    """difficulty: the x of all slopes, as the config measures it. probe_error: of a ridge regression on
    pixels, a share of the validation images. train, validation: numbers of images."""

    name: str
    classes: int
    train_per_class: int
    train: int
    validation: int
    difficulty: float
    probe_error: float
    class_names: list[str]


class CellResult(NamedTuple):
    """All seeds of an architecture on a task with a budget.

    - task: its name. budget_flops, left_flops: of one run, and what no whole step was left for.
    - step_flops: of one step by the config's convention; steps: of one run.
    - stage: guessing, learning or saturated (stages.stages_of).
    - top1, top5: share of the validation images; loss: nats. top1_of_seeds: by seed.
    """

    task: str
    budget_flops: float
    step_flops: float
    steps: int
    left_flops: float
    stage: str
    top1: Estimate
    top5: Estimate
    loss: Estimate
    top1_of_seeds: list[float]


class CurveResult(NamedTuple):
    """Chance-corrected accuracy along the runs of an architecture on a task: means over its seeds."""

    task: str
    flops: list[float]
    accuracy: list[Estimate]


class SlopeResult(NamedTuple):
    """A straight line through the log ratios of the tasks in their learning stage.

    - value, low, high: change of the log ratio a unit of difficulty; nan where fewer than three tasks are
      left.
    - level: of the line at difficulty 0.
    - p: of no slope, two-sided. scatter: how far tasks are off the line, over their own noise (Birge ratio).
    - tasks: that were used.
    """

    value: float
    low: float
    high: float
    level: float
    p: float
    scatter: float
    tasks: list[str]


class ReturnResult(NamedTuple):
    """A return curve: what the larger budget of a pair has over the smaller, by task.

    - pair: '6:1'. scale: as scales.SCALES names it.
    - values: by task, None where it does not exist; a ratio, or a difference on the scale that has none. The
      scale of equal accuracy is of no pair: it stands once, with the widest.
    - learning: whether both cells of the task are in their learning stage.
    - slope: of the log ratio, or of the difference, against difficulty.
    """

    pair: str
    scale: str
    values: list[Estimate | None]
    learning: list[bool]
    slope: SlopeResult


class Prediction(NamedTuple):
    """FLOPs from level A to level B on task `second`: measured, and predicted from those of task `first`.

    same_ratio: FLOPs(A to B) are to FLOPs(guess to A) as on `first`. moved_law: the law of `first`, moved
    along FLOPs to the measurements of `second` until A. own_law: the law of `second` until A, extrapolated;
    nan where it has too few measurements.
    """

    first: str
    second: str
    measured: float
    same_ratio: float
    moved_law: float
    own_law: float


class Levels(NamedTuple):
    """The two levels of chance-corrected accuracy between which FLOPs are compared. reason: why there are
    none, empty where there are."""

    low: float
    high: float
    reason: str


class ArchitectureResult(NamedTuple):
    """cells: by task, then budget. returns: by pair, then scale."""

    name: str
    params: int
    lr: float
    weights: str
    cells: list[CellResult]
    curves: list[CurveResult]
    levels: Levels
    returns: list[ReturnResult]
    predictions: list[Prediction]


class ReturnsResult(NamedTuple):
    config: ReturnsConfig
    device: Device
    versions: Versions
    train_s: float
    tasks: list[TaskResult]
    architectures: list[ArchitectureResult]
