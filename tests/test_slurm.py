"""launch/slurm.sh on a real SLURM cluster: saving ahead of the time limit, cancelling, draining a study."""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.slurm_cluster import Cluster, missing, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]

ROOT = Path(__file__).parents[1]
SMALL = ["--budget-flops", "2e9", "--model.names", "V8-1", "--eval.points", "12", "--batch-size", "8"]
STAND_IN = """#!/usr/bin/env bash
# stands for python: works until it is told to stop, saves, and ends when it is started again
out=${*: -1} me=${SLURM_ARRAY_TASK_ID:-job}.$SLURM_PROCID
echo "$me started" >>"$out/log"
if [ -e "$out/$me" ]; then echo "$me finished" >>"$out/log"; exit 0; fi
trap 'touch "$out/$me"; echo "$me saved" >>"$out/log"; exit 75' TERM
while :; do sleep 0.1; done
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    place = tmp_path_factory.mktemp("slurm")
    (place / "python").write_text(STAND_IN)
    (place / "python").chmod(0o755)
    with Cluster(place) as running:
        yield running


def submit(cluster: Cluster, options: list[str], python: str, *arguments: str) -> str:
    cluster.env["PYTHON"] = python
    output = f"--output={cluster.place}/%j.out"
    script = str(ROOT / "launch" / "slurm.sh")
    job = cluster.run("sbatch", "--parsable", output, *options, script, *arguments, cwd=ROOT).strip()
    assert job.isdigit()
    return job


def submit_stand_in(cluster: Cluster, out: Path, *options: str) -> str:
    return submit(cluster, list(options), str(cluster.place / "python"), "config.py", "--out", str(out))


def log_of(out: Path) -> Counter:
    path = out / "log"
    return Counter(path.read_text().splitlines() if path.exists() else [])


def test_all_tasks_save_ahead_of_the_time_limit_and_go_on(cluster, tmp_path):
    job = submit_stand_in(cluster, tmp_path, "--ntasks=2", "--time=1", "--signal=B:TERM@55")
    wait_for(lambda: cluster.state(job) in ("COMPLETED", "FAILED", "TIMEOUT"), 150)
    assert cluster.state(job) == "COMPLETED"
    times = {"started": 2, "saved": 1, "finished": 1}
    assert log_of(tmp_path) == {f"job.{task} {what}": n for task in "01" for what, n in times.items()}


def test_only_the_task_of_an_array_that_is_told_starts_again(cluster, tmp_path):
    job = submit_stand_in(cluster, tmp_path, "--array=0-1")
    wait_for(lambda: log_of(tmp_path).total() == 2, 30)
    cluster.run("scancel", "--batch", "--signal=TERM", f"{job}_1")
    wait_for(lambda: log_of(tmp_path)["1.0 finished"], 60)
    assert log_of(tmp_path) == {"0.0 started": 1, "1.0 started": 2, "1.0 saved": 1, "1.0 finished": 1}
    assert "RUNNING" in cluster.state(job)
    cluster.run("scancel", job)


def test_cancelled_job_saves_and_stays_cancelled(cluster, tmp_path):
    job = submit_stand_in(cluster, tmp_path)
    wait_for(lambda: log_of(tmp_path).total() == 1, 30)
    cluster.run("scancel", job)
    wait_for(lambda: log_of(tmp_path)["job.0 saved"], 30)
    wait_for(lambda: cluster.state(job) == "CANCELLED", 30)
    with pytest.raises(AssertionError, match="in vain"):  # requeued, it would start within seconds
        wait_for(lambda: cluster.state(job) != "CANCELLED" or log_of(tmp_path).total() > 2, 10)


def test_array_drains_a_study_though_it_is_cancelled_midway(cluster, tmp_path):
    arguments = ["tests/digits.py", "--out", str(tmp_path), *SMALL]
    first = submit(cluster, ["--array=0-2"], sys.executable, *arguments)
    wait_for(lambda: any(path.stat().st_size for path in tmp_path.glob("runs/*/metrics.jsonl")), 180)
    cluster.run("scancel", first)
    wait_for(lambda: cluster.state(first) == "CANCELLED", 60)
    assert not (tmp_path / "report.html").exists()
    again = submit(cluster, ["--array=0-2"], sys.executable, *arguments)
    wait_for(lambda: not {"PENDING", "RUNNING", "COMPLETING"} & set(cluster.state(again).split()), 420)
    outputs = [path.read_text()[-1000:] for path in cluster.place.glob("*.out")]
    assert cluster.state(again) == "COMPLETED", outputs
    assert (tmp_path / "report.html").exists()
    status = cluster.run(sys.executable, "-m", "scalax", "status", str(tmp_path), "--json", cwd=ROOT)
    runs = json.loads(status)["runs"]
    assert len(runs) >= 3
    assert {run["state"] for run in runs} == {"finished"}
    for run in runs:
        lines = (tmp_path / "runs" / run["run"] / "metrics.jsonl").read_text().splitlines()
        places = [(record["step"], record["patch"]) for record in map(json.loads, lines)]
        assert len(set(places)) == len(places)
        assert [step for step, _ in places] == sorted(step for step, _ in places)
