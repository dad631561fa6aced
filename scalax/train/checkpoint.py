"""The last two states of a run, or of a group of runs, and how far it was, saved in the background."""

import asyncio
import functools
import sys
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
_REPORT = asyncio.BaseEventLoop.call_soon_threadsafe.__code__


class Checkpoints:
    """Checkpoints under `directory`, a local or gs:// path."""

    def __init__(self, directory: Any):
        every: Any = ocp.training.save_decision_policies.FixedIntervalPolicy(1)
        last: Any = ocp.training.preservation_policies.LatestN(KEPT)
        self._directory = directory = _absolute(directory)
        _ignore_late_writes()
        with self._errors("open"):
            self._checkpointer = ocp.training.Checkpointer(
                directory, save_decision_policy=every, preservation_policy=last, cleanup_tmp_directories=True
            )

    def save(self, step: int, state: TrainState, progress: dict) -> None:
        """Start a save and return; the one before is waited for.

        - step: updates made so far.
        - state: after these.
        - progress: JSON, kept with the state.
        """
        if jax.default_backend() == "cpu":
            state = jax.tree.map(jnp.copy, state)  # the next step writes into the donated buffers
        with self._errors("save a checkpoint in"):
            self._checkpointer.save_checkpointables_async(
                step, {"state": state}, force=True, overwrite=True, custom_metadata=progress
            )

    def restore(self, abstract: Callable[[int, dict], TrainState]) -> tuple[int, TrainState, dict] | None:
        """(step, state, progress) of the newest checkpoint that can be read, None where there is none.

        abstract: from a step and progress to the state as jax.ShapeDtypeStruct with shardings. A checkpoint
        that cannot be read is passed over with a warning.
        """
        for checkpoint in sorted(self._checkpointer.checkpoints, key=lambda c: c.step, reverse=True):
            try:
                progress = self._checkpointer.checkpointables_metadata(checkpoint.step).custom_metadata
                if not isinstance(progress, dict):
                    raise ValueError("the progress of the run is missing")
                wanted = {"state": abstract(checkpoint.step, progress)}
                loaded = self._checkpointer.load_checkpointables(checkpoint.step, wanted)
            except Exception as e:  # a torn file can fail in any layer of the reader
                first = str(e).splitlines()[0] if str(e) else ""
                warnings.warn(
                    f"checkpoint {checkpoint.path} cannot be read ({type(e).__name__}: {first});"
                    " going back to the one before",
                    stacklevel=2,
                )
                continue
            return checkpoint.step, loaded["state"], progress
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
                f"cannot {what} {self._directory} ({reason}); earlier checkpoints are kept. Free space or"
                " repair the directory, then start again"
            ) from e


def _absolute(directory: Any) -> epath.Path:
    """Orbax takes no relative path."""
    path = epath.Path(directory)
    return path if "://" in str(directory) else path.absolute()


def read_as_saved(directory: Any) -> dict[str, Any] | None:
    """The newest state in `directory` as a tree of dicts, on one device, whatever model it is of.

    None where there is none. Nothing there is written or removed.
    """
    where = _absolute(directory)
    steps = [int(path.name) for path in where.iterdir() if path.name.isdigit()] if where.is_dir() else []
    if not steps:
        return None
    newest = where / str(max(steps))
    one = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    saved: Any = ocp.checkpointables_metadata(newest).metadata["state"]
    wanted = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=one), saved)
    return ocp.load_checkpointables(newest, {"state": wanted})["state"]


@functools.cache
def _ignore_late_writes() -> None:
    """Keep Python from printing a traceback for each write that ends after its save has failed.

    Orbax closes the event loop of a save at the first write that fails. The others go on in threads of
    tensorstore, which then find the loop closed when they report to it. The save's own error is raised by
    the next call of Checkpoints.
    """
    before = sys.unraisablehook

    def hook(unraisable) -> None:
        first = unraisable.exc_traceback
        called = first is not None and first.tb_frame.f_code
        # Python code would be the first frame; only a thread of a library calls this without one.
        if unraisable.exc_type is RuntimeError and called is _REPORT:
            return
        before(unraisable)

    sys.unraisablehook = hook
