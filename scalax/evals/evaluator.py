"""All evaluations of a run as one: which are due, what they share, what their metrics are called."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from scalax import metrics
from scalax.config import DataConfig, RunConfig
from scalax.errors import UserError
from scalax.evals.fewshot import FewShot
from scalax.evals.outputs import Outputs
from scalax.evals.protocol import Context, Evaluation
from scalax.evals.validation import Validation

if TYPE_CHECKING:
    from scalax.data import Splits
    from scalax.tasks import Task


def evaluations(config: RunConfig) -> list[Evaluation]:
    """Those that a config asks for: validation, the few-shot probe where it has shots, and eval.more.

    Raises UserError where two have one name, or one takes no part in any evaluation.
    """
    own = config.eval
    found: list[Evaluation] = [Validation()]
    if own.shots:
        found.append(FewShot("", own.shots, own.draws, own.ridge, data=_probe_data(config)))
    names = [each.name for each in own.more]
    if "" in names or len(set(names)) < len(names):
        raise UserError(f"eval.more: each evaluation needs a name of its own, got {names}")
    for each in own.more:
        if each.every < 1:
            raise UserError(f"eval.more: {each.name}: every must be 1 or more, got {each.every}")
    return [*found, *own.more]


def _probe_data(config: RunConfig) -> DataConfig | None:
    own = config.eval
    if not (own.probe_name or own.probe_dir):
        return None
    return dataclasses.replace(
        config.data,
        source="tfds",
        name=own.probe_name,
        dir=own.probe_dir,
        validation_split=own.probe_validation_split,
        max_train_images=0,
        max_validation_images=0,
    )


class Evaluator:
    """The metrics of all evaluations that are due.

    - parts: the evaluations.
    - task, splits: of the run.
    - load: opens other data.
    - layers: intermediates that any of them reads.
    - metrics: what they measure, as the records call it.
    """

    def __init__(
        self,
        parts: Sequence[Evaluation],
        task: Task,
        splits: Splits,
        load: Callable[[DataConfig], Splits],
    ):
        self.layers = tuple(dict.fromkeys(layer for part in parts for layer in part.layers))
        context = Context(task, splits, load)
        self._parts = [(part, part.prepare(context)) for part in parts]
        self.metrics = tuple(measured_by(parts, task))

    def check(self, metric: str) -> None:
        """Raises UserError where no evaluation measures `metric`."""
        if metric not in self.metrics:
            raise UserError(
                f"metric {metric!r} is measured by no evaluation of this run; choose one of"
                f" {', '.join(metrics.compared(self.metrics))}, or add an evaluation (eval.shots, eval.more)"
            )

    def measure(self, outputs: Outputs, number: int, last: bool) -> dict[str, float]:
        """Metrics by name, of the evaluations that are due.

        - outputs: of the run's state.
        - number: of this evaluation, from 0.
        - last: whether it is the run's last.
        """
        found: dict[str, float] = {}
        for part, measure in self._parts:
            if last or number % part.every == 0:
                found |= {_called(part, name): float(value) for name, value in measure(outputs).items()}
        return found


def measured_by(parts: Sequence[Evaluation], task: Task) -> dict[str, int]:
    """What evaluations measure, as the records call it: the period of each metric (Evaluation.every)."""
    return {_called(part, name): part.every for part in parts for name in part.measured(task)}


def _called(part: Evaluation, metric: str) -> str:
    return f"{part.name}/{metric}" if part.name else metric
