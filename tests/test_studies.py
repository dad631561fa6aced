"""Studies by the registry: one from outside goes the whole way, and what is left is read back or rejected."""

import csv
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from scalax import cli, launch, studies
from scalax.config import DataConfig, OptimConfig, RunConfig
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies import naming
from scalax.studies.protocol import Device
from scalax.studies.scheduled import scheduled
from scalax.studies.side_by_side import FinishedRun, RunsResult
from scalax.studies.sweep import SweepConfig
from tests.rejects import check_line, rejected, rejects

ROOT = Path(__file__).parents[1]
OUTSIDE = '''
"""A study of one's own: what a budget buys. Registered by its config's file."""
import dataclasses
from typing import NamedTuple

from scalax import studies
from scalax.config import EvalConfig, ModelConfig, RunConfig
from scalax.schedule import Schedule, Stage


@dataclasses.dataclass(frozen=True)
class BudgetConfig:
    """What a budget buys.

    Attributes:
      run: of each budget.
      name: names the directory.
      patch: in pixels.
    """

    run: RunConfig
    name: str = "budget"
    patch: int = 4


class BudgetResult(NamedTuple):
    config: BudgetConfig
    best: str | None
    errors: dict[str, float]


def run(config, out, hooks, say):
    from scalax.studies.sweep import STUDY, SweepConfig

    result = STUDY.run(SweepConfig(config.run, patches=(config.patch,)), out, hooks, say)
    say("trained")
    errors = {name: made.records[-1].metrics["val_error"] for name, made in result.runs.items()}
    return BudgetResult(config, min(errors, key=errors.get), errors)


def report(result, out):
    from pathlib import Path

    Path(out, "report.html").write_text(f"<p>{result.best}</p>")
    return f"{result.config.run.budget_flops:g} FLOPs buy {min(result.errors.values()):.2f}"


studies.register(studies.Study("budget", BudgetConfig, BudgetResult, run, report, version=3))


def config():
    run = RunConfig(
        model=ModelConfig(names=("V8-1",), base_patch=2),
        eval=EvalConfig(points=2, batch_size=64, shots=0),
        batch_size=8,
        budget_flops=2e8,
    )
    return BudgetConfig(run)
'''


def test_a_study_from_outside_goes_from_launch_to_report(tmp_path, capsys):
    file, out = tmp_path / "budget.py", tmp_path / "out"
    file.write_text(OUTSIDE)
    assert launch.main([str(file), "--out", str(out), "--budget-flops", "1e8", "--patch", "2"]) == 0
    assert "1e+08 FLOPs buy" in capsys.readouterr().out
    data = json.loads((out / "study.json").read_text())
    assert (data["study"], data["version"], data["config"]["patch"]) == ("budget", 3, 2)
    [run] = (out / "runs").iterdir()
    assert json.loads((run / "run.json").read_text())["config"]["batch_size"] == 8
    (out / "report.html").unlink()
    assert cli.main(["report", str(out)]) == 0
    assert "1e+08 FLOPs buy" in capsys.readouterr().out
    assert data["best"] in (out / "report.html").read_text()
    study, result = studies.load(out)
    assert (study.name, result.best, result.config.run.budget_flops) == ("budget", data["best"], 1e8)


@dataclasses.dataclass(frozen=True)
class ToyConfig:
    name: str = "toy"
    seeds: tuple[int, ...] = (0,)


class ToyResult(NamedTuple):
    config: ToyConfig
    share: float
    best: str | None


@pytest.fixture
def toy(monkeypatch) -> studies.Study:
    """A study that trains nothing, registered for the test alone."""
    study = studies.Study(
        "toy",
        ToyConfig,
        ToyResult,
        run=lambda config, out, hooks, say: ToyResult(config, 0.5, None),
        report=lambda result, out: f"toy of {result.share:g}",
        version=2,
    )
    assert "adaptive" in studies.STUDIES
    monkeypatch.setattr(studies.STUDIES, "_things", {**studies.STUDIES._things, "toy": study})
    return study


def test_results_are_read_back_as_they_were(toy, tmp_path):
    config = ToyConfig(seeds=(3, 4))
    assert studies.of(config) is toy
    made = studies.run(config, tmp_path)
    assert studies.load(tmp_path) == (toy, made)
    assert studies.report(tmp_path) == "toy of 0.5"


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (None, []),
        ("{", []),
        ("[1]", []),
        ({"study": 3}, []),
        ({"study": "toyy"}, ["'toyy'"]),
        ({"version": 1}, [1, 2]),
        ({"version": None}, [None, 2]),
        ({"share": "much"}, ["share", "'much'"]),
        ({"config": {"seeds": [0.5]}}, ["config.seeds[0]", 0.5]),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(toy, tmp_path, capsys, change, names):
    path = tmp_path / "study.json"
    if isinstance(change, str):
        path.write_text(change)
    elif change:
        studies.save(toy, ToyResult(ToyConfig(), 0.5, None), tmp_path)
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert cli.main(["report", str(tmp_path)]) == 2
    rejected(capsys, path, *names)


def test_the_result_of_another_study_is_not_lost(toy, tmp_path):
    studies.run(ToyConfig(), tmp_path)
    before = (tmp_path / "study.json").read_text()
    with rejects(tmp_path, "'toy'"):
        studies.run(SweepConfig(), tmp_path)
    assert (tmp_path / "study.json").read_text() == before


