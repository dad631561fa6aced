"""What a process does whose streams, disk, device or user's files are not as they should be."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from scalax import cli, launch, terminal
from tests.rejects import check_line

ROOT = Path(__file__).parents[1]
FIT = ["fit", "a.csv", "--x", "flops", "--y", "loss", "--laws", "m1", "--out", "out"]
ROWS = "flops,loss\n" + "".join(f"{10**k},{0.9**k:.6f}\n" for k in range(1, 9))


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text(ROWS)
    monkeypatch.chdir(tmp_path)


def started(words: list[str], redirected: str, **environment: str) -> subprocess.CompletedProcess:
    """A command of ours behind a shell, which closes or redirects its streams."""
    command = f'exec "$0" -m "$@" {redirected}'
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    words = ["bash", "-c", command, sys.executable, *words]
    return subprocess.run(words, capture_output=True, text=True, env=env, timeout=120)


@pytest.mark.parametrize("program", [["scalax", "status", "."], ["scalax.launch", "--help"]], ids=" ".join)
@pytest.mark.parametrize(
    ("redirected", "code"),
    [(">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0), (">/dev/full", 2), (">/dev/full 2>/dev/full", 2)],
)
def test_streams_that_are_closed_or_full(program, redirected, code):
    Path("runs", "a").mkdir(parents=True)
    done = started(program, redirected)
    assert done.returncode == code
    if redirected == ">/dev/full":
        check_line(done.stderr.removesuffix("\n"), program[0], "No space left")
    else:
        assert done.stderr == ""


def test_files_are_not_taken_for_missing_streams():
    """The first file that is opened would get the number of a closed stream, and what is printed with it."""
    body = "from scalax import process; process.open_missing(); f = open('new', 'w')\n"
    body += "import os; os.write(1, b'noise'); print('more'); f.write('kept')"
    done = subprocess.run(
        ["bash", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, body],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0
    assert Path("new").read_text() == "kept"


def test_a_backend_that_is_not_there_is_one_line():
    done = started(["scalax", *FIT], "", JAX_PLATFORMS="nope")
    assert done.returncode == 2
    check_line(done.stderr.removesuffix("\n"), "scalax", "nope", "JAX_PLATFORMS")


def test_a_backend_of_figures_that_is_not_there_does_not_matter():
    done = started(["scalax", *FIT], "", MPLBACKEND="nope")
    assert (done.returncode, done.stderr) == (0, "")
    assert Path("out", "figures").is_dir()


def test_memory_that_does_not_do_is_one_line(capsys):
    def of_the_device() -> int:
        return int(jax.numpy.zeros((2**45,)).sum())

    def of_the_machine() -> int:
        return np.zeros(2**55).size

    for command in (of_the_device, of_the_machine):
        assert terminal.ended_quietly("scalax", command) == 2
        check_line(capsys.readouterr().err.removesuffix("\n"), "out of memory", "batch_size")

    def of_another_kind() -> int:
        raise RuntimeError("another")

    with pytest.raises(RuntimeError, match="another"):
        terminal.ended_quietly("scalax", of_another_kind)


@pytest.mark.parametrize("place", ["out/fit.json/", "out/fit.csv/", "out/figures"])
def test_results_in_the_way_of_which_something_lies(capsys, place):
    path = Path(place)
    path.parent.mkdir()
    if place.endswith("/"):
        path.mkdir()
    else:
        path.write_text("")
    assert cli.main(FIT) == 2
    check_line(capsys.readouterr().err.removesuffix("\n"), str(path))


RAISES = {
    "exit": "import sys; sys.exit()",
    "exit 7": "import sys; sys.exit(7)",
    "base": "raise BaseException('two\\nlines')",
    "mute": "class E(Exception):\n def __str__(self): raise ValueError('no')\nraise E()",
    "syntax": "def f(:",
}


@pytest.mark.parametrize("how", RAISES)
def test_files_of_a_user_that_raise(capsys, how):
    Path("mine.py").write_text(RAISES[how])
    assert cli.main(["--import", "mine.py", *FIT]) == 2
    check_line(capsys.readouterr().err.removesuffix("\n"), "--import mine.py", "mend the file")
    assert launch.main(["mine.py", "--out", "out"]) == 2
    check_line(capsys.readouterr().err.removesuffix("\n"), "config mine.py", "mend the file")
    assert not Path("out").exists()


def test_images_are_packed_into_a_new_directory():
    assert cli.main(["pack", "--source", "digits", "--image", "8", "new/a.npz", "--train-images", "200"]) == 0
    with np.load("new/a.npz") as found:
        assert set(found["labels"]) == set(range(10))


def test_images_that_nobody_could_train_with_are_not_packed(capsys):
    """The first 20 digits lack a class."""
    assert cli.main(["pack", "--source", "digits", "--image", "8", "a.npz", "--train-images", "20"]) == 2
    check_line(capsys.readouterr().err.removesuffix("\n"), "2 of 10 classes", "20")
    assert not Path("a.npz").exists()


def test_figures_are_written_beside_and_then_put_in_place():
    """A kill leaves none half drawn: what is drawn goes to memory, or to a file of `replacing`."""
    for path in (ROOT / "scalax").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "savefig":
                [target, *_] = node.args
                assert ast.unparse(target) in ("beside", "picture"), path
