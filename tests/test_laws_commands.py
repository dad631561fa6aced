"""`scalax fit`, `forecast` and `bench`, the notebook, the study and the documented examples."""

import csv
import dataclasses
import doctest
import importlib
import json
import os
import runpy
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from scalax.cli import main
from scalax.config_laws import LawHalfspaceConfig
from scalax.errors import UserError

ROOT = Path(__file__).parents[1]


def test_fit_writes_table_json_csv_and_figures(tmp_path, capsys):
    assert main(["fit", "--example", "--laws", "m2,bnsl", "--out", str(tmp_path / "o")]) == 0
    assert "IC/cal_5/ViT/S/16" in capsys.readouterr().out
    fits = json.loads((tmp_path / "o" / "fit.json").read_text())
    assert len(fits) == 6
    assert set(fits[0]["params"]) == {"e_inf", "b", "c"}
    with open(tmp_path / "o" / "fit.csv") as file:
        assert len(list(csv.DictReader(file))) == 6
    assert len(list((tmp_path / "o" / "figures").glob("*.png"))) == 6


def test_forecast_command(tmp_path, capsys):
    command = ["forecast", "--example", "--at", "4e9", "--target", "0.05", "--out", str(tmp_path)]
    assert main(command) == 0
    assert "not reach" in capsys.readouterr().out
    data = json.loads((tmp_path / "forecast.json").read_text())
    assert data[0]["intervals"]["0.8"][0][0] < data[0]["median"][0] < data[0]["intervals"]["0.8"][1][0]
    assert len(list((tmp_path / "figures").glob("*.png"))) == 3


def test_bench_command(tmp_path, capsys):
    source = ROOT / "scalax" / "laws" / "example_curves.csv"
    assert main(["bench", str(source), "--out", str(tmp_path)]) == 0
    header = (tmp_path / "bench.csv").read_text().splitlines()[0]
    assert header == "Domain,Task,Model,m1,m2,m3,m4,bnsl,auto,cover50,cover80,cover95"
    summary = json.loads((tmp_path / "bench.json").read_text())
    assert set(summary["domains"]["IC"]["methods"]["auto"]) == {"mean", "median", "geometric_mean", "wins"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit"], "no file of curves given; try --example"),
        (["fit", "nowhere.csv"], "nowhere.csv: No such file"),
        (["fit", "--example", "--laws", "m33"], "did you mean 'm3'"),
        (["fit", "--example", "--laws", ""], "no law is named"),
        (["forecast", "--example", "--at", "1e9,x"], "--at: 'x' is not a positive number"),
        (["forecast", "--example", "--target", "-1"], "--target must be positive"),
        (["bench"], "no file of curves given"),
    ],
)
def test_bad_arguments_give_one_line(arguments, message, capsys, tmp_path):
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


ROWS = "step,accuracy\n" + "".join(f"{10**k},{1 - 0.8**k:.6f}\n" for k in range(1, 9))


@pytest.mark.parametrize("command", ["fit", "forecast", "bench"])
@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("", [], "row 1, column 1: the file is empty"),
        ("x,y\n", [], "no row follows the header"),
        (ROWS, [], "say which columns to use with --x and --y; the file has 'step', 'accuracy'"),
        (ROWS, ["--x", "step", "--y", "accuracie"], "no column 'accuracie'"),
        (ROWS, ["--x", "step", "--y", "accuracy", "--by", "seed"], "no column 'seed'"),
    ],
)
def test_bad_files_give_one_line(command, text, columns, message, capsys, tmp_path):
    path = tmp_path / "curves.csv"
    path.write_text(text)
    assert main([command, str(path), *columns, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert f"scalax {command}: error: {path}" in said
    assert message in said
    assert said.count("\n") == 1


def test_accuracies_are_turned_into_errors_aloud(capsys, tmp_path):
    path = tmp_path / "curves.csv"
    path.write_text(ROWS)
    columns = ["--x", "step", "--y", "accuracy", "--out", str(tmp_path)]
    assert main(["fit", str(path), "--laws", "m1", *columns]) == 0
    assert "column 'accuracy' holds accuracies: turned into errors, 1 - y" in capsys.readouterr().out
    assert main(["bench", str(path), *columns]) == 2
    assert "no row is held out to score" in capsys.readouterr().err


def test_help_is_quick_and_imports_no_jax():
    began = time.monotonic()
    code = """
import sys
from scalax.cli import main
try:
    main(["fit", "--help"])
finally:
    assert "jax" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--laws" in done.stdout
    assert time.monotonic() - began < 5  # 0.2 s on an idle machine


@pytest.mark.parametrize("name", ["fitting", "forecasting"])
def test_documented_examples(name):
    module = importlib.import_module(f"scalax.laws.{name}")
    failed, attempted = doctest.testmod(module)
    assert attempted > 0
    assert failed == 0


def test_notebook_runs_and_keeps_no_outputs():
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient").NotebookClient
    notebook = nbformat.read(ROOT / "colab" / "laws.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    client(notebook, timeout=300, kernel_name="python3").execute()
    assert any("image/png" in out.get("data", {}) for out in code[-1].outputs)


def test_halfspace_study(tmp_path):
    from scalax.report import law_halfspace as report
    from scalax.studies import law_halfspace as study

    config = runpy.run_path(str(ROOT / "configs" / "law_halfspace.py"))["config"]()
    assert config == LawHalfspaceConfig()
    small = dataclasses.replace(config, largest=2048, sizes=9, seeds=4)
    study.run(small, tmp_path)
    text = report.write(tmp_path)
    assert (tmp_path / "report.html").exists()
    found = json.loads((tmp_path / "study.json").read_text())
    risk = np.array(found["risk"])
    assert (np.diff(risk) < 0).all()
    assert 0.2 < risk[-1] < risk[0] < 0.5
    assert found["lines"]["m4"]["rms"]["all"] < 0.7 * found["lines"]["m2"]["rms"]["all"]
    assert "M4" in text


def test_halfspace_settings_are_checked():
    with pytest.raises(UserError, match="label_noise"):
        LawHalfspaceConfig(label_noise=0.6)
    with pytest.raises(UserError, match="largest"):
        LawHalfspaceConfig(largest=20)
