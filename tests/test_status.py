"""`scalax status`: what it says of runs in every state, from files that others write, torn ones too."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scalax import cli, jobs, records
from scalax.schedule import Schedule, Shape, Stage
from tests.rejects import rejected

ROOT = Path(__file__).parents[1]
SHAPE = Shape(4, 16, 1)


def make_run(study: Path, name: str, steps: int = 0, *, finished: bool = False) -> Path:
    """A run of 10 steps of 1 GFLOP, 8 images and 0.5 s each, evaluated after every step."""
    run = study / "runs" / name
    run.mkdir(parents=True)
    info = records.RunInfo({}, Schedule((Stage(SHAPE, 1e10),)), seed=0, data={}, finished=finished)
    records.write_info(run, info)
    for step in range(1, steps + 1):
        metrics = {"val_loss": 2 / step, "val_error": 1 / step}
        record = records.RunRecord(
            name, step, 8 * step, 1e9 * step, 9e8 * step, 0.5 * step, *SHAPE[:3], metrics
        )
        records.append(run / "metrics.jsonl", record)
    return run


@pytest.fixture
def study(tmp_path) -> Path:
    """One run in each state, and one whose files are torn."""
    make_run(tmp_path, "a_finished", 10, finished=True)
    make_run(tmp_path, "b_stopped", 4)
    failed = make_run(tmp_path, "c_failed", 2)
    failure = {"message": "loss is nan", "time": "2026-01-02T03:04:05+00:00", "host": "node7", "pid": 1}
    (failed / "failure.json").write_text(json.dumps(failure))
    (tmp_path / "runs" / "d_waiting").mkdir()
    (tmp_path / "runs" / ".group-abc").mkdir()  # no run of its own
    (tmp_path / "runs" / "a_finished" / ".claim-9.json").write_text("junk")
    torn = make_run(tmp_path, "e_torn", 3)
    (torn / "run.json").write_text('{"sched')
    (torn / "failure.json").write_text('{"mess')
    (torn / ".claim-1.json").write_text("")
    with (torn / "metrics.jsonl").open("a") as file:
        file.write('{"run": "e_t')
    return tmp_path


def status_of(capsys, directory: Path) -> dict[str, dict]:
    assert cli.main(["status", str(directory), "--json"]) == 0
    return {run["run"]: run for run in json.loads(capsys.readouterr().out)["runs"]}


def test_a_directory_of_runs_among_the_runs(tmp_path, capsys):
    made = make_run(tmp_path, "model", 10, finished=True)
    (tmp_path / "runs" / "waiting").mkdir()
    for name in ("eurosat_model", "caltech101_model"):
        (tmp_path / "finetune" / name).mkdir(parents=True)
        shutil.copytree(made, tmp_path / "finetune" / name / "model")
    states = {name: run["state"] for name, run in status_of(capsys, tmp_path).items()}
    assert states == {
        "model": "finished",
        "waiting": "waiting",
        "caltech101_model/model": "finished",
        "eurosat_model/model": "finished",
    }


def test_states_and_numbers(study, capsys):
    runs = status_of(capsys, study)
    states = {name[2:]: run["state"] for name, run in runs.items()}
    assert states == {
        "finished": "finished",
        "stopped": "stopped",
        "failed": "failed",
        "waiting": "waiting",
        "torn": "running",  # a claim just made, its content not yet written
    }
    assert runs["a_finished"]["host"] is None
    assert (runs["e_torn"]["host"], runs["e_torn"]["pid"]) == ("an unknown host", None)
    stopped = runs["b_stopped"]
    assert (stopped["step"], stopped["flops"], stopped["budget_flops"], stopped["share"]) == (
        4,
        4e9,
        1e10,
        0.4,
    )
    assert (stopped["examples_per_s"], stopped["flops_per_s"]) == (16.0, 2e9)
    assert stopped["metrics"] == {"val_error": 0.25, "val_loss": 0.5}
    assert 0 <= stopped["age_s"] < 60
    assert runs["c_failed"]["problem"] == "loss is nan (node7, 2026-01-02T03:04:05+00:00)"
    assert runs["d_waiting"]["shape"] is None
    assert runs["e_torn"]["step"] == 3
    assert str(study / "runs" / "e_torn" / "run.json") in runs["e_torn"]["problem"]
    assert runs["e_torn"]["share"] is None


def test_running_run_tells_where_and_how_fast(study, capsys):
    run = study / "runs" / "b_stopped"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.jobs_worker", "hold", str(run)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    now = status_of(capsys, study)["b_stopped"]
    assert (now["state"], now["pid"], now["step"]) == ("running", process.pid, 7)
    assert now["flops"] == 4e9  # the note says nothing of it
    process.kill()
    process.wait()
    assert status_of(capsys, study)["b_stopped"]["state"] == "stopped"
    with jobs.claim(run) as held:
        note = {"step": 6, "flops": 6e9, "examples_per_s": 100.0, "flops_per_s": float("nan")}
        held.note({**note, "shape": str(Shape(2, 16, 1))})
        held.check()
        now = status_of(capsys, run)["b_stopped"]
        assert (now["step"], now["share"], now["examples_per_s"], now["shape"]) == (6, 0.6, 100.0, "V16-1/2")


def test_table_is_aligned_and_names_units(study, capsys):
    assert cli.main(["status", str(study)]) == 0
    lines = capsys.readouterr().out.splitlines()
    head, rows = lines[0], lines[1:6]
    for name in ("state", "shape", "last evaluation"):
        column = head.index(name)
        assert all(row[column - 2 : column] == "  " and row[column] != " " for row in rows), name
    assert re.search(
        r"b_stopped +stopped +40% +4 GFLOP +10 GFLOP +V16-1/4 +16 +2 GFLOP/s +val_error 0.25", rows[1]
    )
    assert "5 runs: 1 running, 1 stopped, 1 failed, 1 waiting, 1 finished" in lines
    assert "c_failed: loss is nan (node7, 2026-01-02T03:04:05+00:00)" in lines


def test_nothing_is_written(study, capsys):
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*")}
    assert cli.main(["status", str(study)]) == 0
    assert {path: path.stat().st_mtime_ns for path in study.rglob("*")} == before


@pytest.mark.parametrize("name", ["none", "runs/d_waiting"])
def test_bad_directory_is_one_line(study, capsys, name):
    assert cli.main(["status", str(study / name)]) == 2
    rejected(capsys, study / name)


def test_needs_no_jax(study):
    code = f"from scalax import cli; import sys; assert cli.main(['status', {str(study)!r}]) == 0;"
    code += "assert 'jax' not in sys.modules and 'matplotlib' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
