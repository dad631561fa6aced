"""The last two states of a run with their place in the data, saved in the background."""

import warnings
from collections.abc import Iterator
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
    """Checkpoints of one run under `directory`, a local or gs:// path."""

    def __init__(self, directory):
        every: Any = ocp.training.save_decision_policies.FixedIntervalPolicy(1)
        last: Any = ocp.training.preservation_policies.LatestN(KEPT)
        if "://" not in str(directory):
            directory = epath.Path(directory).absolute()  # Orbax writes to no relative path
        self._directory = directory
        self._checkpointer = ocp.training.Checkpointer(
            directory, save_decision_policy=every, preservation_policy=last, cleanup_tmp_directories=True
        )

    def save(self, step: int, state: TrainState, feed) -> None:
        """Start a save and return; the one before is waited for."""
        if jax.default_backend() == "cpu":
            state = jax.tree.map(jnp.copy, state)  # the next step writes into the donated buffers
        with self._errors():
            self._checkpointer.save_checkpointables_async(
                step, {"state": state, "data": feed}, overwrite=True
            )

    def restore(self, state: TrainState, feed) -> tuple[int, TrainState]:
        """(step, state) of the newest checkpoint that can be read, with `feed` set to its place;
        (0, state) where there is none. One that cannot be read is passed over with a warning."""
        place = feed.get_state()
        abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state)
        for checkpoint in sorted(self._checkpointer.checkpoints, key=lambda c: c.step, reverse=True):
            try:
                loaded = self._checkpointer.load_checkpointables(
                    checkpoint.step, {"state": abstract, "data": feed}
                )
            except Exception as e:  # a torn file can fail in any layer of the reader
                first = str(e).splitlines()[0] if str(e) else ""
                warnings.warn(
                    f"checkpoint {checkpoint.path} cannot be read ({type(e).__name__}: {first});"
                    " going back to the one before",
                    stacklevel=2,
                )
                feed.set_state(place)
                continue
            return checkpoint.step, loaded["state"]
        return 0, state

    def newest_step(self) -> int | None:
        """Step of the newest finished checkpoint."""
        newest = self._checkpointer.latest
        return None if newest is None else newest.step

    def close(self) -> None:
        """Wait for the save under way."""
        with self._errors():
            self._checkpointer.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as e:  # a full or vanished disk shows in any layer of the writer
            reason = f"{type(e).__name__}: {e}".splitlines()[0]
            raise UserError(
                f"cannot save a checkpoint in {self._directory} ({reason}); the ones before are kept"
            ) from e
