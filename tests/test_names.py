"""Names that others chose: in file names, on terminals, in figures."""

import subprocess
import sys
from importlib import metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalax import distribution
from scalax.jobs.status import RunStatus
from scalax.names import MOST_BYTES, file_name, file_names, number_text, printable
from scalax.report import console, law_files, style
from scalax.report.tables import Table, terminal_text

NAMES = st.text(max_size=300) | st.sampled_from(["../../X", "/etc/x", "", ".", "..", "-rf", "a/b", "x" * 300])
HOSTILE = ["a[/y]", "a[bold]b", "\x1b[2J", "a\nb", "a\rb", "\u202egnp.exe", "\ud800", "[link=x]y[/link]"]


@given(NAMES)
def test_a_file_name_stays_in_its_directory(tmp_path_factory, name):
    found = file_name(name)
    assert found not in ("", ".", "..")
    assert not {"/", "\\", "\0"} & set(found)
    assert found[0] not in ".-"
    assert len(found.encode()) <= MOST_BYTES + 9
    assert file_name(name) == found


@given(st.lists(NAMES, unique=True, max_size=12))
def test_different_names_have_different_files(names):
    assert len({found.casefold() for found in file_names(names)}) == len(names)
    assert len({file_name(name) for name in names}) == len(names)


def test_equal_names_and_looks_have_files_of_their_own():
    names = ["a b", "a/b", "a-b", "A-b", "a_b", "a b", "..", "…", file_name("a/b")]
    assert len({found.casefold() for found in file_names(names)}) == len(names)


@pytest.mark.parametrize("name", ["2.62e+08", "2.62e-08", "lr=1e-3", "V16-1", "größe", "模型", "a,b~c@d"])
def test_a_file_name_keeps_its_meaning(name):
    assert file_name(name) == name


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_different_numbers_read_differently(a, b):
    assert float(number_text(a)) == a
    assert a == b or number_text(a) != number_text(b)


@given(st.text())
def test_printable_is_one_line(text):
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)


@pytest.mark.parametrize("name", HOSTILE)
def test_tables_show_names_as_they_are(capsys, name):
    shown = printable(name)
    assert shown in terminal_text([f"best: {name}", Table(["run", name], [[name, "1"]])])
    console.print_table(name, ["curve", name], [[name, 1.0]])
    console.print_notes({name: [name]})
    printed = capsys.readouterr().out
    assert printed.count(shown) == 5
    assert all(line.isprintable() for line in printed.split("\n"))


def test_a_run_cannot_fake_a_row_of_status(tmp_path, capsys):
    from scalax import cli

    run = tmp_path / "runs" / "a\nb  finished\x1b[2K"
    run.mkdir(parents=True)
    (run / "failure.json").write_text('{"message": "no\\nluck\\u001b[31m", "host": "h", "time": "t"}')
    assert cli.main(["status", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.rstrip("\n").split("\n")
    assert len(lines) == 5  # head, run, count, its problem
    assert all(line.isprintable() for line in lines)
    assert RunStatus._fields[0] == lines[0].split()[0]


@pytest.mark.parametrize(
    "name", ["$x$", "a$b$c", "$x_{$", r"\$", r"$\frac$", "a\x00b", "\ud800", "5% & #_^~"]
)
def test_figures_draw_names_as_they_are(tmp_path, name):
    with style.figure(tmp_path / "a.png") as axes:
        axes.plot([1, 10], [1, 100], label=f"x{name}")
        axes.set_xticks([1, 10], [name, name])
        style.log_axes(axes, name, name)
        axes.set_xticks([1, 10], [name, name])
        axes.set_title(name)
        axes.legend()
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_figures_of_curves_keep_their_numbers(tmp_path):
    from scalax import laws

    x = [10.0**k for k in range(3, 9)]
    names = ["2.62e+08", "2.62e-08", "../x", "a" * 300, "$x$"]
    curves = [laws.Curve(x, [1 / v**0.1 for v in x], name=name) for name in names]
    fits = [laws.fit([curve], ["m2"])[0] for curve in curves[:1]]
    law_files.write_fits(tmp_path / "out", curves, fits * len(names))
    assert {"2.62e+08.png", "2.62e-08.png"} <= {path.name for path in (tmp_path / "out/figures").iterdir()}
    assert len(list((tmp_path / "out/figures").iterdir())) == len(names)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


class Other:
    """Stands for the metadata of an installed package."""

    version = "0.2.6"

    def __init__(self, *points: tuple[str, str]):
        self.entry_points = [metadata.EntryPoint(name, value, "console_scripts") for name, value in points]


def test_the_other_package_of_this_name_is_told_from_ours(monkeypatch):
    monkeypatch.setattr(metadata, "distribution", lambda name: Other())
    line = distribution.other_package()
    assert line is not None
    assert "0.2.6" in line
    assert distribution.NAME in line
    monkeypatch.setattr(metadata, "distribution", lambda name: Other(distribution.COMMAND))
    assert distribution.other_package() is None


@pytest.mark.parametrize("words", [["--help"], ["train", "configs/sweep.py", "--help"], ["fit", "--help"]])
def test_help_into_a_closed_pipe_ends_quietly(words):
    code = "import os, sys\nr, w = os.pipe()\nos.close(r)\nos.dup2(w, 1)\n"
    code += f"sys.argv = ['scalax', *{words!r}]\nfrom scalax.cli import main\nsys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert not done.stderr
    assert done.returncode in (0, 141)


@pytest.mark.parametrize(("last", "columns"), [("", 2), ("flagged", 3)])
def test_a_column_without_head_and_cells_is_left_out(capsys, last, columns):
    console.print_table("t", ["a", "b", ""], [["x", 1.0, last]])
    [row] = [line for line in capsys.readouterr().out.splitlines() if "x" in line]
    assert row.count("│") == columns + 1
