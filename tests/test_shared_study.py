"""Several real workers on one study, one of them killed; and disks that fill up or go away."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.rejects import check_line

ROOT = Path(__file__).parents[1]
TINY = ["--model.names", "V8-1", "--eval.points", "4", "--batch-size", "8", "--checkpoint-steps", "20"]


def launch(out: Path, *arguments: str, limit_bytes: int = 0) -> subprocess.Popen:
    """The sweep of configs/sweep.py at toy size; limit_bytes: of any file it writes, as a full disk would."""
    command = [
        sys.executable,
        "-m",
        "scalax.launch",
        "configs/sweep.py",
        "--out",
        str(out),
        *TINY,
        *arguments,
    ]

    def limit() -> None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        preexec_fn=limit if limit_bytes else None,
        env={**os.environ, "SCALAX_CLAIM_STALE_S": "5"},
    )


def records_of(run: Path) -> list[tuple[int, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["val_loss"]) for line in lines]


@pytest.mark.slow
def test_four_workers_drain_24_runs_though_one_is_killed(tmp_path):
    arguments = ["--lrs", "1e-3", "2e-3", "3e-3", "4e-3", "--seeds", "0", "1", "2", "3", "4", "5"]
    arguments += ["--budget-flops", "5e8"]
    workers = [launch(tmp_path / "shared", *arguments) for _ in range(4)]
    while len(list((tmp_path / "shared").glob("runs/*/metrics.jsonl"))) < 6:
        time.sleep(0.1)
        assert all(worker.poll() is None for worker in workers)
    workers[1].kill()
    for worker in [workers[0], *workers[2:]]:
        out, err = worker.communicate(timeout=600)
        assert worker.returncode == 0, err[-2000:]
        assert "seed5" in out
    runs = sorted((tmp_path / "shared" / "runs").glob("*seed?"))
    assert len(runs) == 24
    for run in runs:
        assert json.loads((run / "run.json").read_text())["finished"]
        steps = [step for step, _ in records_of(run)]
        assert steps == sorted(set(steps))
    alone = launch(tmp_path / "alone", *arguments)
    alone.communicate(timeout=600)
    for run in runs:  # each was made once, and as one worker makes it
        assert records_of(run) == records_of(tmp_path / "alone" / "runs" / run.name)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_a_start_with_room_goes_on(tmp_path):
    arguments = ["--lrs", "1e-3", "--seeds", "0", "--budget-flops", "1e9"]
    worker = launch(tmp_path / "out", *arguments, limit_bytes=6000)  # run.json fits, a checkpoint does not
    _, err = worker.communicate(timeout=300)
    assert worker.returncode == 2, err[-2000:]
    line = err.splitlines()[-1]
    assert line.startswith("scalax.launch: error:")  # what the libraries' own threads print comes before it
    check_line(line, tmp_path / "out")
    worker = launch(tmp_path / "out", *arguments)
    _, err = worker.communicate(timeout=300)
    assert worker.returncode == 0, err[-2000:]
    steps = [step for step, _ in records_of(next((tmp_path / "out" / "runs").glob("*seed0")))]
    assert steps == sorted(set(steps))


@pytest.mark.slow
def test_a_directory_that_goes_away_is_one_line(tmp_path):
    arguments = ["--lrs", "1e-3", "--seeds", "0", "--budget-flops", "1e10"]  # far more than it gets to
    worker = launch(tmp_path / "out", *arguments)
    while not list((tmp_path / "out").glob("runs/*/metrics.jsonl")):
        time.sleep(0.1)
        assert worker.poll() is None
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    _, err = worker.communicate(timeout=300)
    assert worker.returncode == 2, err[-2000:]
    assert "Traceback" not in err, err
    assert err.splitlines()[-1].startswith("scalax.launch: error:")
    check_line(err.splitlines()[-1])
