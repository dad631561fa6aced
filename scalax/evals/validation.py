"""The task's own metrics on held-out data: of the run, or of another data set with the same classes."""

import dataclasses
from typing import Any

from scalax.config import DataConfig
from scalax.errors import UserError
from scalax.evals.outputs import Outputs
from scalax.evals.protocol import Context, Measure, settings_of


@dataclasses.dataclass(frozen=True)
class Validation:
    """Metrics such as val_error and val_loss (tasks.Task.metrics).

    - name: put before the metrics; needed with `data`.
    - data: another data set, whose validation split is taken; None takes the run's own.
    - every: at each so many evaluations, and the last.
    """

    name: str = ""
    data: DataConfig | None = None
    every: int = 1
    layers: tuple[str, ...] = ()

    def settings(self) -> dict[str, Any]:
        return settings_of(self)

    def measured(self, task: Any) -> tuple[str, ...]:
        return task.measured

    def prepare(self, context: Context) -> Measure:
        splits = context.open(self.name, self.data)
        if splits.outputs != context.task.outputs:
            raise UserError(
                f"evaluation {self.name!r}: its data have {splits.outputs} classes, those of the run"
                f" {context.task.outputs}; use FewShot for other classes"
            )

        def measure(outputs: Outputs) -> dict[str, float]:
            return context.task.metrics(outputs.scores(splits.validation))

        return measure
