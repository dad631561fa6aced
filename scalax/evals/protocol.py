"""What an evaluation is, and what it may build on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from scalax.config import DataConfig
from scalax.errors import UserError
from scalax.evals.outputs import Outputs

if TYPE_CHECKING:
    from scalax.data import Splits
    from scalax.tasks import Task

Measure = Callable[[Outputs], dict[str, float]]  # metrics of one state of a model, from its outputs


class Context(NamedTuple):
    """What evaluations of a run may build on.

    - task: of the run. splits: the data that it trains and is validated on.
    - load: opens other data; the same settings are opened once.
    """

    task: Task
    splits: Splits
    load: Callable[[DataConfig], Splits]

    def open(self, name: str, config: DataConfig | None) -> Splits:
        """The data of the evaluation `name`: those of `config`, or the run's own without one.

        Raises UserError where the model cannot read them.
        """
        if config is None:
            return self.splits
        splits = self.load(config)
        if splits.train.example != self.splits.train.example:
            raise UserError(
                f"evaluation {name!r}: its examples are {_arrays(splits)}, those of the run"
                f" {_arrays(self.splits)}; give it data of the same size (data.image_size) and channels"
            )
        return splits


def _arrays(splits: Splits) -> str:
    """Shapes of an example, by name."""
    return ", ".join(f"{name} {list(array.shape)}" for name, array in splits.train.example.items())


class Evaluation(Protocol):
    """One evaluation, a frozen dataclass.

    - name: put before its metrics, as in 'pets/fewshot_error'; empty for those of a run's own data.
    - every: it takes part in each `every`-th evaluation of a run, and in the last.
    - layers: intermediates of the model that it reads, such as 'pre_logits' or 'block03'.
    """

    @property
    def name(self) -> str: ...
    @property
    def every(self) -> int: ...
    @property
    def layers(self) -> tuple[str, ...]: ...
    def settings(self) -> dict[str, Any]:
        """What its numbers depend on, in JSON form; `settings_of` serves a dataclass."""
        ...

    def measured(self, task: Task) -> tuple[str, ...]:
        """Names of its metrics (scalax.metrics), without its own before them."""
        ...

    def prepare(self, context: Context) -> Measure:
        """Open what it needs. Raises UserError, before anything is trained, for what it cannot have."""
        ...


def settings_of(evaluation: Any) -> dict[str, Any]:
    """The fields of an evaluation that is a dataclass, with the name of its class."""
    return {"evaluation": type(evaluation).__name__, **dataclasses.asdict(evaluation)}
