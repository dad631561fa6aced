"""Several workers go through one list of jobs, each job claimed by one of them at a time."""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol, TypeVar

from etils import epath

from scalax.errors import UserError
from scalax.jobs import claims
from scalax.jobs.claims import Busy, Claim, Lost
from scalax.records import StateFile

FAILURE = "failure.json"


class Failure(NamedTuple):
    """What `failure.json` says: why, when (ISO 8601), where; kind: class of the error."""

    message: str
    time: str = ""
    host: str = ""
    pid: int = 0
    kind: str = "UserError"


class Failed(UserError):
    """Some jobs failed. failures: of each, by the job's name."""

    def __init__(self, failures: Mapping[str, Failure], jobs: int):
        self.failures = failures
        first = "; ".join(f"{name}: {failures[name].message}" for name in sorted(failures)[:3])
        more = f"; and {len(failures) - 3} more" if len(failures) > 3 else ""
        super().__init__(
            f"{len(failures)} of {jobs} failed: {first}{more}; the same command tries them again"
        )


_FILE = StateFile(Failure, 1, "remove it")


class Job(Protocol):
    """Something that is done once, in a directory of its own."""

    @property
    def name(self) -> str: ...
    @property
    def directory(self) -> Any: ...
    def finished(self) -> bool: ...


J = TypeVar("J", bound=Job)


def drain(
    jobs: Sequence[J],
    work: Callable[[J, Claim], None],
    *,
    poll_s: float = 5.0,
    stale_s: float | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Return once all jobs are finished, by this process or by others with the same list.

    - jobs: the list of them, the same for all workers.
    - work: called with a job and the claim on its directory; it must leave the job finished. Where it raises
      UserError, `failure.json` in the job's directory says why, and the other jobs go on. Any other exception
      ends the call at once.
    - poll_s: after how many seconds a job that another process works on is looked at again.
    - stale_s: when the claim of an owner that is gone goes stale; see `claim`.
    - say: gets a line for each failure, and one when there is only waiting left.

    A failure from before this call is tried again. Raises Failed at the end, where some jobs failed since,
    here or in another process.
    """
    before = {job.name: failure(job.directory) for job in jobs}
    failed: dict[str, Failure] = {}
    left, said = list(jobs), False
    while True:
        busy = []
        for job in left:
            try:
                failed_now = _attempt(job, work, before[job.name], stale_s)
            except (Busy, Lost):
                busy.append(job)
                continue
            if failed_now is not None:
                failed[job.name] = failed_now
                say(f"{job.name} failed: {failed_now.message}")
        if not busy:
            break
        if len(busy) == len(left):  # nothing was done: wait for the others
            if not said:
                said = True
                say(f"waiting for other processes, which work on {len(busy)} of {len(jobs)}")
            time.sleep(poll_s)
        left = busy
    if failed:
        raise Failed(failed, len(jobs))


def failure(directory: Any) -> Failure | None:
    """What `failure.json` of a job's directory says; None without one. Of one that is damaged, that it is."""
    try:
        return _FILE.read(epath.Path(directory) / FAILURE)
    except UserError as e:
        return Failure(str(e))


def note_failure(directory: Any, message: str, kind: str = UserError.__name__) -> Failure:
    """Write `failure.json`, and return what it says.

    - directory: of the job.
    - message: why it failed.
    - kind: class of the error.
    """
    when = datetime.now(UTC).isoformat(timespec="milliseconds")
    failed = Failure(message, when, socket.gethostname(), os.getpid(), kind)
    with suppress(OSError):  # a full disk may be the failure itself
        _FILE.write(epath.Path(directory) / FAILURE, failed)
    return failed


def _attempt(job: J, work: Callable[[J, Claim], None], before: Failure | None, stale_s) -> Failure | None:
    """Do one job if need be; returns why it failed. Raises Busy or Lost where another process does it."""
    if job.finished():
        return None
    with claims.claim(job.directory, stale_s) as claim:
        if job.finished():
            return None
        now = failure(job.directory)
        if now is not None and now != before:  # another worker failed at it meanwhile
            return now
        _forget_failure(job.directory)
        try:
            work(job, claim)
        except (Busy, Lost):  # a member of the job is held by another worker, or the job itself is by now
            raise
        except UserError as e:
            claim.check()
            return note_failure(job.directory, str(e), type(e).__name__)
        if not job.finished():
            raise RuntimeError(f"{job.name}: its work ended without finishing the job; report this")
    return None


def _forget_failure(directory: Any) -> None:
    path = epath.Path(directory) / FAILURE
    try:
        path.unlink(missing_ok=True)
    except OSError as e:
        raise UserError(
            f"{path}: cannot remove it ({e.strerror or e}); remove it, then start again"
        ) from None
