"""What was measured of each validation example: a file an evaluation, beside the records of the run."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from etils import epath

from scalax import untrusted
from scalax.errors import UserError
from scalax.files import write_atomically

SCORES = "scores"
MOST_BYTES = 2**30  # of one evaluation


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
        content = io.BytesIO(untrusted.read_bytes(path, MOST_BYTES))
        with zipfile.ZipFile(content) as members:
            if sum(member.file_size for member in members.infolist()) > MOST_BYTES:
                raise ValueError(f"it would take more than {MOST_BYTES:,} bytes of memory")
        with np.load(content, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as e:  # a damaged archive fails in any layer of the reader
        reason = untrusted.shown(str(getattr(e, "strerror", None) or e or type(e).__name__), most=100)
        raise UserError(
            f"{path}: cannot read the scores of this evaluation ({reason}); remove the run's directory"
            " and make the run again"
        ) from None
