"""What the state of a run says of examples, for evaluations."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from scalax.data import Dataset
from scalax.evals import Outputs, Predicted
from scalax.train import mesh as meshes
from scalax.train.state import TrainState


def outputs_of(
    program: Callable,
    mesh: Mesh,
    batch_size: int,
    state: TrainState,
    member: int | None = None,
    initial: Callable[[], Any] = dict,
) -> Outputs:
    """Outputs of a state.

    Each process reads its part of every batch, and has all results; all must ask for the same.

    - program: Programs.predict at `batch_size`.
    - mesh: of the devices.
    - batch_size: examples at a time, over all devices.
    - state: of the run, or of a population.
    - member: the number of a run in a population.
    - initial: gives the parameters that the run, or the population, began with.
    """
    variables = (state.params, state.model_state)
    began = initial
    if member is not None:
        variables = _take(variables, member)

        def began() -> Any:
            return _take(initial(), member)

    share = batch_size // jax.process_count()
    mine = slice(jax.process_index() * share, (jax.process_index() + 1) * share)

    def predict(dataset: Dataset, rows: np.ndarray) -> Predicted:
        parts = []
        for start in range(0, len(rows), batch_size):
            index = rows[start : start + batch_size]
            padded = np.resize(index, batch_size)  # repeats rows to fill the batch; cut off below
            raw = meshes.split(mesh, dataset.read(padded[mine]))
            found = program(*variables, raw)
            count = len(index)
            parts.append(jax.tree.map(lambda x, count=count: np.asarray(x)[:count], found))
        return Predicted(*(_joined([part[i] for part in parts]) for i in range(2)))

    return Outputs(predict, variables[0], began)


def _joined(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@jax.jit
def _take(tree, index):
    return jax.tree.map(lambda leaf: leaf[index], tree)
