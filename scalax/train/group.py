"""Runs that train together: where their common checkpoints are, and how they end."""

import dataclasses
import hashlib
import json
from typing import Any, NamedTuple

from etils import epath

from scalax import jobs, records
from scalax.config import OptimConfig
from scalax.errors import UserError
from scalax.records import RunInfo, StateFile
from scalax.train import distributed


class Diverged(UserError):
    """The loss or the gradient of a run is no longer finite."""


class Ended(NamedTuple):
    """What finished.json of a group holds: names of the members that ended, the timing of each, and by name
    how many records they had (empty in older files)."""

    names: list[str]
    timing: dict[str, float]
    records: dict[str, int] = {}  # noqa: RUF012


FILE = "finished.json"
_FILE = StateFile(
    Ended, 1, "restore it; or remove it, and runs of the group that are not finished train again, alone"
)


class Member(NamedTuple):
    """One run of a group that trains together: its directory, seed, and optimiser (None: the experiment's).

    The optimisers of a group may differ in lr, lr_head, weight_decay and weight_decay_head. trunk: directory
    of the run that it branches off after `begins` updates, the same for the group (train.branch).
    """

    directory: str | epath.Path
    seed: int
    optim: OptimConfig | None = None
    trunk: epath.Path | None = None
    begins: int = 0

    @property
    def path(self) -> epath.Path:
        return epath.Path(self.directory)


class Group:
    """Members that train as one program; a single run is a group of one.

    - members: of the group.
    - optims: the optimiser of each member.
    - infos: what its run.json holds.
    """

    def __init__(self, members: tuple[Member, ...], optims: tuple[OptimConfig, ...], infos: list[RunInfo]):
        self.members, self.optims, self.infos = members, optims, infos

    @property
    def size(self) -> int:
        return len(self.members)

    @property
    def names(self) -> list[str]:
        """What records call each member: its directory when it was made, which may have been renamed."""
        pairs = zip(self.members, self.infos, strict=True)
        return [member.path.name if info.name is None else info.name for member, info in pairs]

    @property
    def axis(self) -> int | None:
        """Length of the leading axis of a population; None for a run alone."""
        return self.size if self.size > 1 else None

    @property
    def seed(self) -> int | list[int]:
        seeds = [member.seed for member in self.members]
        return seeds if self.axis else seeds[0]

    @property
    def name(self) -> str:
        return name_of(self.members)

    @property
    def directory(self) -> epath.Path:
        """Of the checkpoints: a run's own, or beside those of the members."""
        return directory_of(self.members)

    def begin(self) -> None:
        """Note in each run.json which group the run belongs to, where there is more than one member."""
        if not self.axis or not distributed.is_primary():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        for i in range(self.size):
            self._write(i, group=self.directory.name, member=i)

    def finish(self, failed: dict[int, str], timing: dict[str, float]) -> None:
        """Mark all but the `failed` members finished; a kill between two of them loses none.

        timing: seconds of the whole group, of which each member has its share.
        """
        if not distributed.is_primary():
            return
        ended = [i for i in range(self.size) if i not in failed]
        timing = {name: value / self.size for name, value in timing.items()}
        if self.axis:
            paths = [self.members[i].path for i in ended]
            counts = {path.name: len(records.scan(path / records.METRICS_FILE).records) for path in paths}
            _FILE.write(self.directory / FILE, Ended(list(counts), timing, counts))
        for i in ended:
            self.infos[i] = records.finish(self.members[i].path, self.infos[i], timing)

    def fail(self, failed: dict[int, str], error: UserError | None = None) -> None:
        """Write failure.json of the members that diverged (`failed`), and of all others where there is an
        `error`."""
        if not distributed.is_primary():
            return
        for i, member in enumerate(self.members):
            if i in failed:
                jobs.note_failure(member.path, failed[i], Diverged.__name__)
            elif error is not None:
                jobs.note_failure(member.path, str(error), type(error).__name__)

    def _write(self, i: int, **changes: Any) -> None:
        self.infos[i] = dataclasses.replace(self.infos[i], **changes)
        records.write_info(self.members[i].path, self.infos[i])


def name_of(members: tuple[Member, ...]) -> str:
    """Of the group of these members, for people."""
    first = members[0].path.name
    return first if len(members) == 1 else f"{first} and {len(members) - 1} more"


def directory_of(members: tuple[Member, ...]) -> epath.Path:
    """Of the checkpoints of the group of these members."""
    if len(members) == 1:
        return members[0].path
    names = json.dumps([member.path.name for member in members])
    return members[0].path.parent / f".group-{hashlib.sha256(names.encode()).hexdigest()[:12]}"


def checkpoints_of(directory: epath.Path, info: RunInfo) -> tuple[epath.Path, int | None]:
    """Where the checkpoints of a run are, and its number among those of its group, None for a run alone."""
    if info.group is None or info.member is None:
        return directory / "ckpt", None
    return directory.parent / info.group / "ckpt", info.member


def ended_in_group(directory: epath.Path, info: RunInfo) -> bool:
    """Whether the run finished as part of a group that was killed before it wrote the run's own run.json.

    If so, write it now. info: what its run.json should hold. Raises UserError where records are missing.
    """
    theirs = records.read_info(directory)
    if theirs.group is None:
        return False
    marks = _FILE.read(directory.parent / theirs.group / FILE)
    if marks is None or directory.name not in marks.names:
        return False
    if distributed.is_primary():
        info = dataclasses.replace(info, group=theirs.group, member=theirs.member, name=theirs.name)
        count = marks.records.get(directory.name)
        records.read_run(directory, dataclasses.replace(info, finished=True, records=count))
        records.finish(directory, info, marks.timing)
    return True
