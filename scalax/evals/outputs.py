"""What a model says of examples: each goes through it once, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from scalax.data import Dataset


class Predicted(NamedTuple):
    """Of n examples. scores: by name [n] (tasks.Task.scores). features: by layer [n, d]."""

    scores: dict[str, np.ndarray]
    features: dict[str, np.ndarray]


class Outputs:
    """Scores and features of one state of a model, kept for as long as this lives, and its parameters.

    - predict: from a data set and rows [n] of it to what the model says of them.
    - params: of the state: a tree of arrays, by the names of the model's layers.
    - initial: gives the parameters that the run began with.
    """

    def __init__(
        self,
        predict: Callable[[Dataset, np.ndarray], Predicted],
        params: Any = None,
        initial: Callable[[], Any] = dict,
    ):
        self._predict, self.params, self.initial = predict, params, initial
        self._seen: dict[int, _Seen] = {}

    def scores(self, dataset: Dataset, rows: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """By name, [n] each, of the rows [n] of a data set; of all of them where none are given."""
        found, indices = self._of(dataset, rows)
        return {name: values[indices] for name, values in found.scores.items()}

    def features(self, dataset: Dataset, layer: str, rows: np.ndarray | None = None) -> np.ndarray:
        """[n, d] of a layer: the mean over its tokens or places.

        - dataset: whose examples are asked for.
        - layer: by its name in the model.
        - rows: of the dataset; None takes all.
        """
        found, indices = self._of(dataset, rows)
        return found.features[layer][indices]

    def _of(self, dataset: Dataset, rows: np.ndarray | None) -> tuple[Predicted, np.ndarray]:
        rows = np.arange(len(dataset)) if rows is None else rows
        seen = self._seen.setdefault(id(dataset), _Seen(len(dataset)))
        missing = np.unique(rows[seen.indices[rows] < 0])
        if len(missing):
            seen.add(missing, self._predict(dataset, missing))
        return seen.predicted, seen.indices[rows]


class _Seen:
    """indices: of each row of the data set among those predicted, -1 where it is not yet."""

    def __init__(self, length: int):
        self.indices = np.full(length, -1)
        self.predicted = Predicted({}, {})

    def add(self, rows: np.ndarray, new: Predicted) -> None:
        count = int(self.indices.max(initial=-1)) + 1
        self.indices[rows] = count + np.arange(len(rows))
        if not count:
            self.predicted = new
            return
        self.predicted = Predicted(
            *(
                {name: np.concatenate([old[name], more[name]]) for name in old}
                for old, more in zip(self.predicted, new, strict=True)
            )
        )
