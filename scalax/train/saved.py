"""What a checkpoint says besides the state: how far the run was, in every other respect."""

import dataclasses
import math
from typing import Any

from etils import epath

from scalax import typed
from scalax.errors import UserError
from scalax.records.state_file import check_version
from scalax.schedule import Schedule

VERSION = 1
PARTS: tuple[str, ...] = ("compile_s", "switch_stall_s", "idle_s")


@dataclasses.dataclass(frozen=True)
class Saved:
    """Kept with each checkpoint.

    - feed: state of the batches (data.feed).
    - schedule: that the run follows by now.
    - rate_factor: what learning rates are multiplied by, below 1 where the group went back.
    - wall_s: seconds spent in steps. timing: other seconds, by PARTS.
    - failed: members that diverged, by number, and why.
    - skipped, skipped_in_a_row: steps that each member left out.
    - step: updates made so far. runs: name of each member (RunInfo.name), None where it has none. Both are
      absent from checkpoints that were made before these were noted.
    """

    feed: dict[str, Any]
    schedule: Schedule | None = None
    rate_factor: float = 1.0
    wall_s: float = 0.0
    timing: dict[str, float] = dataclasses.field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    failed: dict[str, str] = dataclasses.field(default_factory=dict)
    skipped: list[int] = dataclasses.field(default_factory=list)
    skipped_in_a_row: list[int] = dataclasses.field(default_factory=list)
    step: int | None = None
    runs: list[str | None] | None = None

    def to_json(self) -> dict[str, Any]:
        return {"version": VERSION, **{name: typed.to_json(getattr(self, name)) for name in _NAMES}}

    def failed_members(self, size: int) -> dict[int, str]:
        """By number. size: of the group. Raises UserError for a number that no member has."""
        numbers = {str(i): i for i in range(size)}
        if unknown := self.failed.keys() - numbers.keys():
            raise UserError(f"failed: no member {typed.shown(min(unknown))} among {size}")
        return {numbers[i]: reason for i, reason in self.failed.items()}

    def skips(self, size: int) -> tuple[list[int], list[int]]:
        """`skipped` and `skipped_in_a_row`. size: of the group. Raises UserError where that is another."""
        both = self.skipped or [0] * size, self.skipped_in_a_row or [0] * size
        if any(len(counts) != size or min(counts) < 0 for counts in both):
            raise UserError(f"skipped steps: want {size} counts")
        return both

    def check_run(self, name: str | None, member: int | None, size: int | None) -> None:
        """Raises UserError where the checkpoint is of another run.

        - name: of the run, by its run.json; None where that does not say.
        - member: number of the run in its group; None of a run alone.
        - size: of the group whose state it holds; None where that is of a run alone.
        """
        if (member is None) != (size is None) or (member or 0) >= (size or 1):
            theirs, ours = size or 1, "alone" if member is None else f"number {member} of a group"
            raise UserError(f"of {theirs} runs together, and by run.json the run trained {ours}")
        theirs = self.runs[member or 0] if self.runs is not None else None
        if None not in (name, theirs) and theirs != name:
            raise UserError(f"of run {typed.shown(theirs)}, and run.json is of {typed.shown(name)}")


_NAMES = [field.name for field in dataclasses.fields(Saved)]


def read_saved(data: Any, size: int, step: int) -> Saved:
    """What a checkpoint says.

    - data: JSON that Orbax kept beside the state.
    - size: of the group.
    - step: updates made, by the name of the checkpoint.

    Raises UserError where it is not what scalax saves.
    """
    if not isinstance(data, dict) or not data:
        raise UserError("what was saved beside the state is missing")
    check_version(data, VERSION, "progress")
    saved = typed.from_json(Saved, data, "progress")
    times = [saved.wall_s, *(saved.timing.get(part, math.nan) for part in PARTS)]
    if not 0 < saved.rate_factor <= 1 or not all(0 <= time < math.inf for time in times):
        raise UserError("progress: rate_factor, wall_s or timing has no value that a run can have")
    saved.failed_members(size)
    saved.skips(size)
    if saved.runs is not None and len(saved.runs) != size:
        raise UserError(f"progress: runs: want {size} names")
    if saved.step not in (None, step):
        raise UserError(f"saved after {saved.step} updates, and not after {step}")
    return saved


def saved_of(path: Any, data: Any, name: str | None, member: int | None, size: int | None) -> Saved:
    """What the checkpoint of a run says that another run begins with.

    - path: of the checkpoint; its last part is the step.
    - data: JSON that Orbax kept beside the state.
    - name, member, size: as of Saved.check_run.

    Raises UserError where it is not what scalax saves, or is of another run or step.
    """
    path = epath.Path(path)
    try:
        saved = read_saved(data, size or 1, int(path.name))
        saved.check_run(name, member, size)
    except UserError as e:
        raise UserError(f"checkpoint {path} cannot be taken ({e})") from None
    return saved
