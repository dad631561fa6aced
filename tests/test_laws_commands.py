"""`scalax fit`, `forecast` and `bench`, the notebook, the study and the documented examples."""

import csv
import doctest
import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from scalax import laws
from scalax.cli import main
from scalax.laws import growth
from scalax.report import law_files, law_panels
from tests.rejects import rejected

ROOT = Path(__file__).parents[1]


def test_fit_writes_table_json_csv_and_figures(tmp_path, capsys):
    assert main(["fit", "--example", "--laws", "m2,bnsl", "--out", str(tmp_path / "o")]) == 0
    assert "IC/cal_5/ViT/S/16" in capsys.readouterr().out
    fits = json.loads((tmp_path / "o" / "fit.json").read_text())
    assert len(fits) == 6
    assert set(fits[0]["params"]) == {"e_inf", "b", "c"}
    for fit in fits:
        assert fit["flags"] == [str(laws.Flag(**flag)) for flag in fit["flag_data"]]
    with open(tmp_path / "o" / "fit.csv") as file:
        assert len(list(csv.DictReader(file))) == 6
    assert len(list((tmp_path / "o" / "figures").glob("*.png"))) == 3


def test_growth_is_timed_over_curves_and_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(growth, "COUNTS", (1, 3))
    monkeypatch.setattr(growth, "ROWS", (30, 60))
    assert main(["bench", "--growth", "--out", str(tmp_path)]) == 0
    with open(tmp_path / "growth.csv") as file:
        rows = list(csv.DictReader(file))
    sizes = [(row["what"], row["curves"], row["rows"]) for row in rows]
    of_curves = [(what, count, "30") for what in ("five laws", "forecast") for count in ("1", "3")]
    assert sizes == [*of_curves, ("m2", "1", "30"), ("m2", "1", "60")]
    assert all(float(row["wall_s"]) > 0 and float(row["cpu_s"]) > 0 for row in rows)
    assert (tmp_path / "figures" / "growth.png").exists()


def test_the_power_of_growth_is_that_between_the_largest():
    sizes = [growth.Timing("m2", 1, rows, 0.5 + rows / 1000, 0) for rows in (10, 10**6, 10**7)]
    assert growth.power(sizes, "rows") == pytest.approx(1, abs=1e-3)


def test_many_curves_share_a_page(tmp_path):
    curves = [laws.Curve([1, 2, 4, 8], [1, 0.8, 0.7, 0.65], f"c{i}") for i in range(law_panels.MANY + 1)]
    fits = laws.fit(curves, ["m1"], starts=4)
    drawn: list[int] = []
    law_files.write_fits(tmp_path / "page", curves, fits, progress=drawn.append)
    law_files.write_fits(tmp_path / "each", curves, fits, each=True)
    assert [path.name for path in (tmp_path / "page" / "figures").iterdir()] == ["all.png"]
    assert len(list((tmp_path / "each" / "figures").iterdir())) == sum(drawn) == len(curves)


def test_forecast_command(tmp_path, capsys):
    command = ["forecast", "--example", "--at", "4e9", "--target", "0.05", "--out", str(tmp_path)]
    assert main(command) == 0
    data = json.loads((tmp_path / "forecast.json").read_text())
    assert data[0]["target"]["x"] is None
    assert data[0]["target"]["why_not"] in capsys.readouterr().out
    assert data[0]["intervals"]["0.8"][0][0] < data[0]["median"][0] < data[0]["intervals"]["0.8"][1][0]
    assert len(list((tmp_path / "figures").glob("*.png"))) == 3


def test_bench_command(tmp_path, capsys):
    source = ROOT / "scalax" / "laws" / "example_curves.csv"
    assert main(["bench", str(source), "--out", str(tmp_path)]) == 0
    header = (tmp_path / "bench.csv").read_text().splitlines()[0]
    assert header == "Domain,Task,Model,m1,m2,m3,m4,bnsl,auto,cover50,cover80,cover95"
    summary = json.loads((tmp_path / "bench.json").read_text())
    assert set(summary["domains"]["IC"]["methods"]["auto"]) == {"mean", "median", "geometric_mean", "wins"}


