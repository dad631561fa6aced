"""The launch command: a whole small study, its report, and one clear line for whatever is wrong."""

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scalax import cli, launch

ROOT = Path(__file__).parents[1]
QUICKSTART = str(ROOT / "configs" / "quickstart.py")
SMALL = ["--budget-flops", "4e8", "--model.names", "V8-1", "--eval.points", "12", "--batch-size", "8"]
SMALL += ["--tune.share", "0.2", "--tune.lrs", "1e-2"]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """The quickstart at toy size, launched once, into a relative directory as the default is."""
    place = tmp_path_factory.mktemp("study")
    with contextlib.chdir(place):
        assert launch.main([QUICKSTART, "--out", "out", *SMALL]) == 0
    return place / "out"


def test_study_leaves_a_self_contained_report(study):
    page = (study / "report.html").read_text()
    assert "V8-1: static runs and their laws" in page
    assert "FLOPs to target" in page
    assert "IsoFLOP curves" in page
    assert "by another measure of the same runs, few-shot error" in page
    assert "Config and versions" in page
    assert page.count("data:image/png;base64,") >= 2
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert {p.suffix for p in (study / "figures").iterdir()} == {".png", ".csv"}
    data = json.loads((study / "study.json").read_text())
    assert data["families"]["V8-1"]["laws"].keys() == {"V8-1/4", "V8-1/2", "V8-1/1"}
    for cost in data["costs"].values():
        assert 0 < cost["step"]["flops_matmul"] < cost["step"]["flops"]


def test_search_measures_candidates_at_their_end(study):
    found = [path.read_text().splitlines() for path in study.glob("tuning/*/metrics.jsonl")]
    assert len(found) == 3 * 2  # shapes, learning rates
    for lines in found:
        last = json.loads(lines[-1])
        assert last["flops"] == pytest.approx(0.2 * 4e8, rel=0.2)
        assert len(lines) == 2
        assert "fewshot_error" not in last
    settings = json.loads((study / "study.json").read_text())["families"]["V8-1"]["settings"]
    assert {own["lr"] for own in settings.values()} <= {5e-3, 1e-2}


def test_second_launch_does_only_what_is_missing(study, capsys):
    import shutil

    before = {p: p.stat().st_mtime_ns for p in study.glob("runs/*/metrics.jsonl")}
    missing = next(study.glob("runs/V8-1_patch2*_seed0"))
    shutil.rmtree(missing)
    assert launch.main([QUICKSTART, "--out", str(study), *SMALL]) == 0
    after = {p: p.stat().st_mtime_ns for p in study.glob("runs/*/metrics.jsonl")}
    assert after.keys() == before.keys()
    assert [p.parent.name for p in after if after[p] != before[p]] == [missing.name]
    printed = capsys.readouterr().out
    assert "savings in FLOPs at each target" in printed
    assert str(study / "report.html") in printed


def test_report_escapes_names(study, tmp_path):
    data = json.loads((study / "study.json").read_text())
    data["name"] = "<script>alert(1)</script>"
    (tmp_path / "study.json").write_text(json.dumps(data))
    assert cli.main(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["configs/none.py"], "config configs/none.py: no such file"),
        ([QUICKSTART, "--optim.lrr", "1"], "unknown override --optim.lrr (did you mean 'optim.lr'?)"),
        ([QUICKSTART, "--optim.lr", "fast"], "--optim.lr: could not convert string to float: 'fast'"),
        ([QUICKSTART, "--optim.lr", "-1"], "optim.lr must be positive, got -1.0"),
        (
            [QUICKSTART, "--patches", "4", "3"],
            "patches: 3 does not divide data.image_size 8; choose from [1, 2, 4, 8]",
        ),
        ([QUICKSTART, "--model.names", "vit"], "model.names: 'vit' is not V{width}-{depth}"),
        ([QUICKSTART, "--data.source", "foo"], "invalid choice 'foo'"),
        ([QUICKSTART, "--data.source", "folder"], "data.dir is empty"),
        ([QUICKSTART, "--data.source", "folder", "--data.dir", "/none"], "data.dir /none: no such directory"),
        ([QUICKSTART, "--budget-flops", "1"], "budget_flops 1 buys no step"),
        ([QUICKSTART, "--metric", "fewshot_error", "--eval.shots", "0"], "needs eval.shots of 1 or more"),
        ([QUICKSTART, "--eval.shots", "500"], "eval.shots 500: class"),
        ([QUICKSTART, "--batch-size", "5000"], "batch_size 5000 exceeds the 1198 training images"),
        ([QUICKSTART, "--seeds", "-1"], "seeds must lie in 0..999"),
        ([QUICKSTART, "--eval.points", "4"], "are too few for a law; raise it to have 6"),
        ([QUICKSTART, "--out"], "--out: expected one argument"),
        ([QUICKSTART, "--process", "0"], "--coordinator and --processes missing for a run of several"),
        ([QUICKSTART, "--processes", "two"], "--processes: invalid int value: 'two'"),
        ([QUICKSTART, "--model.dropout", "1"], "model.dropout must be in [0, 1), got 1.0"),
        ([QUICKSTART, "--accumulate", "3"], "batch_size 64 does not split over 1 devices of 3 micro-batches"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, capsys, arguments, says):
    out = [] if "--out" in arguments else ["--out", str(tmp_path / "out")]
    assert launch.main(arguments + out) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.err.count("\n") == 1
    assert not printed.out
    assert not list(tmp_path.glob("out/runs/*/metrics.jsonl"))


def test_unwritable_output_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert launch.main([QUICKSTART, "--out", str(tmp_path / "file" / "out")]) == 2
    assert "cannot make it" in capsys.readouterr().err


def test_output_of_another_config_is_one_line(study, capsys):
    assert launch.main([QUICKSTART, "--out", str(study), *SMALL, "--optim.lr", "0.1"]) == 2
    printed = capsys.readouterr().err
    assert "belongs to another config: config.optim.lr (here 0.1, there" in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize("text", ["[1]", "{", '{"study": "nope"}', '{"study": "adaptive"}'])
def test_report_of_a_foreign_file_is_one_line(tmp_path, capsys, text):
    (tmp_path / "study.json").write_text(text)
    assert cli.main(["report", str(tmp_path)]) == 2
    printed = capsys.readouterr().err
    assert "study.json: not" in printed
    assert printed.count("\n") == 1


def test_report_of_nothing_is_one_line(tmp_path, capsys):
    assert cli.main(["report", str(tmp_path)]) == 2
    assert "no such file; finish the study" in capsys.readouterr().err


def test_help_needs_no_jax():
    for command in (
        ["scalax.launch", QUICKSTART, "--help"],
        ["scalax.launch", "--help"],
        ["scalax.cli", "--help"],
    ):
        code = f"import runpy, sys; sys.argv = {command!r}\n"
        code += f"try: runpy.run_module({command[0]!r}, run_name='__main__')\n"
        code += "except SystemExit as e: assert not e.code, e.code\nassert 'jax' not in sys.modules\n"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        assert "usage" in done.stdout.lower()
        assert ("--schedule FILE" in done.stdout) == (command[0] == "scalax.launch")
