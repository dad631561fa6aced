"""The last two states of a run, or of a group of runs, and how far it was, saved in the background; and those
that other runs branch off."""

import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from etils import epath
from orbax.checkpoint import v1 as ocp

from scalax import untrusted
from scalax.errors import UserError
from scalax.train import distributed
from scalax.train.complete import LostRecords
from scalax.train.state import TrainState
from scalax.train.unreadable import ignore_late_reports, line_of, quietly, reading, reason

KEPT = 2
DUE, FOR_GOOD = "due", "for_good"  # beside what a run says of its progress
METADATA = "_CHECKPOINT_METADATA"  # Orbax's file of what was saved beside the state


class Kept:
    """Which checkpoints stay: the last KEPT, the last that was due, and those that are kept for good.

    - extra: steps of those that were not due, but made because the process was asked to end.
    - for_good: steps of those that always stay.
    """

    def __init__(self):
        self.extra: set[int] = set()
        self.for_good: set[int] = set()

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        steps = [checkpoint.step for checkpoint in checkpoints]
        due = [step for step in steps if step not in self.extra]
        kept = {*steps[-KEPT:], *due[-1:], *self.for_good}
        return [step in kept for step in steps]


class Checkpoints:
    """Checkpoints under `directory`, a local or gs:// path."""

    def __init__(self, directory: Any):
        every: Any = ocp.training.save_decision_policies.FixedIntervalPolicy(1)
        self._kept: Any = Kept()
        self._directory = directory = _absolute(directory)
        ignore_late_reports()
        if distributed.is_primary():
            _set_aside_damaged(directory)
        distributed.barrier("checkpoints")
        with self._errors("open"):
            self._checkpointer = ocp.training.Checkpointer(
                directory,
                save_decision_policy=every,
                preservation_policy=self._kept,
                cleanup_tmp_directories=True,
            )
        for checkpoint in self._checkpointer.checkpoints:
            with suppress(Exception):  # a damaged one is passed over when it is to be restored
                progress = self._progress(checkpoint.step)
                if progress.get(DUE) is False:
                    self._kept.extra.add(checkpoint.step)
                if progress.get(FOR_GOOD) is True:
                    self._kept.for_good.add(checkpoint.step)

    def save(
        self, step: int, state: TrainState, progress: dict, due: bool = True, for_good: bool = False
    ) -> None:
        """Start a save and return; the one before is waited for.

        - step: updates made so far.
        - state: after these.
        - progress: JSON, kept with the state.
        - due: whether it is made at this step in every case, and not only because the process is to end.
        - for_good: whether it stays when newer ones are made.
        """
        (self._kept.extra.discard if due else self._kept.extra.add)(step)
        (self._kept.for_good.add if for_good else self._kept.for_good.discard)(step)
        progress = {**progress, DUE: due, **({FOR_GOOD: True} if for_good else {})}
        if jax.default_backend() == "cpu":
            state = jax.tree.map(jnp.copy, state)  # the next step writes into the donated buffers
        with self._errors("save a checkpoint in"):
            self._checkpointer.save_checkpointables_async(
                step, {"state": state}, force=True, overwrite=True, custom_metadata=progress
            )

    def restore(
        self, abstract: Callable[[int, dict], TrainState], due: bool = False
    ) -> tuple[int, TrainState, dict] | None:
        """(step, state, progress) of the newest checkpoint that can be read, None where there is none.

        - abstract: from a step and progress to the state as jax.ShapeDtypeStruct with shardings; it raises
          where the progress is not one to go on from. A checkpoint that cannot be gone on from is passed over
          with a warning.
        - due: pass over those that were not due.

        Raises UserError where none is left, and one that was due lacked records (LostRecords): the run's past
        cannot be had back by going on.
        """
        lost: LostRecords | None = None
        for checkpoint in sorted(self._checkpointer.checkpoints, key=lambda c: c.step, reverse=True):
            is_extra = checkpoint.step in self._kept.extra
            if due and is_extra:
                continue
            try:
                with quietly():
                    progress = self._progress(checkpoint.step)
                wanted = {"state": abstract(checkpoint.step, cast(dict, progress))}
                with quietly():
                    loaded = self._checkpointer.load_checkpointables(checkpoint.step, wanted)
            except Exception as e:  # a torn file can fail in any layer of the reader
                lost = e if isinstance(e, LostRecords) and not is_extra else lost
                what = "gone on from" if isinstance(e, UserError) else "read"
                path = epath.Path(checkpoint.path)
                warnings.warn(
                    f"checkpoint {path} cannot be {what} ({reason(path, e)}); going back to the one before",
                    stacklevel=2,
                )
                continue
            return checkpoint.step, loaded["state"], cast(dict, progress)
        if lost is not None:
            raise UserError(
                f"{lost}; no checkpoint is from before. Restore the file, or remove {self._directory}, and"
                " the run begins again"
            )
        return None

    def _progress(self, step: int) -> Any:
        """What was saved beside the state."""
        return self._checkpointer.checkpointables_metadata(step).custom_metadata

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
            raise UserError(
                f"cannot {what} {self._directory} ({line_of(e)}); earlier checkpoints are kept. Free space or"
                " repair the directory, then start again"
            ) from e


