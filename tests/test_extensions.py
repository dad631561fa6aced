"""One of each from outside the package, in the one file tests/outside.py, goes from launch to its report."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scalax import cli, data, evals, launch, laws, metrics, models, studies, tasks
from tests.registries import restored
from tests.rejects import check_line

FILE = Path(__file__).with_name("outside.py")


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("outside") / "out"
    with restored():
        assert launch.main([str(FILE), "--out", str(place), "--batch-size", "6"]) == 0
        yield place


def test_everything_of_it_is_registered(out):
    assert "bars" in data.KINDS.names()
    assert "brightness" in tasks.TASKS.names()
    assert models.find("H8-1")[0].title == "hidden layer"
    assert "root" in laws.FAMILIES
    assert "growth" in studies.STUDIES.names()
    assert metrics.label("size/norm") == "norm of the features of size (l2)"
    assert isinstance(evals.evaluations(launch.load(str(FILE)).run)[-1].layers, tuple)


def test_its_runs_are_trained_measured_and_grown(out):
    lines = [json.loads(line) for line in (out / "runs" / "grown" / "metrics.jsonl").read_text().splitlines()]
    assert {line["family"] for line in lines} == {"H"}
    assert [line["width"] for line in lines] == sorted(line["width"] for line in lines)
    assert {line["width"] for line in lines} == {8, 16}
    assert lines[-1]["val_mse"] < lines[0]["val_mse"]
    assert all(line["size/norm"] > 0 for line in lines)
    info = json.loads((out / "runs" / "grown" / "run.json").read_text())
    assert info["config"]["batch_size"] == 6
    assert info["data"] == {"train": 72, "validation": 24, "numbers": 1}


def test_its_result_is_read_back_and_reported(out, capsys):
    study, result = studies.load(out)
    assert study.name == "growth"
    assert result.values.keys() == {"H8-1", "H16-1", "grown"}
    assert all(limit > 0 for limit in result.limits.values())
    (out / "report.html").unlink()
    assert cli.main(["report", str(out)]) == 0
    assert "H8-1" in capsys.readouterr().out.splitlines()[0]
    assert "limit of root" in (out / "report.html").read_text()
    assert cli.main(["status", str(out), "--json"]) == 0
    assert {run["state"] for run in json.loads(capsys.readouterr().out)["runs"]} == {"finished"}


def test_its_report_is_written_by_a_process_that_knows_nothing_of_it(out):
    (out / "report.html").unlink(missing_ok=True)
    command = [sys.executable, "-m", "scalax"]
    alone = subprocess.run([*command, "report", out], capture_output=True, text=True)
    assert alone.returncode == 2
    check_line(alone.stderr.strip(), "'growth'", "--import FILE")
    made = subprocess.run([*command, "--import", FILE, "report", out], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert (out / "report.html").is_file()
