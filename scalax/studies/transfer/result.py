"""What a study of transfer leaves: a row a model, and a row a run of the head's sweep."""

from typing import Literal, NamedTuple

from scalax.studies.protocol import Device, Versions
from scalax.studies.transfer.config import TransferConfig
from scalax.transfer import TransferResult

UPSTREAM = "upstream"  # what margins of the run's own images are called


class SetInfo(NamedTuple):
    """Images and classes of a downstream set."""

    train: int
    test: int
    classes: int


class ModelRow(NamedTuple):
    """One model: a run at one of its evaluations.

    - run: its name. part: of the study. last: whether this is the run's last evaluation.
    - shape, family, params: of the model. layers: names of its intermediates, from the first to the last.
    - images: that it is trained on. epochs: passes over them so far. flops: of training so far.
    - upstream: validation error. downstream: few-shot errors by 'set/layer@shots'.
    """

    run: str
    part: Literal["grid", "random"]
    last: bool
    shape: str
    family: str
    params: int
    layers: list[str]
    images: int
    epochs: float
    flops: float
    upstream: float
    downstream: dict[str, float]


class HeadRow(NamedTuple):
    """One run of the head's sweep, at its end.

    - decay, lr_head, seed: what it differs in.
    - upstream: validation error. downstream: few-shot errors of the pre-logits by 'set@shots'.
    - norms, distances: of each layer's parameters, and from their start.
    - margins: by 'set/metric' (evals.Margins), UPSTREAM among the sets.
    """

    run: str
    decay: float
    lr_head: float
    seed: int
    upstream: float
    downstream: dict[str, float]
    norms: dict[str, float]
    distances: dict[str, float]
    margins: dict[str, float]


class FinetuneRow(NamedTuple):
    """A run of the head's sweep that was fine-tuned on a set. error: on its test images."""

    set: str
    decay: float
    seed: int
    error: float


Answer = Literal["yes", "no", "not determined"]


class Verdict(NamedTuple):
    """The answer to one question of the study.

    - name: of the question (report.QUESTIONS).
    - answer: yes or no where the interval says so.
    - of: what `value` is of, where a question has several.
    - value, low, high: with the ends of its 95% interval.
    """

    name: str
    answer: Answer
    of: str
    value: float
    low: float
    high: float


class StudyResult(NamedTuple):
    """What a study of transfer found.

    - sets: by name. upstream_test: images that upstream errors are of.
    - models, heads, finetuned: empty where the study leaves that part out.
    - analysis: of the table of models (scalax.transfer); None without models.
    - verdicts: one or more a question that was asked.
    """

    config: TransferConfig
    device: Device
    versions: Versions
    upstream_test: int
    sets: dict[str, SetInfo]
    models: list[ModelRow]
    heads: list[HeadRow]
    finetuned: list[FinetuneRow]
    analysis: TransferResult | None
    verdicts: list[Verdict]
