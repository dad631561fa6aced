"""Real processes, really killed: the same command goes on, and ends where an uninterrupted run does."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests import tiny_run

ROOT = Path(__file__).parents[1]


def start(directory: Path, devices: int = 1) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.tiny_run", str(directory), str(devices)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def finish(process: subprocess.Popen) -> None:
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err[-2000:]
    assert out.endswith("finished\n")


def kill_after(process: subprocess.Popen, evaluations: int, delay_s: float) -> None:
    """kill -9 a moment after so many evaluations, or as soon as the run ends."""
    read_until(process, "evaluated", evaluations)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    process.wait()


def read_until(process: subprocess.Popen, word: str, times: int) -> str:
    """The line in which `word` has come so many times, or '' where the run ends before."""
    assert process.stdout is not None
    line = "-"
    while times and line:
        line = process.stdout.readline()
        times -= line.startswith(word)
    return line


def final_state(directory: Path) -> dict[str, np.ndarray]:
    with np.load(directory / "final.npz") as file:
        state = dict(file)
    assert state[".step"] == 120
    return state


def records_of(directory: Path) -> list[dict]:
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in ("wall_s", "run")} for line in lines]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A run that nothing interrupts."""
    directory = tmp_path_factory.mktemp("whole") / "run"
    tiny_run.main(str(directory))  # in this process, which is quicker than one of its own
    return directory


def assert_same_end(directory: Path, whole: Path) -> None:
    assert records_of(directory) == records_of(whole)
    ours, theirs = final_state(directory), final_state(whole)
    assert ours.keys() == theirs.keys()
    for name in theirs:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_killed_asked_to_end_and_killed_again_ends_bit_for_bit_the_same(tmp_path, whole):
    kill_after(start(tmp_path / "run"), 2, 0.05)
    ask_to_end(tmp_path / "run")
    kill_after(start(tmp_path / "run"), 2, 0.4)
    assert not json.loads((tmp_path / "run" / "run.json").read_text())["finished"]
    finish(start(tmp_path / "run"))
    assert_same_end(tmp_path / "run", whole)


def ask_to_end(directory: Path) -> None:
    """SIGTERM in the middle of the run, which saves within a step."""
    process = start(directory)
    first = read_until(process, "step", 13)
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    rest = process.stdout.read().split("\n")
    assert process.wait(timeout=60) == 75
    begun = [int(line.split()[1]) for line in [first, *rest] if line.startswith("step")]
    saved = max(int(path.name) for path in (directory / "ckpt").glob("[0-9]*"))
    assert saved == begun[-1] + 1  # the step that was under way, and no other
    assert saved < 60  # 120 were to come


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(10))
def test_killed_at_random_moments(tmp_path, whole, trial):
    chance = random.Random(trial)
    for _ in range(3):
        kill_after(start(tmp_path / "run"), chance.randrange(0, 8), chance.uniform(0, 1.5))
    finish(start(tmp_path / "run"))
    assert_same_end(tmp_path / "run", whole)


@pytest.mark.slow
def test_four_devices_train_like_one(tmp_path, whole):
    finish(start(tmp_path / "run", devices=4))
    for ours, theirs in zip(records_of(tmp_path / "run"), records_of(whole), strict=True):
        assert ours.pop("val_loss") == pytest.approx(theirs.pop("val_loss"), rel=1e-3)
        assert ours.pop("val_error") == pytest.approx(theirs.pop("val_error"), abs=0.026)  # one image of 40
        assert ours == theirs
    ours, theirs = final_state(tmp_path / "run"), final_state(whole)
    for name in theirs:
        if ".params" not in name or "['key']['bias']" in name:  # softmax does not feel the key's bias
            continue
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0.02, atol=0.01, err_msg=name)
