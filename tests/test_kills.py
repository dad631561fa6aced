"""Real processes killed at random moments, in runs of several kinds and in cold compiles: the same end."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TINY = ["--model.names", "V8-1", "--batch-size", "8", "--checkpoint-steps", "10", "--budget-flops", "1.5e8"]
SWEEP = ["configs/sweep.py", *TINY, "--eval.points", "8", "--seeds", "0", "1"]
# What is trained, and whether each start begins without what was compiled before.
STUDIES = {
    "alone": ([*SWEEP, "--population", "never"], False),
    "together": ([*SWEEP, "--population", "always"], False),
    "cold": ([*SWEEP, "--population", "never"], True),
    "lower rate": ([*SWEEP, "--optim.on-nonfinite", "lower_rate"], False),
}


def start(out: Path, arguments: list[str], cache: str | None = None) -> subprocess.Popen:
    environment = dict(os.environ) if cache is None else {**os.environ, "JAX_COMPILATION_CACHE_DIR": cache}
    return subprocess.Popen(
        [sys.executable, "-m", "scalax.launch", *arguments, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )


def end(process: subprocess.Popen) -> None:
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]


def until_it_listens(process: subprocess.Popen) -> None:
    """Return once the first line of the program has run: before that, the system ends it on SIGTERM."""
    caught = 0
    while not caught >> (signal.SIGTERM - 1) & 1:
        assert process.poll() is None
        status = Path(f"/proc/{process.pid}/status").read_text()
        caught = int(re.findall(r"SigCgt:\s*(\w+)", status)[0], 16)


def results_of(out: Path) -> dict[str, list[dict]]:
    """Every record of every run, without how long it took."""
    found = {}
    for path in sorted(out.glob("runs/*/metrics.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        found[path.parent.name] = [{k: v for k, v in line.items() if k != "wall_s"} for line in lines]
        assert json.loads((path.parent / "run.json").read_text())["finished"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_killed_at_random_moments(tmp_path, name):
    """By the system, a cluster or Ctrl-C, in turn; each of them may come before there is anything to save."""
    arguments, cold = STUDIES[name]
    began = time.monotonic()
    end(start(tmp_path / "whole", arguments))
    whole_s = time.monotonic() - began
    whole = results_of(tmp_path / "whole")
    chance = random.Random(name)
    for trial in range(7):
        if trial in (0, 4):
            shutil.rmtree(tmp_path / "out", ignore_errors=True)  # from its beginning again
        number = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT][trial % 3]
        process = start(tmp_path / "out", arguments, str(tmp_path / f"cache{trial}") if cold else None)
        until_it_listens(process)
        time.sleep(chance.uniform(0, whole_s))
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        codes = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 75, signal.SIGINT: 130}
        assert process.returncode in (0, codes[number]), (process.returncode, err[-3000:])
        assert "Traceback" not in err
    end(start(tmp_path / "out", arguments))
    assert results_of(tmp_path / "out") == whole
