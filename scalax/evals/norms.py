"""L2 norm of each layer's parameters, and how far they are from where the run began."""

import dataclasses
from typing import Any

import numpy as np

from scalax.evals.outputs import Outputs
from scalax.evals.protocol import Context, Measure, settings_of


@dataclasses.dataclass(frozen=True)
class Norms:
    """For each top-level name of the parameters, as in 'norms/block00': weight_norm, and weight_distance,
    that from the run's start, where they have the shape that they began with.

    - name: put before the metrics.
    - every: at each so many evaluations, and the last.
    """

    name: str = "norms"
    every: int = 1
    layers: tuple[str, ...] = ()

    def settings(self) -> dict[str, Any]:
        return settings_of(self)

    def measured(self, task: Any) -> tuple[str, ...]:
        return ("head/weight_norm", "head/weight_distance")  # of the others the model decides

    def prepare(self, context: Context) -> Measure:
        def measure(outputs: Outputs) -> dict[str, float]:
            initial = outputs.initial()
            found = {}
            for layer, params in outputs.params.items():
                own, began = _flat(params), _flat(initial.get(layer, {}))
                found[f"{layer}/weight_norm"] = _norm(own)
                if [x.shape for x in own] == [x.shape for x in began]:
                    moved = [x - y for x, y in zip(own, began, strict=True)]
                    found[f"{layer}/weight_distance"] = _norm(moved)
            return found

        return measure


def _flat(params: Any) -> list[np.ndarray]:
    import jax

    return [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(params)]


def _norm(arrays: list[np.ndarray]) -> float:
    return float(np.sqrt(sum(np.sum(x**2) for x in arrays)))
