"""Large inputs: how much processor time and memory they take at most, each in a process of its own.

Limits are of processor time, user and system, since machines are shared; and of the memory that a process
has held at once. They are about twice what was measured; what is compiled comes from the cache of the tests.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from scalax import records
from scalax.schedule import Schedule, Shape, Stage
from tests.bad_inputs import DOT

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow

# The peak is that of the program alone: what `resource` says counts the process that started it, too.
MEASURED = """
import re, resource, sys
{body}
used = resource.getrusage(resource.RUSAGE_SELF)
peak = re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]
print("\\nused", used.ru_utime + used.ru_stime, int(peak) / 1024)
"""
COMMAND = "from scalax.cli import main\nassert main(sys.argv[1:]) == 0"
LAUNCH = "from scalax.launch import main\nassert main(['configs/sweep.py', *sys.argv[1:]]) == 0"


class Used(NamedTuple):
    """cpu_s: user and system. peak_mb: MiB of memory. out: what was printed."""

    cpu_s: float
    peak_mb: float
    out: str


def used(body: str, *arguments: object, **variables: object) -> Used:
    """What a new process takes that runs the code, with these variables in its environment."""
    words = [sys.executable, "-c", MEASURED.format(body=body), *map(str, arguments)]
    environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    cpu_s, peak_mb = map(float, re.findall(r"\nused (\S+) (\S+)\n", done.stdout)[-1])
    print(f"{cpu_s:.1f} s, {peak_mb:.0f} MiB")
    return Used(cpu_s, peak_mb, done.stdout)


def test_plan_on_200_000_rows(tmp_path):
    config = {"batch_size": 8, "optim": {"lr": 1e-3}, "eval": {"points": 9}}
    for name, shape, rows in (("a", Shape(4, 16, 1), 200_000), ("b", Shape(2, 16, 1), 1000)):
        run = tmp_path / "study" / "runs" / name
        run.mkdir(parents=True)
        info = records.RunInfo(
            config, Schedule((Stage(shape, 9e9),)), 0, {"validation": 100}, steps=rows, finished=True
        )
        records.write_info(run, info)
        lines = []
        for step in range(1, rows + 1):
            flops = 9e9 * step / rows
            values = {"val_error": shape.patch / 40 + 300 * flops**-0.4 / shape.patch, "val_loss": 1.0}
            line = records.RunRecord(name, step, 8 * step, flops, flops, 1.0, *shape[:3], values)
            lines.append(records.dumps(line.to_json()) + "\n")
        (run / "metrics.jsonl").write_text("".join(lines))
    found = used(COMMAND, "plan", tmp_path / "study", "--resamples", "20")
    assert found.cpu_s < 20
    assert found.peak_mb < 1500


def test_a_start_again_on_1_000_finished_runs(tmp_path):
    words = ["--model.names", "V8-1", "--batch-size", "8", "--budget-flops", "5e7", "--eval.points", "4"]
    words += ["--lrs", "1e-3", "--out", tmp_path / "study", "--seeds"]
    used(LAUNCH, *words, 0)
    [first] = (tmp_path / "study" / "runs").iterdir()
    info, lines = json.loads((first / "run.json").read_text()), (first / "metrics.jsonl").read_text()
    for seed in range(1, 1000):
        run = first.with_name(first.name.replace("seed0", f"seed{seed}"))
        shutil.copytree(first, run)
        (run / "run.json").write_text(json.dumps({**info, "seed": seed, "name": run.name}))
        (run / "metrics.jsonl").write_text(lines.replace(first.name, run.name))
    again = used(LAUNCH, *words, *range(1000))
    assert "seed999" in again.out
    assert again.cpu_s < 15
    assert used(LAUNCH, *words, *range(1000)).cpu_s < 5  # nothing has changed since
    assert used(COMMAND, "status", tmp_path / "study").cpu_s < 5


def test_50_000_small_files(tmp_path):
    content = io.BytesIO()
    DOT.save(content, "PNG")
    for label in range(50):
        folder = tmp_path / "set" / f"class{label:02d}"
        folder.mkdir(parents=True)
        for number in range(1000):
            (folder / f"{number}.png").write_bytes(content.getvalue())
    code = (
        "from scalax import data\nfrom scalax.config import DataConfig\n"
        "splits = data.load(DataConfig('folder', dir=sys.argv[1], image_size=8))\n"
        "assert len(splits.train) + len(splits.validation) == 50_000"
    )
    assert used(code, tmp_path / "set").cpu_s < 40


def test_a_file_larger_than_its_memory_is_streamed(tmp_path):
    """1.1 GB in a process of less than 600 MB, JAX and all."""
    path = tmp_path / "set.npz"
    count = 1_100_000_000 // (64 * 64 * 3)
    with zipfile.ZipFile(path, "w") as file:
        with file.open("images.npy", "w", force_zip64=True) as member:
            header = {"descr": "|u1", "fortran_order": False, "shape": (count, 64, 64, 3)}
            np.lib.format.write_array_header_1_0(member, header)
            part = np.random.default_rng(0).integers(0, 256, (1000, 64, 64, 3), np.uint8)
            for start in range(0, count, 1000):
                member.write(part[: count - start].tobytes())
        labels = io.BytesIO()
        np.save(labels, np.arange(count) % 7)
        file.writestr("labels.npy", labels.getvalue())
    code = (
        "import numpy as np, jax\nfrom scalax import data\nfrom scalax.config import DataConfig\n"
        "splits = data.load(DataConfig('arrays', dir=sys.argv[1], image_size=32, device_gib=0.1,"
        " max_validation_images=500))\n"
        "feed = data.feed(splits.train, 256, 0)\n"
        "for _ in range(60): batch = next(feed)\n"
        "assert batch['image'].shape == (256, 32, 32, 3)\n"
        "splits.train.read(np.arange(0, len(splits.train), 3))"
    )
    assert used(code, path).peak_mb < 600
    words = ["--data.source", "arrays", "--data.dir", path, "--data.image-size", 32, "--data.device-gib", 0.1]
    words += [
        "--data.max-validation-images",
        500,
        "--model.names",
        "V8-1",
        "--patches",
        8,
        "--model.base-patch",
        8,
    ]
    words += [
        "--budget-flops",
        "2e9",
        "--eval.points",
        4,
        "--lrs",
        "1e-3",
        "--seeds",
        0,
        "--data.crop-padding",
        0,
    ]
    cache = {"JAX_COMPILATION_CACHE_DIR": tmp_path / "cache", "XLA_FLAGS": ""}
    assert used(LAUNCH, *words, "--out", tmp_path / "first", **cache).peak_mb < 600  # compiles
    assert used(LAUNCH, *words, "--out", tmp_path / "second", **cache).peak_mb < 600


def test_500_curves_are_forecast_in_little_memory(tmp_path):
    rng, x = np.random.default_rng(0), np.geomspace(1e3, 1e6, 30)
    rows = ["run,step,loss"]
    for number in range(500):
        y = (rng.uniform(0.1, 1) + rng.uniform(5, 50) * x ** -rng.uniform(0.2, 0.6)) * np.exp(
            0.01 * rng.standard_normal(30)
        )
        rows += [f"run{number:03d},{a:.6g},{b:.6g}" for a, b in zip(x, y, strict=True)]
    (tmp_path / "curves.csv").write_text("\n".join(rows))
    found = used(COMMAND, "forecast", tmp_path / "curves.csv", "--out", tmp_path / "out")
    assert found.peak_mb < 1500
    assert len((tmp_path / "out" / "forecast.csv").read_text().splitlines()) > 500
