"""Studies in processes that are killed at a chosen place (tests/killed_launch.py), and what they leave."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).parents[1]
CODES = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 75, signal.SIGINT: 130}
TIMES = {"wall_s", "step_s", "idle_s", "timing", "wall_savings"}


class Kind(NamedTuple):
    """How a study is launched.

    - arguments: of the command, without --out.
    - workers: processes that train it at once, each by itself.
    - cold: each start compiles anew.
    - wild: the loss is not finite from a step on, so that runs go back.
    - slow: a place of killed_launch.PLACES that never ends, and says so.
    - devices: of each process; 0 leaves them as they are.
    """

    arguments: list[str]
    workers: int = 1
    cold: bool = False
    wild: bool = False
    slow: str = ""
    devices: int = 0


def start(
    out: Path, kind: Kind, where: str = "count", count: int = 1, delay_s: float = 0.0, number: int = 0
) -> subprocess.Popen:
    """One process of the study; `where` to `number`: see tests/killed_launch.py."""
    place = [where, str(count), str(delay_s), str(int(number))]
    command = [sys.executable, "-m", "tests.killed_launch", *place, *kind.arguments, "--out", str(out)]
    more = {"JAX_COMPILATION_CACHE_DIR": f"{out}-cache-{random.random()}"} if kind.cold else {}
    more |= {"SCALAX_TEST_WILD": "25"} if kind.wild else {}
    more |= {"SCALAX_TEST_SLOW": kind.slow} if kind.slow else {}
    more |= {"JAX_NUM_CPU_DEVICES": str(kind.devices)} if kind.devices else {}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **more},
    )


def end(process: subprocess.Popen, *codes: int) -> tuple[int, str]:
    """Its exit code, one of `codes` or 0, and the last line that it printed."""
    out, err = process.communicate(timeout=900)
    assert process.returncode in (0, *codes), (process.returncode, err[-3000:])
    assert "Traceback" not in err, err[-3000:]
    return process.returncode, (out.splitlines() or [""])[-1]


def results_of(out: Path) -> dict[str, object]:
    """All that a study leaves but for how long it took: records and last state of each run, its result."""
    from scalax.train.checkpoint import read_as_saved

    found: dict[str, object] = {"study.json": untimed(json.loads((out / "study.json").read_text()))}
    for path in sorted(out.glob("*/*/metrics.jsonl")):
        name = str(path.parent.relative_to(out))
        found[name] = [untimed(json.loads(line)) for line in path.read_text().splitlines()]
        info = json.loads((path.parent / "run.json").read_text())
        found[f"{name} finished"] = info["finished"]
        if (path.parent / "ckpt").exists():
            import jax

            state = jax.tree_util.tree_leaves_with_path(read_as_saved(path.parent / "ckpt"))
            found |= {f"{name}{jax.tree_util.keystr(at)}": np.asarray(x).tobytes() for at, x in state}
    return found


def untimed(data):
    """JSON data without seconds."""
    if isinstance(data, dict):
        return {key: untimed(value) for key, value in data.items() if key not in TIMES}
    return [untimed(each) for each in data] if isinstance(data, list) else data


def assert_same(out: Path, whole: dict[str, object]) -> None:
    found = results_of(out)
    assert found.keys() == whole.keys()
    assert [name for name in whole if found[name] != whole[name]] == []
