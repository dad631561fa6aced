"""Processes for tests of jobs: python -m tests.jobs_worker drain OUT JOBS SLEEP_S [STALE_S]
                                      python -m tests.jobs_worker hold DIRECTORY [unlocked]
                                      python -m tests.jobs_worker contend DIRECTORY MACHINE

`drain` prints 'ready', waits for a line, and works on JOBS tiny jobs: each appends a line when it starts and
one when it ends. Where it is asked to end (scalax.signals), it ends the job that it is at, as a run saves.
`hold` prints 'held' or why not, and keeps the directory until its standard input closes;
`unlocked`: as on a file system without locks.
`contend` claims it again and again until it is killed, a line at entering and leaving each; with MACHINE as
if on a machine of that name, without locks.
"""

import itertools
import os
import random
import sys
import time
from pathlib import Path
from typing import NamedTuple

from scalax import jobs, signals
from scalax.errors import UserError
from scalax.jobs import claims, holders


class Tiny(NamedTuple):
    name: str
    directory: Path

    def finished(self) -> bool:
        return (self.directory / "done").exists()


def tiny_jobs(out: Path, count: int) -> list[Tiny]:
    return [Tiny(f"job{i:02d}", out / f"job{i:02d}") for i in range(count)]


def append(path: Path, line: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, f"{line} {os.getpid()}\n".encode())
    os.close(descriptor)


def drain(out: str, count: str, sleep_s: str, stale_s: str = "120") -> None:
    signals.listen("jobs_worker")

    def work(job: Tiny, claim: jobs.Claim) -> None:
        signals.hold()
        append(job.directory / "log", "start")
        time.sleep(float(sleep_s))
        if (job.directory / "broken").exists():
            raise UserError("it is broken")
        claim.check()
        append(job.directory / "log", "end")
        (job.directory / "done").touch()
        signals.release()
        if signals.asked():
            signals.say()
            os._exit(signals.exit_code())

    print("ready", flush=True)
    sys.stdin.readline()
    jobs.drain(tiny_jobs(Path(out), int(count)), work, poll_s=0.05, stale_s=float(stale_s))


def hold(directory: str, how: str = "") -> None:
    if how == "unlocked":
        claims._try_lock = lambda file: False
    with jobs.claim(directory) as claim:
        claim.note({"step": 7})
        claim.check()
        print("held", flush=True)
        sys.stdin.read()


def contend(directory: str, machine: str = "") -> None:
    if machine:
        holders.this_machine = lambda: machine
        claims._try_lock = lambda file: False
    for turn in itertools.count():
        try:
            with jobs.claim(directory, stale_s=0.6) as claim:
                append(Path(directory).parent / "log", f"enter {turn}")
                for _ in range(random.randrange(1, 6)):
                    time.sleep(random.uniform(0, 0.02))
                    claim.check()
                append(Path(directory).parent / "log", f"leave {turn}")
        except (jobs.Busy, jobs.Lost):
            time.sleep(random.uniform(0, 0.01))


if __name__ == "__main__":
    try:
        {"drain": drain, "hold": hold, "contend": contend}[sys.argv[1]](*sys.argv[2:])
    except UserError as e:
        print(e, flush=True)
        sys.exit(2)
