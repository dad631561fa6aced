"""Who holds a directory: the files `.claim-N.json` that say so, and what they are compared with."""

import json
import os
import re
import socket
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple


class Holder(NamedTuple):
    """What the newest claim file of a directory says."""

    host: str
    pid: int
    since_unix_s: float
    released: bool
    note: dict  # what the owner last said of its progress
    age_s: float  # since it was last renewed
    machine: str  # tells hosts of one name, and containers on one host, apart
    locked: bool  # whether the owner holds the lock on `.lock` too

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
    try:
        with open(directory / file_name(number)) as file:
            written = os.fstat(file.fileno()).st_mtime
            text = file.read()
    except OSError:
        return None
    age_s = max(0.0, (time.time() if now is None else now) - written)
    try:
        data = json.loads(text)
        return Holder(**{name: data[name] for name in Holder._fields if name != "age_s"}, age_s=age_s)
    except (ValueError, KeyError, TypeError):  # its owner is about to write it, or never came to
        return Holder("an unknown host", 0, written, False, {}, age_s, "", False)


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
