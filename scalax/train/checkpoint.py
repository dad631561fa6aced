"""The last two states of a run, or of a group of runs, with their place, saved in the background."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
from etils import epath
from orbax.checkpoint import v1 as ocp

from scalax.errors import UserError
from scalax.train.state import TrainState

KEPT = 2


class Checkpoints:
    """Checkpoints under `directory`, a local or gs:// path."""

    def __init__(self, directory):
        every: Any = ocp.training.save_decision_policies.FixedIntervalPolicy(1)
        last: Any = ocp.training.preservation_policies.LatestN(KEPT)
        if "://" not in str(directory):
            directory = epath.Path(directory).absolute()  # Orbax writes to no relative path
        self._directory = directory
        with self._errors("open"):
            self._checkpointer = ocp.training.Checkpointer(
                directory, save_decision_policy=every, preservation_policy=last, cleanup_tmp_directories=True
            )

    def save(self, step: int, state: TrainState, place: dict) -> None:
        """Start a save and return; the one before is waited for. place: JSON, kept with the state."""
        if jax.default_backend() == "cpu":
            state = jax.tree.map(jnp.copy, state)  # the next step writes into the donated buffers
        with self._errors("save a checkpoint in"):
            self._checkpointer.save_checkpointables_async(
                step, {"state": state}, force=True, overwrite=True, custom_metadata=place
            )

    def restore(self, abstract: Callable[[int, dict], TrainState]) -> tuple[int, TrainState, dict] | None:
        """(step, state, place) of the newest checkpoint that can be read, None where there is none.

        abstract: from a step and place to the state as jax.ShapeDtypeStruct with shardings. A checkpoint that
        cannot be read is passed over with a warning.
        """
        for checkpoint in sorted(self._checkpointer.checkpoints, key=lambda c: c.step, reverse=True):
            try:
                place = self._checkpointer.checkpointables_metadata(checkpoint.step).custom_metadata
                if not isinstance(place, dict):
                    raise ValueError("the place in the run is missing")
                wanted = {"state": abstract(checkpoint.step, place)}
                loaded = self._checkpointer.load_checkpointables(checkpoint.step, wanted)
            except Exception as e:  # a torn file can fail in any layer of the reader
                first = str(e).splitlines()[0] if str(e) else ""
                warnings.warn(
                    f"checkpoint {checkpoint.path} cannot be read ({type(e).__name__}: {first});"
                    " going back to the one before",
                    stacklevel=2,
                )
                continue
            return checkpoint.step, loaded["state"], place
        return None

    def newest_step(self) -> int | None:
        """Step of the newest finished checkpoint."""
        newest = self._checkpointer.latest
        return None if newest is None else newest.step

    def wait(self) -> None:
        """Wait for the save under way, and forget those that others made or removed."""
        with self._errors("save a checkpoint in"):
            self._checkpointer.wait()

    def close(self) -> None:
        """Wait for the save under way."""
        with self._errors("save a checkpoint in"):
            self._checkpointer.close()

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as e:  # a full or vanished disk shows in any layer of the writer
            reason = f"{type(e).__name__}: {e}".splitlines()[0]
            raise UserError(
                f"cannot {what} {self._directory} ({reason}); free space or mend it, and start again:"
                " the checkpoints before are kept"
            ) from e
