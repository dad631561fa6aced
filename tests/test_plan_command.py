"""`scalax plan`: from the directory of a study to a schedule, a table and a figure."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from plan_laws import CROSSING, LARGE, MIDDLE, SMALL, record

from scalax import plan, records
from scalax.cli import main
from scalax.schedule import Schedule, Shape, Stage

BUDGET, FIRST = 1e10, 1e8
COST = {LARGE: 1e3, MIDDLE: 4e3, SMALL: 16e3}  # FLOPs an image
POINTS = np.geomspace(FIRST / 2, BUDGET, 30)


def write_run(where, name, schedule, values, config=None, finished=True):
    """values: (shape, FLOPs, metric) of each evaluation."""
    directory = where / "runs" / name
    directory.mkdir(parents=True)
    info = {"schedule": schedule.to_json(), "config": config or {"lr": 1e-3}, "data": {"validation": 1000}}
    (directory / "run.json").write_text(json.dumps({**info, "finished": finished}))
    for shape, flops, value in values:
        line = record(name, shape, float(flops), val_error=float(value))._replace(images=flops / COST[shape])
        records.append(directory / "metrics.jsonl", line)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Static runs of CROSSING with little noise, two seeds each, and one run that changed shape."""
    where = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    for shape, law in CROSSING.items():
        for seed in range(2):
            values = law.predict(POINTS) * np.exp(0.004 * rng.normal(size=len(POINTS)))
            rows = [(shape, f, v) for f, v in zip(POINTS, values, strict=True)]
            tuned = Stage(shape, BUDGET, batch_size=32 * shape.patch, lr=1e-3 / shape.patch)
            write_run(where, f"patch{shape.patch}_seed{seed}", Schedule((tuned,)), rows)
    before = float(CROSSING[LARGE].predict(1e9))
    rows = [(LARGE, 1e9, before), (MIDDLE, 1e9, before + 0.1), (MIDDLE, 1.2e9, before), (MIDDLE, 5e9, 0.25)]
    write_run(where, "adaptive", Schedule((Stage(LARGE, 1e9), Stage(MIDDLE, 5e9))), rows)
    write_run(where, "flexi", Schedule((Stage(SMALL, BUDGET, (8, 4, 2)),)), [(SMALL, BUDGET, 0.5)])
    write_run(where, "killed", Schedule((Stage(SMALL, BUDGET),)), [(SMALL, 1e8, 0.9)], finished=False)
    return where


def command(study, tmp_path, *more: str) -> int:
    return main(["plan", str(study), "--out", str(tmp_path / "plan.json"), "--resamples", "12", *more])


def test_plan_writes_schedule_table_and_figure(study, tmp_path, capsys):
    assert command(study, tmp_path, "--cheap") == 0
    out = capsys.readouterr().out
    assert "V64-4/8" in out
    assert "the plan beats the best static shape in 100% of 12 resamples" in out
    assert "flexi draws its patch at each step: left out" in out
    assert "killed is not finished: left out" in out
    assert "1 of 1 at hand were back at what they had after a median of 20% of" in out
    true = plan.steepest_descent(CROSSING, BUDGET, 0.02 * BUDGET)
    schedule = Schedule.load(tmp_path / "plan.json")
    assert [stage.shape for stage in schedule.stages] == [MIDDLE, SMALL]
    assert schedule.budget_flops == BUDGET
    settings = [(stage.batch_size, stage.lr) for stage in schedule.stages]
    assert settings == [(32 * s.patch, 1e-3 / s.patch) for s in (MIDDLE, SMALL)]  # those of the static runs
    for stage, ideal in zip(schedule.stages, true.schedule.stages, strict=True):
        assert stage.until_flops == pytest.approx(ideal.until_flops, rel=0.25)
    data = json.loads((tmp_path / "plan.json").read_text())
    low, middle, high = data["transitions"][0]["flops_quantiles"]
    assert low <= middle <= high
    rows = {row["schedule"]: row for row in data["predicted"]}
    assert rows["plan"]["error"] < min(row["error"] for name, row in rows.items() if name != "plan")
    assert rows["V64-4/4"]["needed_flops"] == pytest.approx(BUDGET, rel=1e-6)
    assert [row["share"] for row in data["cheap"]] == [0.05, 0.1, 0.25, 0.5, 1.0]
    assert data["switches"][0]["recovery_share"] == pytest.approx(0.2)
    assert (tmp_path / "plan.png").read_bytes()[:4] == b"\x89PNG"


