"""Two processes with two devices each train one study by the launch command, as one process does."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TINY = ["--model.names", "V8-1", "--eval.points", "4", "--batch-size", "8", "--checkpoint-steps", "20"]
TINY += ["--lrs", "1e-3", "--seeds", "0", "1", "--budget-flops", "3e8", "--eval.batch-size", "128"]


def start(out: Path, devices: int, *flags: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "scalax.launch", "configs/sweep.py", "--out", str(out), *TINY, *flags]
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": str(devices), "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )


def end(process: subprocess.Popen) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]
    return out


def losses(study: Path) -> dict[str, list[tuple[int, float]]]:
    found = {}
    for path in sorted(study.glob("runs/*/metrics.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        found[path.parent.name] = [(line["step"], line["val_loss"]) for line in lines]
    return found


@pytest.mark.slow
def test_two_processes_train_a_study_like_one(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = ["--coordinator", f"127.0.0.1:{port}", "--processes", "2"]
    both = [start(tmp_path / "two", 2, *flags, "--process", str(i)) for i in range(2)]
    alone = start(tmp_path / "one", 1)
    first, second = (end(process) for process in both)
    assert "seed1" in first  # one process writes and prints
    assert "seed" not in second
    end(alone)
    ours, theirs = losses(tmp_path / "two"), losses(tmp_path / "one")
    assert ours.keys() == theirs.keys()
    assert len(ours) == 2
    for name in theirs:
        assert [step for step, _ in ours[name]] == [step for step, _ in theirs[name]]
        assert [loss for _, loss in ours[name]] == pytest.approx([loss for _, loss in theirs[name]], rel=1e-4)
    info = json.loads(next((tmp_path / "two").glob("runs/*/run.json")).read_text())
    assert info["device"]["count"] == 4
    assert info["device"]["hosts"] == 2
