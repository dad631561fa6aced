"""What was measured of each validation example: a file an evaluation, beside the records of the run."""

import io
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from etils import epath

from scalax.archive import Archive
from scalax.errors import UserError
from scalax.files import write_atomically
from scalax.records.record import RunRecord

SCORES = "scores"
AGAIN = "remove the run's directory and make the run again"
CLOSE = 1e-4  # relative: means of the same float32 scores agree better


def write_scores(directory: Any, step: int, scores: Mapping[str, np.ndarray]) -> None:
    """Keep the scores of a run after `step` updates.

    - directory: of the run.
    - step: updates made.
    - scores: by name [n], in the order of the validation examples (tasks.Task.scores).
    """
    content = io.BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(values) for name, values in scores.items()}
    np.savez_compressed(content, **arrays)
    folder = epath.Path(directory) / SCORES
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{step:08d}.npz", content.getvalue())


def read_scores(directory: Any, step: int) -> dict[str, np.ndarray]:
    """What `write_scores` kept. Raises UserError where it did not, or the file is damaged."""
    path = epath.Path(directory) / SCORES / f"{step:08d}.npz"
    try:
        with Archive(path, str(path)) as archive:
            return {name: archive.read(name) for name in archive.names}
    except UserError as e:
        raise UserError(f"{e}; {AGAIN}") from None


def read_scores_of(
    directory: Any,
    record: RunRecord,
    count: int,
    metrics: Callable[[Mapping[str, np.ndarray]], Mapping[str, float]],
) -> dict[str, np.ndarray]:
    """The scores that a record of a run was made of.

    - directory: of the run.
    - record: of the evaluation.
    - count: of validation examples.
    - metrics: what the record has of scores (tasks.Task.metrics).

    Raises UserError where they are none of so many examples, or give other metrics: scores of another run.
    """
    found = read_scores(directory, record.step)
    path = epath.Path(directory) / SCORES / f"{record.step:08d}.npz"
    for name, values in found.items():
        if values.shape != (count,):
            shape = list(values.shape)
            raise UserError(f"{path}, {name}: want {count} scores, got an array of shape {shape}; {AGAIN}")
    try:
        measured = metrics(found)
    except KeyError as e:
        raise UserError(f"{path}: no {e} in it; {AGAIN}") from None
    for name, value in measured.items():
        noted = record.metrics.get(name)
        if noted is None or not math.isclose(value, noted, rel_tol=CLOSE, abs_tol=1e-9):
            has = "none" if noted is None else f"{noted:.6g}"
            raise UserError(
                f"{path}: gives {name} {value:.6g} where the run's record has {has}, so it is of another run"
                f" or step; {AGAIN}"
            )
    return found