def test_what_a_command_compiles_is_kept_for_the_next(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    # A program of this law alone: the standard laws share one, which takes longer to compile.
    law = ["--laws", "m4_alpha1"]
    command = [sys.executable, "-m", "scalax", "fit", "--example", *law, "--out", str(tmp_path)]
    subprocess.run(
        command, env=environment | {"XDG_CACHE_HOME": str(tmp_path)}, check=True, capture_output=True
    )
    assert list((tmp_path / "scalax" / "jax").iterdir())


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["fit"], ["--example"]),
        (["fit", "nowhere.csv"], ["nowhere.csv"]),
        (["fit", "--example", "--laws", "m33"], ["'m33'", "'m3'"]),
        (["fit", "--example", "--laws", ""], ["--laws"]),
        (["forecast", "--example", "--at", "1e9,x"], ["--at", "'x'"]),
        (["forecast", "--example", "--target", "-1"], ["--target", -1.0]),
        (["forecast", "--example", "--members", "downstream"], ["'downstream'"]),
        (["bench"], ["file"]),
    ],
)
def test_bad_arguments_give_one_line(arguments, names, capsys, tmp_path):
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    rejected(capsys, f"scalax {arguments[0]}", *names)


ROWS = "step,accuracy\n" + "".join(f"{10**k},{1 - 0.8**k:.6f}\n" for k in range(1, 9))


@pytest.mark.parametrize("command", ["fit", "forecast", "bench"])
@pytest.mark.parametrize(
    ("text", "columns", "names"),
    [
        ("", [], ["row 1, column 1"]),
        ("x,y\n", [], ["row 1, column 1"]),
        (ROWS.replace("step", "a").replace("accuracy", "b"), [], ["--x='a' --y='b'", "'a', 'b'"]),
        (ROWS, ["--x", "step", "--y", "accuracie"], ["'accuracie'", "'accuracy'"]),
        (ROWS, ["--x", "step", "--y", "accuracy", "--by", "seed"], ["'seed'"]),
    ],
)
def test_bad_files_give_one_line(command, text, columns, names, capsys, tmp_path):
    path = tmp_path / "curves.csv"
    path.write_text(text)
    assert main([command, str(path), *columns, "--out", str(tmp_path / "out")]) == 2
    rejected(capsys, f"scalax {command}: error: {path}", *names)


def test_accuracies_are_turned_into_errors_aloud(capsys, tmp_path):
    path = tmp_path / "curves.csv"
    path.write_text(ROWS)
    columns = ["--x", "step", "--y", "accuracy", "--out", str(tmp_path)]
    assert main(["fit", str(path), "--laws", "m1", *columns]) == 0
    assert "1 - y" in capsys.readouterr().out
    assert main(["bench", str(path), *columns]) == 2
    rejected(capsys, "--split")


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


@pytest.mark.parametrize(
    "name",
    [
        "laws.fitting",
        "laws.forecasting",
        "laws.family",
        "laws.watch",
        "laws.joint.fitting",
        "laws.speedup.compare",
        "errors",
    ],
)
def test_documented_examples(name):
    module = importlib.import_module(f"scalax.{name}")
    failed, attempted = doctest.testmod(module)
    assert attempted > 0
    assert failed == 0


def test_notebook_runs_and_keeps_no_outputs(monkeypatch):
    """Its cells, in this process, which has compiled what they need."""
    cells = json.loads((ROOT / "colab" / "laws.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    names: dict = {}
    monkeypatch.chdir(ROOT / "colab")
    for cell in code:
        exec("".join(line for line in cell["source"] if not line.startswith("%")), names)
    assert names["figure"].axes
    plt.close(names["figure"])
