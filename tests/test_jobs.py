"""Claims and the queue, with real processes: one at a time in a directory, every job done once, none lost."""

import errno
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from scalax import jobs, records
from scalax.jobs import claims, holders
from tests.jobs_worker import Tiny, tiny_jobs
from tests.rejects import check_line, rejects

ROOT = Path(__file__).parents[1]


def start(*arguments) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.jobs_worker", *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def line_of(process: subprocess.Popen) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def start_drains(count: int, *arguments) -> list[subprocess.Popen]:
    """So many workers on one list, all started before any goes on."""
    workers = [start("drain", *arguments) for _ in range(count)]
    for worker in workers:
        assert line_of(worker) == "ready"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return workers


@pytest.fixture
def elsewhere(monkeypatch):
    """A function after which claims of this process look as if made on another machine, without its lock."""

    def leave(name: str = "elsewhere") -> None:
        monkeypatch.setattr(holders, "this_machine", lambda: name)
        monkeypatch.setattr(claims, "_try_lock", lambda file: False)

    return leave


def age(directory: Path, seconds: float) -> None:
    """Make the newest claim look as if last renewed so long ago."""
    path = directory / holders.file_name(holders.newest_number(directory))
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def test_second_process_is_rejected_and_death_frees_at_once(tmp_path):
    first = start("hold", tmp_path / "run")
    assert line_of(first) == "held"
    second = start("hold", tmp_path / "run")
    says = line_of(second)
    assert second.wait(10) == 2
    check_line(says, tmp_path / "run", first.pid, "`out`")
    with rejects(tmp_path / "run", first.pid, kind=jobs.Busy), jobs.claim(tmp_path / "run"):
        pass
    first.send_signal(signal.SIGKILL)
    first.wait()
    with jobs.claim(tmp_path / "run"):
        now = jobs.holder(tmp_path / "run")
        assert now is not None
        assert now.pid == os.getpid()
        assert not now.gone
    assert {path.name for path in (tmp_path / "run").iterdir()} == {".lock", ".clock", ".claim-2.json"}


def test_holder_tells_progress_and_release(tmp_path):
    assert jobs.holder(tmp_path) is None
    with jobs.claim(tmp_path) as claim:
        claim.note({"step": 3, "shape": "V8-1/2", "images_per_s": float("nan")})
        claim.check()
        now = jobs.holder(tmp_path)
        assert now is not None
        assert now.note == {"step": 3, "shape": "V8-1/2", "images_per_s": None}
        assert now.age_s < 5
        assert not now.gone
    ended = jobs.holder(tmp_path)
    assert ended is not None
    assert ended.gone
    assert ended.note["step"] == 3


def test_signs_of_life_come_by_themselves(tmp_path, elsewhere):
    with jobs.claim(tmp_path, stale_s=0.6):
        time.sleep(0.8)
        elsewhere()
        with pytest.raises(jobs.Busy), jobs.claim(tmp_path, stale_s=0.6):
            pass


def test_another_machine_takes_over_only_what_is_stale(tmp_path, elsewhere):
    with jobs.claim(tmp_path) as claim:
        elsewhere()
        age(tmp_path, 60)
        with rejects("60 s", kind=jobs.Busy), jobs.claim(tmp_path):
            pass
        age(tmp_path, 61)  # 121 s in all
        with jobs.claim(tmp_path) as taken:
            with rejects(tmp_path, kind=jobs.Lost):
                claim.check()  # a paused machine that wakes up
            taken.check()
            with pytest.raises(jobs.Lost):
                claim.check()
        with pytest.raises(jobs.Lost):
            claim.check()


def test_killed_process_is_gone_before_its_parent_waits_for_it(tmp_path, monkeypatch):
    """Such a process still has its number, under a parent that never waits for as long as that lives."""
    monkeypatch.setattr(claims, "_try_lock", lambda file: False)  # the claim itself has no lock to tell by
    process = start("hold", tmp_path, "unlocked")
    assert line_of(process) == "held"
    with pytest.raises(jobs.Busy), jobs.claim(tmp_path):
        pass
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with jobs.claim(tmp_path):
        pass
    process.wait()


