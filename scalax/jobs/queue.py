"""Several workers go through one list of jobs, each job claimed by one of them at a time."""

import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from etils import epath

from scalax import records
from scalax.errors import UserError
from scalax.jobs import claims
from scalax.jobs.claims import Busy, Claim, Lost

FAILURE = "failure.json"


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

    A failure from before this call is tried again. Raises UserError at the end, one for all jobs that failed
    since, here or in another process.
    """
    before = {job.name: failure(job.directory) for job in jobs}
    failed: dict[str, str] = {}
    left, said = list(jobs), False
    while True:
        busy = []
        for job in left:
            try:
                reason = _attempt(job, work, before[job.name], stale_s)
            except (Busy, Lost):
                busy.append(job)
                continue
            if reason is not None:
                failed[job.name] = reason
                say(f"{job.name} failed: {reason}")
        if not busy:
            break
        if len(busy) == len(left):  # nothing was done: wait for the others
            if not said:
                said = True
                say(f"waiting for other processes, which work on {len(busy)} of {len(jobs)}")
            time.sleep(poll_s)
        left = busy
    if failed:
        first = "; ".join(f"{name}: {failed[name]}" for name in sorted(failed)[:3])
        more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        raise UserError(
            f"{len(failed)} of {len(jobs)} failed: {first}{more}; the same command tries them again"
        )


def failure(directory: Any) -> dict | None:
    """What `failure.json` of a job's directory says: message, host, pid and when; None without one."""
    try:
        data = json.loads((epath.Path(directory) / FAILURE).read_text())
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) and "message" in data else None


def note_failure(directory: Any, message: str) -> None:
    """Write `failure.json`."""
    when = datetime.now(UTC).isoformat(timespec="milliseconds")
    what = {"message": message, "time": when, "host": socket.gethostname(), "pid": os.getpid()}
    with suppress(OSError):  # a full disk may be the failure itself
        records.write_atomically(epath.Path(directory) / FAILURE, records.dumps(what) + "\n")


def _attempt(job: J, work: Callable[[J, Claim], None], before: dict | None, stale_s) -> str | None:
    """Do one job if need be; returns why it failed. Raises Busy or Lost where another process does it."""
    if job.finished():
        return None
    with claims.claim(job.directory, stale_s) as claim:
        if job.finished():
            return None
        now = failure(job.directory)
        if now is not None and now != before:  # another worker failed at it meanwhile
            return str(now["message"])
        path = epath.Path(job.directory) / FAILURE
        path.unlink(missing_ok=True)
        try:
            work(job, claim)
        except (Busy, Lost):  # a member of the job is held by another worker, or the job itself is by now
            raise
        except UserError as e:
            claim.check()
            note_failure(job.directory, str(e))
            return str(e)
        if not job.finished():
            raise RuntimeError(f"{job.name}: its work ended without finishing the job; report this")
    return None
