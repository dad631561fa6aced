"""The notebooks run from top to bottom at toy size, and git holds none of their outputs."""

import os
import subprocess
import venv
from pathlib import Path

import nbformat
import pytest

COLAB = Path(__file__).parents[1] / "colab"
TOY = """
BUDGET_FLOPS = 4e8
OVERRIDES = (
    "--model.names V8-1 --eval.points 12 --batch-size 8 --optim.warmup-steps 5 --seeds 0"
    " --data.max-train-images 500 --data.max-validation-images 200"
).split()
OUT = {out!r}
CONFIG = "../configs/quickstart.py"
"""


@pytest.mark.parametrize("path", sorted(COLAB.glob("*.ipynb")), ids=lambda p: p.stem)
def test_no_outputs_in_git(path):
    notebook = nbformat.read(path, as_version=4)
    assert all(not c.outputs and c.execution_count is None for c in notebook.cells if c.cell_type == "code")


def first_cell(path: Path) -> str:
    """The one that finds or installs the project."""
    notebook = nbformat.read(path, as_version=4)
    return next(cell.source for cell in notebook.cells if cell.cell_type == "code")


def test_all_ask_for_one_address_in_one_cell():
    cells = {first_cell(path) for path in COLAB.glob("*.ipynb")}
    assert len(cells) == 1
    assert cells.pop().count('ADDRESS = ""') == 1


def run_cell(cell: str, place: Path, python: Path, address: str) -> subprocess.CompletedProcess:
    place.mkdir()
    source = cell.replace('ADDRESS = ""', f"ADDRESS = {address!r}") + "\nprint(scalax.laws.__file__)\n"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([python, "-c", source], cwd=place, env=env, capture_output=True, text=True)


@pytest.mark.slow
def test_a_clone_is_installed_where_there_is_nothing(tmp_path):
    """In an environment without scalax but with what it needs, beside a package of that name."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    [site] = home.glob("lib/python*/site-packages")
    (site / "needed.pth").write_text(f"{Path(nbformat.__file__).parents[1]}\n")
    clone = tmp_path / "origin"
    subprocess.run(["git", "clone", "-q", str(COLAB.parent), str(clone)], check=True)
    cell = first_cell(COLAB / "laws.ipynb")
    asked = run_cell(cell, tmp_path / "nothing", python, "")
    assert asked.returncode
    assert "fill in ADDRESS" in asked.stderr
    other = site / "scalax"
    other.mkdir()
    (other / "__init__.py").write_text("")
    done = run_cell(cell, tmp_path / "colab", python, str(clone))
    assert done.returncode == 0, done.stderr
    assert str(site) in done.stdout
    assert (tmp_path / "colab" / "scalax" / "configs" / "quickstart.py").is_file()


def test_quickstart_runs(tmp_path, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(COLAB.parent))
    notebook = nbformat.read(COLAB / "quickstart.ipynb", as_version=4)
    (parameters,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    parameters.source = TOY.format(out=str(tmp_path / "out"))
    notebook.metadata.kernelspec["name"] = "python3"
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(COLAB)}}).execute()
    figures = [
        o
        for c in notebook.cells
        if c.cell_type == "code"
        for o in c.outputs
        if "image/png" in o.get("data", {})
    ]
    assert len(figures) >= 2
    text = "".join(o.get("text", "") for c in notebook.cells if c.cell_type == "code" for o in c.outputs)
    assert "val_error" in text
    assert "V8-1/16 {'a'" in text
