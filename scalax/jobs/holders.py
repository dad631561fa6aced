"""Who holds a directory: the files `.claim-N.json` that say so, and what they are compared with."""

import os
import re
import socket
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from scalax.errors import UserError
from scalax.records import StateFile


class Said(NamedTuple):
    """What a claim file holds.

    - host, pid: of the owner.
    - since_unix_s: when it claimed the directory.
    - machine: tells hosts of one name, and containers on one host, apart.
    - locked: whether the owner holds the lock on `.lock` too.
    - released: the owner let go.
    - note: what the owner last said of its progress.
    - token: the claim's own.
    """

    host: str
    pid: int
    since_unix_s: float
    machine: str
    locked: bool
    released: bool
    note: dict[str, Any]
    token: str


FILE = StateFile(Said, 1, "wait until the claim is stale", most_bytes=2**20)


class Holder(NamedTuple):
    """What the newest claim file of a directory says (Said). age_s: since it was last renewed."""

    host: str
    pid: int
    since_unix_s: float
    released: bool
    note: dict[str, Any]
    age_s: float
    machine: str
    locked: bool

    @property
    def gone(self) -> bool:
        """Whether the owner let go, or is a process of this machine that ended."""
        return self.released or (self.machine == this_machine() and not is_alive(self.pid))


def holder(directory: Any) -> Holder | None:
    """Who claimed `directory` last; None where nobody did. It writes nothing, so `age_s` is by this host's
    clock."""
    with suppress(OSError):
        if number := newest_number(Path(directory)):
            return read(Path(directory), number)
    return None


def file_name(number: int) -> str:
    return f".claim-{number}.json"


def newest_number(directory: Path) -> int:
    """N of the newest claim, or 0."""
    found = (re.fullmatch(r"\.claim-(\d+)\.json", name) for name in os.listdir(directory))
    return max((int(match[1]) for match in found if match), default=0)


def read(directory: Path, number: int, now: float | None = None) -> Holder | None:
    """What one claim file says; None where there is no such file.

    - directory: where it is.
    - number: N of its name.
    - now: the time that `age_s` counts to, by this host's clock where it is not given.
    """
    path = directory / file_name(number)
    try:
        said = FILE.read(path)
        if said is not None and not (0 < said.pid < 2**31 and 0 <= said.since_unix_s < 2**32):
            raise UserError(f"{path}: no process or no time")
    except UserError:  # its owner is about to write it, or never came to
        said = Said("an unknown host", 0, 0.0, "", False, False, {}, "")
    try:
        written = os.stat(path).st_mtime
    except OSError:
        return None
    if said is None:
        return None
    age_s = max(0.0, (time.time() if now is None else now) - written)
    fields = said._replace(since_unix_s=said.since_unix_s or written)._asdict()
    del fields["token"]
    return Holder(**fields, age_s=age_s)


def now_of(directory: Path) -> float:
    """Time by the clock of the file system: what it stamps on a file that is written now."""
    with open(directory / ".clock", "wb") as file:
        file.write(b".")
        file.flush()
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_mtime


def this_machine() -> str:
    """One kernel since its start, and one space of process ids on it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {uuid.getnode()}"


def is_alive(pid: int) -> bool:
    """Whether the process of this machine has not ended; one that its parent has yet to wait for has."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # it ended just now; or the system has no /proc
        return not Path("/proc/self/stat").exists()
    return stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")  # "PID (NAME) STATE ..."
