"""State files of a study that are no files, newer or damaged: what is said of them, and others as they are.

Damages that are drawn: test_bad_inputs.py.
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from scalax import cli, records, studies
from scalax.studies.halfspace import HalfspaceConfig
from tests.rejects import check_line, rejects
from tests.small_study import KINDS, small_study


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    return small_study(tmp_path_factory.mktemp("state") / "study")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_hangs_nobody(study, tmp_path, kind, capsys):
    """A pipe, which nobody writes to, in place of each file; a folder; a link to itself."""
    shutil.copytree(study, tmp_path / "study")
    path = tmp_path / "study" / KINDS[kind]
    for make in (os.mkfifo, os.mkdir, lambda path: os.symlink(path, path)):
        path.unlink() if path.is_file() else None
        make(path)
        gone = kind == "run" and path.is_symlink()  # then the run counts as one that was stopped
        damaged = kind in ("run", "records") and not gone
        assert cli.main(["status", str(tmp_path / "study")]) == (2 if damaged else 0)
        code = 2 if damaged or kind == "study" else 0
        assert cli.main(["report", str(tmp_path / "study")]) == code
        if kind in ("run", "records"):
            with rejects(path):
                records.read_run(path.parent)
        path.rmdir() if path.is_dir() else path.unlink()
        capsys.readouterr()


def test_a_newer_version_is_refused_and_an_older_one_read(study, tmp_path):
    shutil.copytree(study, tmp_path / "study")
    path = tmp_path / "study" / "runs" / "a" / "run.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps({**info, "version": 999}))
    with rejects(path, 999):
        records.read_info(path.parent)
    del info["version"]
    path.write_text(json.dumps(info))
    assert records.read_info(path.parent).version == 1


def test_damaged_runs_are_said_to_be(study, tmp_path, capsys):
    shutil.copytree(study, tmp_path / "study")
    (tmp_path / "study" / "runs" / "a" / "metrics.jsonl").unlink()
    (tmp_path / "study" / "runs" / "b" / "run.json").write_text("[]")
    assert cli.main(["status", str(tmp_path / "study"), "--json"]) == 2
    found = {run["run"]: run for run in json.loads(capsys.readouterr().out)["runs"]}
    assert [found[name]["state"] for name in "abcd"] == ["damaged", "damaged", "failed", "waiting"]
    check_line(found["a"]["problem"], tmp_path / "study" / "runs" / "a" / "metrics.jsonl")
    check_line(found["b"]["problem"], tmp_path / "study" / "runs" / "b" / "run.json")
    assert cli.main(["report", str(tmp_path / "study")]) == 2
    printed = capsys.readouterr()
    assert printed.out  # the report all the same
    lines = printed.err.splitlines()
    assert len(lines) == 2
    for line, name in zip(lines, "ab", strict=True):
        check_line(line, f"run {name} is damaged", found[name]["problem"])


def test_a_directory_in_place_of_a_result_is_found_before_anything_is_run(tmp_path):
    (tmp_path / studies.FILE).mkdir()
    with rejects(tmp_path / studies.FILE):
        studies.run(HalfspaceConfig(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [studies.FILE]


@pytest.mark.parametrize("text", ["", "{}", "PK"])
def test_a_file_where_a_run_is_wanted(tmp_path, text):
    path = tmp_path / "weights.npz"
    path.write_text(text)
    with rejects(f"{path}: is no directory"):
        records.read_info(path)