def test_no_study_for_a_config():
    with rejects("RunConfig"):
        studies.of(RunConfig())


def test_known_studies_need_neither_jax_nor_matplotlib():
    code = "import sys; from scalax import studies; print(*studies.STUDIES.names());"
    code += "assert not {'jax', 'matplotlib'} & set(sys.modules), sys.modules.keys()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    known = [
        "adaptive",
        "bootstrapped",
        "double_descent",
        "finetune",
        "halfspace",
        "returns",
        "scheduled",
        "sizes",
        "sweep",
        "transfer",
    ]
    assert done.stdout.split() == known


def test_a_schedule_takes_the_runs_and_seeds_of_any_config(tmp_path, capsys):
    """Through launch, twice: two seeds by a schedule of two shapes, in a directory of their own."""
    schedule = Schedule((Stage(Shape(4, 8, 1), 1e8), Stage(Shape(2, 8, 1), 3e8)))
    schedule.save(tmp_path / "plan.json")
    flags = ["--model.names", "V8-1", "--batch-size", "8", "--eval.points", "3", "--seeds", "0", "1"]
    flags += ["--schedule", str(tmp_path / "plan.json"), "--out", str(tmp_path / "out")]
    sweep = str(ROOT / "configs" / "sweep.py")
    assert launch.main([sweep, *flags]) == 0
    assert capsys.readouterr().out.startswith("best at the end: scheduled-")
    study, result = studies.load(tmp_path / "out")
    assert study.name == "scheduled"
    assert result.name == "sweep_scheduled"
    assert list(result.runs) == [naming.scheduled_run(schedule, seed) for seed in (0, 1)]
    for run in result.runs.values():
        assert run.schedule == schedule
        assert [record.patch for record in run.records][-1] == 2
    with (tmp_path / "out" / "figures" / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(run.records) for run in result.runs.values())
    assert float(rows[-1]["val_error"]) == result.runs[rows[-1]["run"]].records[-1].metrics["val_error"]
    assert (tmp_path / "out" / "report.html").exists()
    assert launch.main([str(ROOT / "configs" / "law_halfspace.py"), *flags[-4:]]) == 2
    rejected(capsys, "HalfspaceConfig")


def test_runs_are_shown_by_the_direction_of_their_metric(tmp_path, monkeypatch):
    from scalax import metrics

    monkeypatch.setitem(metrics.METRICS, "margin", metrics.Metric("margin", "margin", "1", False))
    runs = {}
    for name, values in {"low": (0.1, 0.3), "high": (0.9, 0.8)}.items():
        records = [
            RunRecord(name, i, i, 1e6 * (i + 1), 1e6, 1.0, 4, 8, 1, {"margin": value})
            for i, value in enumerate(values)
        ]
        runs[name] = FinishedRun(Schedule((Stage(Shape(4, 8, 1), 2e6),)), records, {"idle_s": 0.1})
    result = RunsResult("toy", "margin", {}, Device("cpu", "cpu", 1, 1), {}, runs)
    text = studies.get("sweep").report(result, tmp_path)
    check_line(text.splitlines()[0], "high", "margin 0.8")
    [row] = [line for line in text.splitlines() if line.startswith("│ high")]
    assert row.split("│")[2:4] == ["    0.8 ", "         0.9 "]


def test_names_of_runs_stay_as_they_are():
    """Existing directories go on only if their names do."""
    shape, optim = Shape(2, 16, 1), OptimConfig(lr=5e-3, weight_decay=0.01)
    alone = Schedule((Stage(shape, 5e9),))
    tuned = Schedule((Stage(shape, 3e9, batch_size=64, lr=4e-3, weight_decay=0.1),))
    assert naming.swept_run(shape, optim, 1) == "V16-1_patch2_lr0.005_decay0.01_seed1"
    assert naming.candidate(shape, optim, 64) == "V16-1_patch2_lr0.005_batch64_decay0.01"
    assert naming.static_run(shape, alone, 0) == "V16-1_patch2_seed0"
    assert naming.static_run(shape, tuned, 0).startswith("V16-1_patch2-")
    assert naming.swept_run(Shape(1, 4, 18, "R"), optim, 0) == "R4-18_lr0.005_decay0.01_seed0"
    assert naming.ladder_run("joint", "linear", alone, 2) == "joint_linear_seed2"
    assert naming.key({"a": 1}) == "f9d86028"
    shapes = ["V16-1/4", "V16-1/2", "V16-1/1"]
    first = Schedule((Stage(Shape(4, 16, 1), 3e9),))
    assert (
        naming.ladder_run("V16-1", "online", first, 0, ["val_error", *shapes])
        == "V16-1_online-16315859_seed0"
    )


def test_a_schedule_keeps_the_settings_of_the_run():
    run = RunConfig(DataConfig(image_size=16), batch_size=3)
    schedule = Schedule((Stage(Shape(4, 8, 1), 1e8),))
    config = scheduled(SweepConfig(run, seeds=(5,), metric="val_loss"), schedule)
    assert (config.run, config.seeds, config.metric) == (run, (5,), "val_loss")
    assert studies.of(config).name == "scheduled"
