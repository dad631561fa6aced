"""Results replace earlier results, and nothing else: no table that was read, no state file, no device."""

import os

import pytest

from scalax import cli
from scalax.files import tables_kept, write_atomically
from scalax.laws.readers import read_curves
from tests.rejects import rejected, rejects
from tests.small_study import small_study

ROWS = "model,flops,loss\n" + "".join(f"m,{10**k},{2 * 0.7**k + 0.1:.6f}\n" for k in range(1, 13))


def test_no_table_that_was_read(tmp_path, capsys):
    table = tmp_path / "fit.csv"
    table.write_text(ROWS)
    link = tmp_path / "link.csv"
    link.symlink_to(table)
    for named in (table, link):
        words = ["fit", named, "--x", "flops", "--y", "loss", "--by", "model", "--out", tmp_path]
        assert cli.main([str(word) for word in words]) == 2
        rejected(capsys, table)
        assert table.read_text() == ROWS


def test_tables_are_kept_within_a_command_alone(tmp_path):
    table = tmp_path / "a.csv"
    table.write_text(ROWS)
    with tables_kept():
        read_curves(table, x="flops", y="loss", by=["model"])
        write_atomically(tmp_path / "b.csv", "other")
        with rejects(table):
            write_atomically(table, "new")
    assert table.read_text() == ROWS
    write_atomically(table, "new")
    assert table.read_text() == "new"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/null")])
def test_nothing_but_files(tmp_path, capsys, make):
    path = tmp_path / "a.csv"
    make(path)
    before = os.stat(path)
    with rejects(path):
        write_atomically(path, "new")
    for words in (["probe", ".", "--set", "digits", "--out", path], ["pack", path.with_suffix(".csv")]):
        assert cli.main([str(word) for word in words]) == 2
        assert str(path) in capsys.readouterr().err
    assert os.stat(path).st_mode == before.st_mode
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("name", ["study.json", "runs/a/run.json"])
def test_no_state_file(tmp_path, capsys, name):
    study = small_study(tmp_path / "study")
    before = (study / name).read_bytes()
    assert cli.main(["plan", str(study), "--out", str(study / name)]) == 2
    rejected(capsys, "--out", study / name)
    assert (study / name).read_bytes() == before


def test_records_by_probe(tmp_path, capsys):
    study = small_study(tmp_path / "study")
    records = study / "runs/a/metrics.jsonl"
    before = records.read_bytes()
    assert cli.main(["probe", str(study / "runs/a"), "--set", "digits", "--out", str(records)]) == 2
    rejected(capsys, "--out", records, ".csv")
    assert records.read_bytes() == before
