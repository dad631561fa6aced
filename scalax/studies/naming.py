"""Names of runs, which are those of their directories: a study finds its runs again by them."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from scalax.config import OptimConfig
from scalax.names import file_name, number_text
from scalax.schedule import Schedule, Shape, Stage


def key(data: Any) -> str:
    """Eight hexadecimal digits that tell the data (JSON types) from any other."""
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()[:8]


def swept_run(shape: Shape, optim: OptimConfig, seed: int, usual: OptimConfig | None = None) -> str:
    """A run of a sweep.

    - shape: that is trained.
    - optim: what it is trained by.
    - seed: of the run.
    - usual: the settings of the head are said where they are others than in this.
    """
    usual = usual or optim
    head = "" if optim.lr_head == usual.lr_head else f"_lrhead{number_text(optim.lr_head)}"
    if optim.weight_decay_head != usual.weight_decay_head:
        head += f"_decayhead{number_text(optim.weight_decay_head)}"
    return (
        f"{of_shape(shape)}_lr{number_text(optim.lr)}_decay{number_text(optim.weight_decay)}{head}_seed{seed}"
    )


def scheduled_run(schedule: Schedule, seed: int) -> str:
    """A run by a given schedule."""
    return f"scheduled-{key(schedule.to_json())}_seed{seed}"


def sized_run(shape: Shape, size: int, seed: int) -> str:
    """A run on a training set of so many examples.

    - shape: that is trained.
    - size: of the training set.
    - seed: of the run.
    """
    return f"{of_shape(shape)}_n{size}_seed{seed}"


def candidate(shape: Shape, optim: OptimConfig, batch_size: int) -> str:
    """A candidate in the search for the hyper-parameters of a shape.

    - shape: that is searched for.
    - optim: that is tried.
    - batch_size: that is tried.
    """
    decay = number_text(optim.weight_decay)
    return f"{of_shape(shape)}_lr{number_text(optim.lr)}_batch{batch_size}_decay{decay}"


def static_run(shape: Shape, schedule: Schedule, seed: int) -> str:
    """A run of one shape.

    - shape: that is trained.
    - schedule: of the one stage.
    - seed: of the run.
    """
    return f"{of_shape(shape)}{_unless_plain(schedule)}_seed{seed}"


def budget_run(task: str, shape: Shape, schedule: Schedule, seed: int) -> str:
    """A run of one shape on one of several tasks, with one of several budgets.

    - task: its name.
    - shape: that is trained.
    - schedule: of the budget.
    - seed: of the run.
    """
    return f"{file_name(task)}_{of_shape(shape)}-{key(schedule.to_json())}_seed{seed}"


def ladder_run(
    ladder: str, method: str, schedule: Schedule, seed: int, replans_by: Sequence[str] = ()
) -> str:
    """A run through shapes of a ladder.

    - ladder: its name.
    - method: how the schedule was made.
    - schedule: of the run.
    - seed: of the run.
    - replans_by: what its schedule depends on besides, where it plans as it goes: the metric, and the shapes.
    """
    replanned = f"-{key(list(replans_by))}" if replans_by else ""
    return f"{file_name(ladder)}_{method}{replanned}{_unless_plain(schedule)}_seed{seed}"


def cooled_run(schedule: Schedule, share: float, seed: int) -> str:
    """A run that cools down, which is the same whichever run it branches off.

    - schedule: of the run.
    - share: of the study's budget at which it ends.
    - seed: of the run.
    """
    last = of_shape(schedule.stages[-1].shape)
    return f"{last}_cooled{number_text(share)}-{key(schedule.to_json())}_seed{seed}"


def _unless_plain(schedule: Schedule) -> str:
    """The key of the schedule; nothing for one stage without settings of its own."""
    (*_, last) = schedule.stages
    plain = schedule.stages == (Stage(last.shape, schedule.budget_flops),)
    return "" if plain else f"-{key(schedule.to_json())}"


def of_shape(shape: Shape) -> str:
    """The shape as a part of a run's name: V16-1_patch4 of V16-1/4."""
    return str(shape).replace("/", "_patch")
