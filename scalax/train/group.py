"""Runs that train together: where their common checkpoints are, and how they end."""

import hashlib
import json
from typing import NamedTuple

from etils import epath

from scalax import jobs, records
from scalax.config import OptimConfig
from scalax.train import distributed, rundir
from scalax.train.rundir import Member


class Group(NamedTuple):
    """members, the optimiser of each, and what its run.json holds."""

    members: tuple[Member, ...]
    optims: tuple[OptimConfig, ...]
    infos: tuple[dict, ...]

    @property
    def size(self) -> int:
        return len(self.members)

    @property
    def name(self) -> str:
        first = self.members[0].path.name
        return first if self.size == 1 else f"{first} and {self.size - 1} more"

    @property
    def directory(self):
        """Of the checkpoints: a run's own, or beside those of the members."""
        if self.size == 1:
            return self.members[0].path
        names = json.dumps([member.path.name for member in self.members])
        return self.members[0].path.parent / f".group-{hashlib.sha256(names.encode()).hexdigest()[:12]}"

    def begin(self) -> None:
        """Note in each run.json which group the run belongs to, where there is more than one member."""
        if self.size == 1 or not distributed.is_primary():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        for member, info in zip(self.members, self.infos, strict=True):
            info["group"] = self.directory.name
            rundir.write(member.path, info)

    def finish(self, failed: dict[int, str], timing: dict) -> None:
        """Mark all but the `failed` members finished; a kill between two of them loses none.

        timing: seconds of the whole group, of which each member has its share.
        """
        if not distributed.is_primary():
            return
        ended = [i for i in range(self.size) if i not in failed]
        timing = {name: value / self.size for name, value in timing.items()}
        if self.size > 1:
            marks = {"names": [self.members[i].path.name for i in ended], "timing": timing}
            records.write_atomically(self.directory / "finished.json", json.dumps(marks))
        for i in ended:
            self.infos[i].update(finished=True, timing=timing)
            rundir.write(self.members[i].path, self.infos[i])

    def fail(self, failed: dict[int, str], reason: str = "") -> None:
        """Write failure.json of the `failed` members, and of all others where there is a `reason`."""
        for i, member in enumerate(self.members):
            if distributed.is_primary() and (why := failed.get(i, reason)):
                jobs.note_failure(member.path, why)


def ended_in_group(directory: epath.Path, info: dict) -> bool:
    """Whether a run's group ended, and the run with it, though a kill kept that from its own run.json; then
    write it there."""
    theirs = json.loads((directory / "run.json").read_text())
    path = directory.parent / theirs.get("group", "") / "finished.json"
    marks = json.loads(path.read_text()) if "group" in theirs and path.exists() else {"names": []}
    if directory.name not in marks["names"]:
        return False
    if distributed.is_primary():
        ended = {"group": theirs["group"], "finished": True, "timing": marks["timing"]}
        rundir.write(directory, {**info, **ended})
    return True
