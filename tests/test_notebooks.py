"""The notebooks run from top to bottom at toy size, and git holds none of their outputs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

COLAB = Path(__file__).parents[1] / "colab"
TOY = """
BUDGET_FLOPS = 4e8
OVERRIDES = "--model.names V8-1 --eval.points 12 --batch-size 8 --optim.warmup-steps 5".split()
OUT = {out!r}
CONFIG = "../configs/quickstart.py"
"""


@pytest.mark.parametrize("path", sorted(COLAB.glob("*.ipynb")), ids=lambda p: p.stem)
def test_no_outputs_in_git(path):
    notebook = nbformat.read(path, as_version=4)
    assert all(not c.outputs and c.execution_count is None for c in notebook.cells if c.cell_type == "code")


def test_quickstart_runs(tmp_path, monkeypatch):
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
    assert "V8-1/4 {'a'" in text