def _absolute(directory: Any) -> epath.Path:
    """Orbax takes no relative path."""
    path = epath.Path(directory)
    return path if "://" in str(directory) else path.absolute()


def _set_aside_damaged(directory: epath.Path) -> None:
    """Rename checkpoints whose metadata Orbax would refuse, and with them all others in the directory."""
    if "://" in str(directory) or not directory.is_dir():
        return
    for path in directory.iterdir():
        try:
            if path.name.isdigit() and (raw := untrusted.read_bytes(path / METADATA)).strip():
                data = untrusted.parse_json(raw)
                if data is not None and not isinstance(data.get("custom_metadata"), dict | None):
                    raise ValueError("custom_metadata is no object")
        except FileNotFoundError:
            continue  # Orbax passes over it
        except (ValueError, AttributeError, OSError) as e:
            aside = path.with_name(f"damaged-{path.name}-{uuid.uuid4().hex[:8]}")
            path.rename(aside)
            warnings.warn(f"checkpoint {path} cannot be read ({line_of(e)}); moved to {aside}", stacklevel=3)


def newest_in(directory: Any) -> epath.Path | None:
    """Path of the newest checkpoint in a directory of them; None where there is none."""
    where = _absolute(directory)
    steps = [int(path.name) for path in where.iterdir() if path.name.isdigit()] if where.is_dir() else []
    return where / str(max(steps)) if steps else None


class AsSaved(NamedTuple):
    """A checkpoint as it was saved, whatever model it is of.

    - state: a tree of dicts, on one device.
    - progress: what was saved beside it.
    - members: how many runs the state is of; None of a run alone.
    """

    state: dict[str, Any]
    progress: Any
    members: int | None


def read_path(path: epath.Path) -> AsSaved:
    """A checkpoint. Raises UserError where it cannot be read. Nothing there is written or removed."""
    one = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    with reading(path):
        saved: Any = ocp.checkpointables_metadata(path)
        state = saved.metadata["state"]
        wanted = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=one), state)
        loaded = ocp.load_checkpointables(path, {"state": wanted})["state"]
        return AsSaved(loaded, saved.custom_metadata, _members(state))


def read_as_saved(directory: Any) -> dict[str, Any] | None:
    """The newest state in `directory` (AsSaved.state). None where there is none. Raises UserError where it
    cannot be read."""
    path = newest_in(directory)
    return None if path is None else read_path(path).state


def read_step(
    directory: Any, step: int, abstract: Callable[[int | None], TrainState]
) -> tuple[TrainState, dict, int | None]:
    """(state, progress, members) of the checkpoint of a step; members is None of a run alone.

    - directory: of the checkpoints. Nothing there is written or removed.
    - step: updates made when it was saved.
    - abstract: from the number of members to the state as jax.ShapeDtypeStruct with shardings.

    Raises UserError where it cannot be read.
    """
    path = _absolute(directory) / str(step)
    with reading(path):
        saved: Any = ocp.checkpointables_metadata(path)
        members = _members(saved.metadata["state"])
        loaded = ocp.load_checkpointables(path, {"state": abstract(members)})
        return loaded["state"], cast(dict, saved.custom_metadata), members


def _members(state: Any) -> int | None:
    """Of a state by its metadata: how many runs it is of; None of a run alone."""
    lead = state["step"].shape
    return lead[0] if lead else None
