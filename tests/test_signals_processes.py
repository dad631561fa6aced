"""Ctrl-C and SIGTERM where several processes work: on one list of runs, and on one run.

All of them save and end; what starts again goes on where they were, and ends bit for bit as if nothing had
been.
"""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.jobs_worker import tiny_jobs
from tests.killed import CODES, Kind, end, results_of, start

ROOT = Path(__file__).parents[1]
TINY = ["--model.names", "V8-1", "--batch-size", "8", "--checkpoint-steps", "1000", "--eval.points", "4"]
SWEEP = ["configs/sweep.py", *TINY, "--lrs", "1e-3", "--seeds", "0", "1", "--population", "never"]
SHORT = [*SWEEP, "--budget-flops", "1e8"]


def test_workers_of_one_list_end_and_others_go_on(tmp_path):
    """Each ends with the job that it is at, and no job is done twice or lost."""

    def workers(count: int, sleep_s: float) -> list[subprocess.Popen]:
        command = [sys.executable, "-m", "tests.jobs_worker", "drain", str(tmp_path), "60", str(sleep_s)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started = [subprocess.Popen(command, text=True, cwd=ROOT, **pipes) for _ in range(count)]
        for worker in started:
            assert worker.stdout is not None
            assert worker.stdin is not None
            assert worker.stdout.readline() == "ready\n"
            worker.stdin.write("go\n")
            worker.stdin.flush()
        return started

    first = workers(3, 0.3)
    while not (tmp_path / "job00" / "done").exists():
        time.sleep(0.005)
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGTERM]
    for worker, number in zip(first, numbers, strict=True):
        worker.send_signal(number)
    for worker, number in zip(first, numbers, strict=True):
        _, err = worker.communicate(timeout=30)
        assert worker.returncode == CODES[number], err
        assert err.startswith("jobs_worker: stopped")
    done = [job.finished() for job in tiny_jobs(tmp_path, 60)]
    assert 1 <= sum(done) < 60
    [last] = workers(1, 0)
    last.communicate(timeout=60)
    assert last.returncode == 0
    for job in tiny_jobs(tmp_path, 60):
        lines = (job.directory / "log").read_text().splitlines()
        assert [line.split()[0] for line in lines] == ["start", "end"]


def pair(out: Path, arguments: list[str], *places: tuple, slow: str = "") -> list[subprocess.Popen]:
    """Two processes of two devices each that train together. places: where each ends itself (`start`)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = ["--coordinator", f"127.0.0.1:{port}", "--processes", "2"]
    kinds = [Kind([*arguments, *flags, "--process", str(i)], slow=slow, devices=2) for i in range(2)]
    return [start(out, kind, *place) for kind, place in zip(kinds, places or [(), ()], strict=True)]


def ended(processes: list[subprocess.Popen], *codes: int) -> list[str]:
    """The last lines that they print, once each has ended with its code."""
    found = []
    for process, code in zip(processes, codes, strict=True):
        found.append(end(process, code)[1])
        assert process.returncode == code
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    ended(pair(out, SHORT), 0, 0)
    return out


def steps_saved(out: Path) -> list[int]:
    return sorted(int(path.name) for path in out.glob("runs/*/ckpt/[0-9]*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("who", ["both", "first", "second"])
def test_processes_of_one_run_save_together(tmp_path, whole, number, who):
    """Also where one of them alone is asked: JAX tells the others."""
    asked, other = ("step", 20, 0.0, number), ("count", 1, 0.0, 0)
    places = {"both": (asked, asked), "first": (asked, other), "second": (other, asked)}[who]
    codes = [CODES[number] if place == asked else 75 for place in places]
    ended(pair(tmp_path / "out", SHORT, *places), *codes)
    saved = steps_saved(tmp_path / "out")
    assert saved
    assert saved[0] >= 20
    ended(pair(tmp_path / "out", SHORT), 0, 0)
    ours, theirs = results_of(tmp_path / "out"), results_of(whole)
    assert ours == theirs


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_processes_that_have_nothing_to_save_end(tmp_path, number):
    """While they read data, before the first step."""
    places = [("open", 1, 0.0, number)] * 2
    ended(pair(tmp_path / "out", SHORT, *places), CODES[number], CODES[number])
    assert len(steps_saved(tmp_path / "out")) <= 1


@pytest.mark.slow
def test_a_second_ctrl_c_ends_all_at_once(tmp_path):
    """While they save, which takes for ever here."""
    both = pair(tmp_path / "out", SHORT, *[("step", 20, 0.0, signal.SIGINT)] * 2, slow="save")
    for process in both:
        assert process.stdout is not None
        while (line := process.stdout.readline()) != "slow\n":
            assert line
    for process in both:
        process.send_signal(signal.SIGINT)
    for process in both:
        assert process.wait(timeout=30) == 130
