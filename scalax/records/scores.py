"""What was measured of each validation example: a file an evaluation, beside the records of the run."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from etils import epath

from scalax.archive import Archive
from scalax.errors import UserError
from scalax.files import write_atomically

SCORES = "scores"


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
        raise UserError(f"{e}; remove the run's directory and make the run again") from None