def test_target_and_switch_cost(study, tmp_path, capsys):
    budgets = []
    for more in ([], ["--switch-cost"]):
        assert command(study, tmp_path, "--target", "0.24", "--resamples", "0", *more) == 0
        assert ("at hand were" in capsys.readouterr().out) == (not more)
        data = json.loads((tmp_path / "plan.json").read_text())
        assert data["curve"]["errors"][-1] < 0.25
        assert data["level"] == 0.24
        budgets.append(Schedule.load(tmp_path / "plan.json").budget_flops)
    assert budgets[0] < budgets[1] < BUDGET


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--budget", "1e12"], "past the static runs"),
        (["--target", "0.1"], "below what any static run reached"),
        (["--budget", "1e9", "--target", "0.3"], "not both"),
        (["--budget", "1e8"], "no law descends between 200 MFLOP and 100 MFLOP"),
        (["--budget", "-1"], "--budget must be positive"),
        (["--axis", "widht"], "did you mean 'width'"),
        (["--axis", "width"], "--axis width,patch"),
        (["--metric", "val_los"], "no metric 'val_los'"),
        (["--first-share", "1"], "--first-share must lie between 0 and 1"),
        (["--first-share", "0.9"], "a law needs 5"),
        (["--resamples", "-1"], "--resamples must not be negative"),
        (["--out", "plan.txt"], "ends in .json"),
    ],
)
def test_bad_input_is_one_line(study, tmp_path, capsys, more, words):
    assert command(study, tmp_path, *more) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "plan.json").exists()


def test_extrapolate_says_so(study, tmp_path, capsys):
    assert command(study, tmp_path, "--target", "0.19", "--extrapolate", "--resamples", "0") == 0
    assert "extrapolated beyond the least value measured" in capsys.readouterr().out


def test_unfit_directories(study, tmp_path, capsys):
    assert command(tmp_path, tmp_path) == 2
    assert "has no runs/" in capsys.readouterr().err
    one = tmp_path / "one"
    write_run(one, "only", Schedule((Stage(LARGE, BUDGET),)), [(LARGE, f, 0.5) for f in POINTS])
    assert command(one, tmp_path, "--switch-cost") == 2
    assert "two shapes or more, found V64-4/8" in capsys.readouterr().err
    write_run(one, "tuned", Schedule((Stage(LARGE, BUDGET),)), [(LARGE, 1e9, 0.5)], {"lr": 0.1})
    assert command(one, tmp_path) == 2
    assert "differ in their settings: lr (here 0.001, there 0.1)" in capsys.readouterr().err
    (one / "runs" / "only" / "run.json").write_text("{}")
    shutil.rmtree(one / "runs" / "tuned")
    assert command(one, tmp_path) == 2
    assert "not the description of a run" in capsys.readouterr().err
    static = tmp_path / "static"
    for shape in (LARGE, MIDDLE):
        rows = [(shape, f, v) for f, v in zip(POINTS, CROSSING[shape].predict(POINTS), strict=True)]
        write_run(static, f"patch{shape.patch}", Schedule((Stage(shape, BUDGET),)), rows)
    assert command(static, tmp_path, "--switch-cost") == 2
    assert "no run changes its shape" in capsys.readouterr().err


def test_runs_are_ordered_by_their_cost_and_zero_errors_kept(study, tmp_path):
    assert list(plan.read_runs(study, "val_error", ["patch"]).curves) == [LARGE, MIDDLE, SMALL]
    wide = Shape(8, 128, 4)
    COST[wide] = 500.0  # whatever its size, what a shape costs an image decides
    for shape in (LARGE, wide):
        rows = [(shape, f, 0.0) for f in POINTS]
        write_run(tmp_path, f"w{shape.width}", Schedule((Stage(shape, BUDGET),)), rows)
    runs = plan.read_runs(tmp_path, "val_error", ["width"])
    assert list(runs.curves) == [wide, LARGE]
    assert runs.curves[wide][0][1] == pytest.approx(0.0005)


def test_help_needs_no_jax():
    root = Path(__file__).parents[1]
    code = (
        "import sys; from scalax.cli import main\n"
        "try: main(['plan', '--help'])\nfinally: assert 'jax' not in sys.modules"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--switch-cost" in done.stdout
    assert time.monotonic() - began < 10
