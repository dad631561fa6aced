"""The launch command: a whole small study, its report, and one clear line for whatever is wrong."""

import base64
import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scalax import cli, launch, metrics
from scalax.studies import settled
from tests.rejects import rejected

ROOT = Path(__file__).parents[1]
QUICKSTART = str(ROOT / "tests" / "digits.py")
SMALL = ["--budget-flops", "4e8", "--model.names", "V8-1", "--eval.points", "12", "--batch-size", "8"]
SMALL += ["--patches", "4", "2"]
SMALL += ["--tune.share", "0.2", "--tune.lrs", "1e-2"]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A study of digits at toy size, launched once, into a relative directory as the default is."""
    place = tmp_path_factory.mktemp("study")
    with contextlib.chdir(place):
        assert launch.main([QUICKSTART, "--out", "out", *SMALL]) == 0
    return place / "out"


def test_study_leaves_a_self_contained_report(study):
    page = (study / "report.html").read_text()
    for figure in (study / "figures").glob("*.png"):
        assert base64.b64encode(figure.read_bytes()).decode() in page
    assert metrics.label("fewshot_error") in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert {p.suffix for p in (study / "figures").iterdir()} == {".png", ".csv"}
    data = json.loads((study / "study.json").read_text())
    for target in data["ladders"]["V8-1"]["targets"]:
        assert f"{target['target']:.4g}" in page
    assert (data["study"], data["version"]) == ("adaptive", 2)
    assert data["ladders"]["V8-1"]["laws"].keys() == {"V8-1/4", "V8-1/2"}
    for cost in data["costs"].values():
        assert 0 < cost["step"]["flops_matmul"] < cost["step"]["flops"]


def test_search_measures_candidates_at_their_end(study):
    found = [path.read_text().splitlines() for path in study.glob("tuning/*/metrics.jsonl")]
    assert len(found) == 2 * 2  # shapes, learning rates
    for lines in found:
        last = json.loads(lines[-1])
        assert last["flops"] == pytest.approx(0.2 * 4e8, rel=0.2)
        assert len(lines) == 2
        assert "fewshot_error" not in last
    settings = json.loads((study / "study.json").read_text())["ladders"]["V8-1"]["settings"]
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
    assert "V8-1" in printed
    assert str(study / "report.html") in printed


def test_no_name_of_a_result_leaves_its_directory(study, tmp_path):
    names = ["../../X", "/absolute", "x" * 300, "$x$\n", "V8-1"]
    data = json.loads((study / "study.json").read_text())
    data["ladders"] = dict.fromkeys(names, data["ladders"]["V8-1"])
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    (place / "study.json").write_text(json.dumps(data))
    assert cli.main(["report", str(place)]) == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.parent for path in files} == {place, place / "figures"}
    assert sum(path.name.endswith("_schedule.png") for path in files) == len(names)


def test_a_finished_study_is_shown_without_jax(study):
    """As long as its config, its records and the code are what they were."""
    code = (
        "import sys\nfrom scalax import launch\nassert launch.main(sys.argv[1:]) == 0\n"
        "print('jax' in sys.modules)"
    )

    def again(*more: str) -> list[str]:
        command = [sys.executable, "-c", code, QUICKSTART, "--out", str(study), *SMALL, *more]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    count = len([*study.glob("runs/*/run.json"), *study.glob("tuning/*/run.json")])
    first, *shown, imported = again()
    assert first.startswith(f"nothing to do: {count} runs")
    assert imported == "False"
    assert any(str(study / "report.html") in line for line in shown)
    record = next(study.glob("runs/*/metrics.jsonl"))
    kept = record.read_text()
    record.write_text(kept + "\n")
    config = launch.override(launch.load(QUICKSTART), SMALL, "")
    assert settled.runs_of(config, study) is None
    record.write_text(kept)
    assert settled.runs_of(config, study) == count
    other = launch.override(launch.load(QUICKSTART), [*SMALL, "--targets", "4"], "")
    assert settled.runs_of(other, study) is None
    (study / "study.json").touch()
    assert settled.runs_of(config, study) == count


def test_report_escapes_names(study, tmp_path):
    data = json.loads((study / "study.json").read_text())
    data["config"]["name"] = "<script>alert(1)</script>"
    (tmp_path / "study.json").write_text(json.dumps(data))
    assert cli.main(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["configs/none.py"], ["configs/none.py"]),
        ([QUICKSTART, "--optim.lrr", "1"], ["--optim.lrr", "--optim.lr"]),
        ([QUICKSTART, "--optim.lr", "fast"], ["--optim.lr", "'fast'"]),
        ([QUICKSTART, "--optim.lr", "-1"], ["optim.lr", -1.0]),
        ([QUICKSTART, "--patches", "4", "3"], ["patches", 3, "data.image_size 8", "[1, 2, 4, 8]"]),
        ([QUICKSTART, "--model.names", "vit"], ["model.names", "'vit'"]),
        ([QUICKSTART, "--data.source", "foo"], ["data source 'foo'"]),
        ([QUICKSTART, "--data.source", "folder"], ["data.dir", "'folder'"]),
        ([QUICKSTART, "--data.source", "folder", "--data.dir", "/none"], ["data.dir /none"]),
        ([QUICKSTART, "--budget-flops", "1"], ["budget_flops 1"]),
        ([QUICKSTART, "--metric", "val_errr"], ["metric 'val_errr'", "'val_error'"]),
        ([QUICKSTART, "--law", "shifted"], ["law 'shifted'", "'shifted_power'"]),
        ([QUICKSTART, "--law", "two_variables"], ["law 'two_variables'"]),
        ([QUICKSTART, "--law", "m4", "--online"], ["'m4'", "shifted_power"]),
        ([QUICKSTART, "--run.optim.lr", "1"], ["--run.optim.lr", "--optim.lr"]),
        ([QUICKSTART, "--batch-size", "x"], ["--batch-size", "'x'"]),
        ([QUICKSTART, "--metric", "fewshot_error", "--eval.shots", "0"], ["fewshot_error", "eval.shots"]),
        ([QUICKSTART, "--eval.shots", "500"], ["eval.shots 500"]),
        ([QUICKSTART, "--batch-size", "5000"], ["batch_size 5000", 1198]),
        ([QUICKSTART, "--seeds", "-1"], ["seeds", "(-1,)"]),
        ([QUICKSTART, "--eval.points", "4"], ["eval.points 4", "law_first_share 0.02", 6]),
        ([QUICKSTART, "--out"], ["--out"]),
        ([QUICKSTART, "--process", "0"], ["--coordinator", "--processes"]),
        ([QUICKSTART, "--processes", "two"], ["--processes", "'two'"]),
        ([QUICKSTART, "--model.dropout", "1"], ["model.dropout", 1.0]),
        ([QUICKSTART, "--accumulate", "3"], ["batch_size 64", 3]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, capsys, arguments, names):
    out = [] if "--out" in arguments else ["--out", str(tmp_path / "out")]
    assert launch.main(arguments + out) == 2
    rejected(capsys, *names)
    assert not list(tmp_path.iterdir())


def test_unwritable_output_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert launch.main([QUICKSTART, "--out", str(tmp_path / "file" / "out")]) == 2
    rejected(capsys, "--out", tmp_path / "file" / "out")


def test_output_of_another_config_is_one_line(study, capsys):
    assert launch.main([QUICKSTART, "--out", str(study), *SMALL, "--optim.clip-norm", "0.5"]) == 2
    rejected(capsys, study, "config.optim.clip_norm (here 0.5, there 1.0)")


def test_help_needs_no_jax():
    for command in (
        ["scalax.launch", QUICKSTART, "--help"],
        ["scalax.launch", "--help"],
        ["scalax", "--help"],
    ):
        code = f"import runpy, sys; sys.argv = {command!r}\n"
        code += f"try: runpy.run_module({command[0]!r}, run_name='__main__')\n"
        code += "except SystemExit as e: assert not e.code, e.code\nassert 'jax' not in sys.modules\n"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        assert "usage" in done.stdout.lower()
        assert "--run." not in done.stdout
        assert ("--schedule FILE" in done.stdout) == (command[0] == "scalax.launch")
