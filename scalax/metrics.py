"""The one table of what runs are measured by: name, unit, direction and axis label of every metric.

An evaluation that was given a name of its own puts it before its metrics: 'pets/fewshot_error'.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from scalax.errors import UserError, suggest


class Metric(NamedTuple):
    """One number of an evaluation.

    - name: its key in the records.
    - title: what it is, as a figure says it.
    - unit: of its values.
    - lower_is_better: the direction in which a run improves.
    - compared: laws and targets may be made of it (positive, and the aim of a run).
    - counted: a share of all targets of the validation examples, so that it is 0 where none is wrong.
    """

    name: str
    title: str
    unit: str
    lower_is_better: bool = True
    compared: bool = True
    counted: bool = False

    @property
    def label(self) -> str:
        """For an axis: title and unit."""
        return f"{self.title} ({self.unit})"


METRICS: dict[str, Metric] = {}
SMALLEST = 1e-12  # of a metric that is no share


def register(metric: Metric) -> Metric:
    """Add a metric to the table. Raises ValueError where another has its name."""
    if METRICS.setdefault(metric.name, metric) != metric:
        raise ValueError(f"metric {metric.name!r} is registered already")
    return metric


def get(name: str) -> Metric:
    """The metric of a record's key. Raises UserError, with the nearest name, where it is none."""
    evaluation, _, own = name.rpartition("/")
    if own not in METRICS:
        raise UserError(f"metric {name!r} is unknown{suggest(own, METRICS)}")
    metric = METRICS[own]
    return metric._replace(name=name, title=f"{metric.title} of {evaluation}") if evaluation else metric


def label(name: str, units: Mapping[str, str] | None = None) -> str:
    """Axis label of a record's key; of a key that is no metric of ours, the key itself.

    - name: the key.
    - units: of metrics by name, where a task knows them better than the table.
    """
    if name.rpartition("/")[2] not in METRICS:
        return name
    metric = get(name)
    return metric._replace(unit=(units or {}).get(name, metric.unit)).label


def compared(names: Iterable[str]) -> list[str]:
    """Those of `names` that reports compare runs by, in the order of the table, then of `names`."""
    order = list(METRICS)
    known = [name for name in names if name.rpartition("/")[2] in METRICS and get(name).compared]
    return sorted(known, key=lambda name: order.index(name.rpartition("/")[2]))


def planned(names: Iterable[str]) -> list[str]:
    """Those of `compared` that fall as a run improves: laws and plans are made for these alone."""
    return [name for name in compared(names) if get(name).lower_is_better]


def is_share(name: str) -> bool:
    """Whether it is a share of targets (`Metric.counted`), from 0 to 1."""
    own = METRICS.get(name.rpartition("/")[2])
    return own is not None and own.counted


def least(name: str, targets: int) -> float:
    """What a metric is taken to be at least, since laws live in logarithms: half a target of those that it is
    a share of, where it is one.

    targets: of all validation examples, also where the evaluation has a data set of its own.
    """
    return 0.5 / targets if is_share(name) else SMALLEST


for _metric in (
    Metric("val_error", "validation error", "share of images", counted=True),
    Metric("val_loss", "validation loss", "cross-entropy, nats"),
    Metric("val_token_error", "validation error", "share of tokens", counted=True),
    Metric("val_answer_error", "validation error", "share of answers", counted=True),
    Metric("fewshot_error", "few-shot error", "share of images", counted=True),
    Metric(
        "fewshot_error_std",
        "deviation of the few-shot error over its draws",
        "share of images",
        compared=False,
    ),
    Metric("linear_error", "error of the linear probe", "share of images", counted=True),
    Metric("linear_penalty", "penalty of the linear probe", "of mean cross-entropy", compared=False),
    Metric("head_margin", "median margin at the head", "scores", compared=False),
    Metric("pre_logits_margin", "median margin at the pre-logits", "pre-logits", compared=False),
    Metric("head_margin_size", "median absolute margin at the head", "scores", compared=False),
    Metric(
        "pre_logits_margin_size", "median absolute margin at the pre-logits", "pre-logits", compared=False
    ),
    Metric("weight_norm", "L2 norm of the weights", "weights", compared=False),
    Metric("weight_distance", "distance of the weights from their start", "weights", compared=False),
    Metric("skipped_steps", "steps left out", "steps", compared=False),
):
    register(_metric)