class Killed(BaseException):
    """As SIGKILL: nothing of scalax catches it."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_process_killed_while_it_makes_its_claim_holds_nobody_up(tmp_path, monkeypatch, when):
    """At no moment is there a claim that does not say whose it is."""

    def link_and_die(source, target, link=os.link):
        if when == "after":
            link(source, target)
        shutil.copy(source, tmp_path / "kept")
        raise Killed

    monkeypatch.setattr(os, "link", link_and_die)
    with pytest.raises(Killed), jobs.claim(tmp_path / "run"):
        pass
    (tmp_path / "kept").rename(tmp_path / "run" / ".claim-1.killed")  # what a real kill leaves beside
    monkeypatch.undo()
    owner = jobs.holder(tmp_path / "run")
    assert (owner.pid if owner else None) == (os.getpid() if when == "after" else None)
    with jobs.claim(tmp_path / "run"), jobs.claim(tmp_path / "other"):
        pass
    with jobs.claim(tmp_path / "run"):
        assert len(list((tmp_path / "run").glob(".claim-*"))) == 1


@pytest.mark.parametrize("error", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_file_systems_without_hard_links(tmp_path, monkeypatch, error):
    def no_link(source, target):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "link", no_link)
    with jobs.claim(tmp_path):
        owner = jobs.holder(tmp_path)
        assert owner is not None
        assert owner.pid == os.getpid()
        assert not records.create_atomically(tmp_path / ".claim-1.json", "mine")
        assert not list(tmp_path.glob(".*claim-1.json.*"))  # what was written beside is gone


def test_link_whose_answer_was_lost_counts(tmp_path, monkeypatch):
    """NFS may repeat the request, and then answers that the file exists."""

    def link_twice(source, target, link=os.link):
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", link_twice)
    assert records.create_atomically(tmp_path / "file", "mine")
    assert not records.create_atomically(tmp_path / "file", "theirs")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


def test_paused_owner_whose_files_were_swept_up_has_lost(tmp_path, elsewhere, monkeypatch):
    """It wakes up between writing its sign of life and putting it in place."""
    with jobs.claim(tmp_path) as claim:
        elsewhere()
        age(tmp_path, 121)

        def replace(source, target, real=os.replace):
            monkeypatch.setattr(os, "replace", real)
            taken.enter_context(jobs.claim(tmp_path))
            real(source, target)

        with ExitStack() as taken:
            monkeypatch.setattr(os, "replace", replace)
            with pytest.raises(jobs.Lost):
                claim.check()


def test_claim_without_content_is_busy_then_stale(tmp_path):
    """What a host leaves that stops between the two system calls that make a claim, without hard links."""
    (tmp_path / ".claim-4.json").touch()
    with rejects(tmp_path, kind=jobs.Busy), jobs.claim(tmp_path):
        pass
    age(tmp_path, 121)
    with jobs.claim(tmp_path):
        assert holders.newest_number(tmp_path) == 5


def test_paused_process_of_this_machine_keeps_its_claim(tmp_path):
    with jobs.claim(tmp_path, stale_s=1e4):
        age(tmp_path, 1e6)
        with pytest.raises(jobs.Busy), jobs.claim(tmp_path):
            pass


def test_many_takers_of_one_stale_claim_one_wins(tmp_path, elsewhere):
    elsewhere("gone")
    with jobs.claim(tmp_path, stale_s=1e4):
        elsewhere("here")
        for round_ in range(20):
            age(tmp_path, 2e4)
            won, rejected, together = [], [], threading.Barrier(8)

            def take(number, won=won, rejected=rejected, together=together):
                together.wait()
                try:
                    won.append(claims._acquire(tmp_path, 1e4, locked=False))
                except jobs.Busy as e:
                    rejected.append(e)

            threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert (len(won), len(rejected)) == (1, 7), round_
            won[0].check()
            elsewhere("gone" if round_ % 2 else "here")


@pytest.mark.slow
@pytest.mark.parametrize("machines", ["one", "many"])
def test_never_two_at_once_though_processes_are_killed_and_paused(tmp_path, machines):
    chance = random.Random(0)
    numbers = itertools.count()

    def contender() -> subprocess.Popen:
        name = [] if machines == "one" else [f"machine{next(numbers)}"]
        return start("contend", tmp_path / "run", *name)

    processes = [contender() for _ in range(5)]
    end = time.monotonic() + 20
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.1, 0.4))
        index = chance.randrange(5)
        if chance.random() < 0.5:
            processes[index].kill()
            processes[index].wait()
            processes[index] = contender()
        else:
            processes[index].send_signal(signal.SIGSTOP)
            time.sleep(chance.choice([0.05, 1.2]))  # shorter and longer than a claim stays fresh
            processes[index].send_signal(signal.SIGCONT)
    for process in processes:
        process.kill()
        process.wait()
    inside, left = "", 0
    for line in (tmp_path / "log").read_text().splitlines():
        what, turn, pid = line.split()
        if what == "enter":
            inside = f"{turn} {pid}"
        else:  # whoever entered before it must have been killed, or have lost its claim
            assert inside == f"{turn} {pid}"
            left += 1
    assert left > 20


def test_unwritable_directory_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with rejects(tmp_path / "file" / "run", "`out`"), jobs.claim(tmp_path / "file" / "run"):
        pass


def test_vanished_directory_is_one_line(tmp_path):
    with jobs.claim(tmp_path / "run") as claim:
        (tmp_path / "run").rename(tmp_path / "away")
        with rejects(tmp_path / "run"):
            claim.check()


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf"])
def test_bad_stale_time_is_named(monkeypatch, tmp_path, text):
    monkeypatch.setenv("SCALAX_CLAIM_STALE_S", text)
    with rejects("SCALAX_CLAIM_STALE_S", repr(text)), jobs.claim(tmp_path):
        pass


def test_object_stores_have_no_claims():
    with jobs.claim("gs://bucket/run") as first, jobs.claim("gs://bucket/run") as second:
        first.note({"step": 1})
        first.check()
        second.check()


def test_four_processes_drain_24_jobs_though_one_is_killed(tmp_path):
    workers = start_drains(4, tmp_path, 24, 0.05)
    victim = None
    while victim is None:  # kill whoever is in the middle of the ninth job
        path = tmp_path / "job08" / "log"
        if path.exists() and (text := path.read_text()):
            victim = int(text.split()[1])
        time.sleep(0.002)
    os.kill(victim, signal.SIGKILL)
    codes = {worker.pid: worker.wait(60) for worker in workers}
    assert codes.pop(victim) == -signal.SIGKILL
    assert set(codes.values()) == {0}
    by, killed = Counter(), 0
    for job in tiny_jobs(tmp_path, 24):
        lines = [tuple(line.split()) for line in (job.directory / "log").read_text().splitlines()]
        starts, ends = ([pid for what, pid in lines if what == which] for which in ("start", "end"))
        assert len(ends) == 1, lines
        assert starts in ([ends[0]], [str(victim), ends[0]]), lines
        by[ends[0]] += 1
        killed += len(starts) - 1
    assert killed <= 1
    assert len(by) >= 3  # the work was shared


def test_failed_jobs_let_the_others_go_on_and_are_tried_again(tmp_path):
    for broken in ("job01", "job02"):
        (tmp_path / broken).mkdir()
        (tmp_path / broken / "broken").touch()
    workers = start_drains(2, tmp_path, 6, 0.3)
    for worker in workers:
        says = line_of(worker)
        assert worker.wait(30) == 2
        check_line(says, "2 of 6", "job01: it is broken", "job02: it is broken")
    assert sum(job.finished() for job in tiny_jobs(tmp_path, 6)) == 4
    failure = jobs.failure(tmp_path / "job01")
    assert failure is not None
    assert failure.message == "it is broken"
    assert json.loads((tmp_path / "job02" / "failure.json").read_text()).keys() == {
        *("version", "message", "time", "host", "pid", "kind")
    }
    (tmp_path / "job01" / "broken").unlink()
    (again,) = start_drains(1, tmp_path, 6, 0)
    check_line(line_of(again), "1 of 6", "job02: it is broken")
    assert again.wait(30) == 2
    assert jobs.failure(tmp_path / "job01") is None


def test_another_workers_failure_is_not_tried_again(tmp_path):
    """Two workers of one launch: the second learns of the failure from its file."""
    tried = []

    def work(job: Tiny, claim: jobs.Claim) -> None:
        tried.append(job.name)
        if job.name == "job00":  # meanwhile another worker fails at the next one
            (tmp_path / "job01").mkdir()
            (tmp_path / "job01" / "failure.json").write_text('{"message": "no luck"}')
        (job.directory / "done").touch()

    with rejects("1 of 3", "job01: no luck"):
        jobs.drain(tiny_jobs(tmp_path, 3), work)
    assert tried == ["job00", "job02"]


def test_lost_claim_is_left_to_its_new_owner(tmp_path, elsewhere):
    """The worker that wakes up writes no failure, and comes back to see the job finished."""
    (job,) = tiny_jobs(tmp_path, 1)
    tried, said = [], []

    def work(job: Tiny, claim: jobs.Claim) -> None:
        tried.append(job.name)
        elsewhere()
        age(job.directory, 200)
        with jobs.claim(job.directory):
            (job.directory / "done").touch()
        claim.check()

    jobs.drain([job], work, poll_s=0.01, say=said.append)
    assert tried == ["job00"]
    assert jobs.failure(job.directory) is None


def test_waits_for_a_silent_worker_and_takes_over(tmp_path, elsewhere):
    (job,) = tiny_jobs(tmp_path, 1)
    job.directory.mkdir()
    elsewhere("a host that went away")
    claims._acquire(job.directory, 1.0, locked=False)
    elsewhere("here")
    said, began = [], time.monotonic()

    def work(job: Tiny, claim: jobs.Claim) -> None:
        (job.directory / "done").touch()

    jobs.drain([job], work, poll_s=0.05, stale_s=1.0, say=said.append)
    assert 0.9 < time.monotonic() - began < 10
    [line] = said
    check_line(line, "1 of 1")


def test_what_is_no_user_error_stops_at_once(tmp_path):
    def work(job: Tiny, claim: jobs.Claim) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jobs.drain(tiny_jobs(tmp_path, 2), work)
    assert jobs.failure(tmp_path / "job00") is None
    assert (ended := jobs.holder(tmp_path / "job00")) is not None
    assert ended.gone


def test_work_that_leaves_its_job_unfinished_is_a_bug(tmp_path):
    with pytest.raises(RuntimeError, match="job00"):
        jobs.drain(tiny_jobs(tmp_path, 1), lambda job, claim: None)
