"""One process at a time in a directory, on one machine or on a file system that several share.

The newest of the files `.claim-N.json` says who works there. N only grows. To take over from an owner, a
process creates file N + 1; the file system lets only one process create it, however many try. The file is
written under another name and then linked to its own, so that no claim is seen without its content. An owner
is gone once its file says so, or

- on this machine: once it no longer holds the lock on `.lock`; the system lets go of it for a process that
  ends, however it ends;
- on any machine: once its file was not renewed for `stale_s`. Both times come from the file system (the
  observer writes a file to read its clock), because the clocks of hosts may differ.

A process that was paused for so long finds that it lost its claim at the next `check`, before it writes.
"""

import fcntl
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from scalax import records
from scalax.errors import UserError
from scalax.jobs import holders
from scalax.jobs.holders import Holder, Said, holder

STALE_S = 120.0
BEAT_S = 10.0  # at most; six times in `stale_s` where that is less


class Busy(UserError):
    """Another process works in the directory."""


class Lost(UserError):
    """Another process took the claim over, because this one gave no sign of life in time."""


class Claim:
    """A claim that this process holds; get one with `claim`.

    - directory: what is claimed.
    - number: N of its file.
    - locked: whether this process holds the lock on `.lock` too.
    """

    def __init__(self, directory: Path, number: int, locked: bool):
        self._directory, self._number = directory, number
        self._said = Said(
            host=socket.gethostname(),
            pid=os.getpid(),
            since_unix_s=time.time(),
            machine=holders.this_machine(),
            locked=locked,
            released=False,
            note={},
            token=uuid.uuid4().hex,
        )
        self._path = directory / holders.file_name(number)
        self._beside = self._path.with_suffix(f".{self._said.token}")  # what a kill leaves is swept up
        self._mutex = threading.Lock()
        self._newest = number

    def check(self) -> None:
        """Renew the claim. Raises Lost where another process took it over: then write nothing more."""
        try:
            if self._newest == self._number:
                self._write()
                self._newest = max(holders.newest_number(self._directory), self._number)
        except OSError as e:
            raise UserError(
                f"cannot write in {self._directory} ({e.strerror or e}); repair it, then start again"
            ) from None
        if self._newest > self._number:
            now = holder(self._directory)
            who = f"{now.host}, process {now.pid}" if now else "another process"
            raise Lost(
                f"{self._directory} was taken over by {who}, because this process gave no sign of life in"
                " time; this process stops writing there"
            )

    def note(self, progress: dict) -> None:
        """Say how far the work is, in numbers and text; written with the next sign of life."""
        self._said = self._said._replace(note=dict(progress))

    def _create(self) -> bool:
        """Make the claim's file with all that it says; False where another process made it first."""
        return records.create_atomically(self._path, holders.FILE.text(self._said), self._beside)

    def _write(self) -> None:
        with self._mutex, suppress(FileNotFoundError):  # where a newer owner removed `beside`, it shows next
            self._beside.write_text(holders.FILE.text(self._said))
            os.replace(self._beside, self._path)

    def _beat(self, ended: threading.Event, every_s: float) -> None:
        while not ended.wait(every_s):
            with suppress(UserError):  # the owner's own check says so where it matters
                self.check()

    def _release(self) -> None:
        self._said = self._said._replace(released=True)
        with suppress(UserError):
            self.check()


class _NoClaim(Claim):
    """What an object store gets: it has no locks, so nothing is claimed."""

    def __init__(self):
        pass

    def check(self) -> None:
        pass

    def note(self, progress: dict) -> None:
        pass


@contextmanager
def claim(directory: Any, stale_s: float | None = None) -> Iterator[Claim]:
    """Claim `directory` (made if need be) while the context lasts; a sign of life now and then renews it.

    - stale_s: seconds without a sign of life after which an owner on another machine counts as gone. It must
      be the same for all workers. Default: SCALAX_CLAIM_STALE_S in the environment, else 120.

    Raises Busy where another process works there. Object stores have no locks: there nothing is claimed.
    """
    if "://" in str(directory):
        yield _NoClaim()
        return
    stale_s = stale_after_s() if stale_s is None else stale_s
    path = Path(directory)
    with ExitStack() as stack:
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context((path / ".lock").open("w"))
            claim = _acquire(path, stale_s, _try_lock(lock))
        except OSError as e:
            raise UserError(f"cannot write in {path} ({e.strerror or e}); choose another `out`") from None
        ended = threading.Event()
        beat_s = min(BEAT_S, stale_s / 6)
        thread = threading.Thread(target=claim._beat, args=(ended, beat_s), name="claim", daemon=True)
        thread.start()
        try:
            yield claim
        finally:
            ended.set()
            thread.join()
            claim._release()


def stale_after_s() -> float:
    """SCALAX_CLAIM_STALE_S, or 120. Raises UserError where it is not a positive number."""
    text = os.environ.get("SCALAX_CLAIM_STALE_S", str(STALE_S))
    with suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise UserError(f"SCALAX_CLAIM_STALE_S must be a positive number of seconds, got {text!r}")


def _acquire(directory: Path, stale_s: float, locked: bool) -> Claim:
    newest = holders.newest_number(directory)
    if newest:
        owner = holders.read(directory, newest, holders.now_of(directory))
        if not _is_gone(owner, stale_s, locked):
            raise _busy(directory, owner)
    claim = Claim(directory, newest + 1, locked)
    try:
        created = claim._create()
    except FileNotFoundError:  # a newer owner removed the file that was about to become the claim
        if holder(directory) is None:
            raise
        created = False
    if not created:
        raise _busy(directory, holder(directory))
    try:
        claim.check()  # a listing that was out of date, as network file systems give, shows here
    except UserError as e:
        (directory / holders.file_name(newest + 1)).unlink(missing_ok=True)
        raise (_busy(directory, holder(directory)) if isinstance(e, Lost) else e) from None
    for name in os.listdir(directory):
        match = re.match(r"\.claim-(\d+)\.", name)
        if match and int(match[1]) <= newest:
            (directory / name).unlink(missing_ok=True)
    return claim


def _is_gone(owner: Holder | None, stale_s: float, locked: bool) -> bool:
    """locked: whether this process got the lock on `.lock`."""
    if owner is None:  # a newer one has just replaced it
        return False
    stale = owner.age_s > stale_s
    if owner.released or owner.machine != holders.this_machine():
        return owner.released or stale
    if owner.locked:  # an ended owner's children may hold on to the lock; a paused owner is not gone
        return locked or (stale and owner.gone)
    return stale or owner.gone


def _busy(directory: Path, owner: Holder | None) -> Busy:
    if owner is None:
        return Busy(f"{directory} is being claimed by another process; try again, or choose another `out`")
    since = datetime.fromtimestamp(owner.since_unix_s).astimezone()
    return Busy(
        f"{directory} is in use by {owner.host}, process {owner.pid}, since {since:%Y-%m-%d %H:%M:%S %Z}"
        f" (last sign of life {owner.age_s:.0f} s ago); wait for it, or choose another `out`"
    )


def _try_lock(file: IO) -> bool:
    """Whether this process now holds the lock; not every file system has locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
