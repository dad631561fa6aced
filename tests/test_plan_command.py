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
from tests.rejects import rejected

BUDGET, FIRST = 1e10, 1e8
COST = {LARGE: 1e3, MIDDLE: 4e3, SMALL: 16e3}  # FLOPs an image
POINTS = np.geomspace(FIRST / 2, BUDGET, 30)


def write_run(where, name, schedule, values, config=None, finished=True):
    """values: (shape, FLOPs, metric) of each evaluation."""
    directory = where / "runs" / name
    directory.mkdir(parents=True)
    info = records.RunInfo(config or {"lr": 1e-3}, schedule, 0, {"validation": 1000}, finished=finished)
    records.write_info(directory, info)
    for shape, flops, value in values:
        line = record(name, shape, float(flops), val_error=float(value))
        line = line._replace(examples=round(flops / COST[shape]))
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


def test_plan_goes_into_the_study_by_default(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["plan", str(study), "--resamples", "0"]) == 0
    assert {path.name for path in study.iterdir()} == {"runs", "plan.json", "plan.png"}
    for name in ("plan.json", "plan.png"):
        (study / name).unlink()


def test_plan_writes_schedule_table_and_figure(study, tmp_path, capsys):
    assert command(study, tmp_path, "--cheap", "--ignore-switches") == 0
    out = capsys.readouterr().out
    seen = ("V64-4/8", "12 of 12 resamples", "flexi", "killed", "--ignore-switches", "a median of 20%")
    for words in seen:
        assert words in out
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


def test_target_and_measured_switches(study, tmp_path, capsys):
    """What changes did is taken into account where any run has one, unless that is refused."""
    budgets = []
    for more in (["--ignore-switches"], ["--switch-cost"], []):
        assert command(study, tmp_path, "--target", "0.24", "--resamples", "0", *more) == 0
        out = capsys.readouterr().out
        assert ("with --ignore-switches it charges nothing" in out) == (more != ["--ignore-switches"])
        assert ("the plan assumes that changes" in out) == (more == ["--ignore-switches"])
        data = json.loads((tmp_path / "plan.json").read_text())
        assert data["curve"]["errors"][-1] < 0.25
        assert data["level"] == 0.24
        budgets.append(Schedule.load(tmp_path / "plan.json").budget_flops)
    assert budgets[0] < min(budgets[1:]) <= max(budgets[1:]) < BUDGET


def test_a_plan_by_examples_beyond_the_static_runs_believes_their_laws_up_to_its_budget(study, tmp_path):
    more = ["--carry", "examples", "--budget", str(4 * BUDGET), "--extrapolate"]
    assert command(study, tmp_path, *more) == 0
    data = json.loads((tmp_path / "plan.json").read_text())
    rows = {row["schedule"]: row for row in data["predicted"]}
    static = rows[data["best_static"]]
    assert static["error"] == pytest.approx(data["level"], rel=1e-6)
    assert static["needed_flops"] == pytest.approx(4 * BUDGET, rel=2e-3)
    assert rows["plan"]["needed_flops"] < static["needed_flops"]
    assert data["savings_quantiles"][0] > 1


def test_a_plan_by_examples_is_that_of_its_laws_and_lags(study, tmp_path, capsys):
    laws = plan.fit_laws(plan.read_runs(study, "val_error", ["patch"]).trajectories, 0.02 * BUDGET)
    for more, measured in (["--ignore-switches", "--cheap"], False), (["--resamples", "0"], True):
        assert command(study, tmp_path, "--carry", "examples", *more) == 0
        printed = capsys.readouterr().out
        assert "mean savings" in printed
        assert ("measured in these runs" in printed, "not measured" in printed) == (measured, not measured)
        last = {shape: BUDGET / cost for shape, cost in COST.items()}
        carried = plan.Carried(COST, plan.usual_lags(0), last)
        if measured:
            [changing] = plan.read_runs(study, "val_error", ["patch"]).changing
            lags = plan.measure_lags(changing, "val_error", laws, carried)
            carried = carried._replace(lags=plan.measured_lags(lags, carried.lags))
        ours = plan.fewest_flops(laws, carried, BUDGET, 0.02 * BUDGET)
        made = Schedule.load(tmp_path / "plan.json")
        assert [stage.shape for stage in made.stages] == [stage.shape for stage in ours.schedule.stages]
        ends = [stage.until_flops for stage in made.stages]
        assert ends == pytest.approx([stage.until_flops for stage in ours.schedule.stages], rel=0.02)
        data = json.loads((tmp_path / "plan.json").read_text())
        rows = {row["schedule"]: row for row in data["predicted"]}
        row = rows["plan"]
        needed = plan.flops_by_examples(laws, carried, ours.schedule, data["level"], 0.02 * BUDGET)
        assert row["needed_flops"] == pytest.approx(needed, rel=0.02)
        assert max(rows.values(), key=lambda row: row["mean_savings"]) is row
        assert row["mean_savings"] > 1.05
        assert rows[data["best_static"]]["needed_flops"] == pytest.approx(BUDGET, rel=2e-3)
        assert rows[data["best_static"]]["mean_savings"] <= 1 + 1e-6
        if not measured:
            assert data["cheap"][-1]["savings"] == pytest.approx(BUDGET / needed, rel=0.02)
            low, middle, high = data["savings_quantiles"]
            assert low <= middle <= high
            assert low <= BUDGET / needed * 1.2


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--target", "0.3"], "--target"),
        (["--free"], "--free"),
        (["--switch-pace"], "--switch-pace"),
        (["--joint-law"], "--joint-law"),
        (["--axis", "patch,width"], "width"),
    ],
)
def test_what_a_plan_by_examples_cannot_have(study, tmp_path, capsys, words, named):
    assert command(study, tmp_path, "--carry", "examples", *words) == 2
    rejected(capsys, "--carry", named)
    assert not (tmp_path / "plan.json").exists()


def test_no_certainty_that_the_directory_contradicts(study, tmp_path, capsys):
    """The laws promise a saving; runs that made the same changes did worse than the best static shape."""
    where = tmp_path / "study"
    shutil.copytree(study, where)
    schedule = Schedule((Stage(MIDDLE, 3e9), Stage(SMALL, BUDGET)))
    for name, end, lost in (("won", 0.1, 0), ("lost", 0.5, 1)):
        rows = [(MIDDLE, f, CROSSING[MIDDLE].predict(np.array([f]))[0]) for f in POINTS if f < 3e9]
        rows += [(SMALL, f, end) for f in POINTS if f >= 3e9]
        write_run(where, "changing", schedule, rows)
        assert command(where, tmp_path, "--ignore-switches") == 0
        out = capsys.readouterr().out
        data = json.loads((tmp_path / "plan.json").read_text())
        (run,) = data["measured"]
        assert (run["savings"] < 1) == bool(lost), name
        assert data["contradicted"] == bool(lost)
        assert f"({lost} lost)" in out
        assert ("by the laws: under" in out) == (not lost)
        write_run(where, "another", schedule, [(shape, f, 0.9 * y) for shape, f, y in rows])
        assert command(where, tmp_path, "--ignore-switches", "--resamples", "0") == 0
        ends = [run["end"] for run in json.loads((tmp_path / "plan.json").read_text())["measured"]]
        assert len(set(ends)) == 2
        out = capsys.readouterr().out
        assert f"their least val_error was {np.median(ends):.4g} (median over 2 runs), of the best" in out
        for run in ("changing", "another"):
            shutil.rmtree(where / "runs" / run)


@pytest.mark.parametrize(
    ("more", "names"),
    [
        (["--budget", "1e12"], ["1e+12", "--extrapolate"]),
        (["--target", "0.1"], [0.1, "--extrapolate"]),
        (["--budget", "1e9", "--target", "0.3"], ["--budget", "--target"]),
        (["--budget", "1e8"], ["200 MFLOP", "100 MFLOP"]),
        (["--ignore-switches", "--switch-cost"], ["--ignore-switches", "--switch-cost"]),
        (["--budget", "-1"], ["--budget", -1]),
        (["--axis", "widht"], ["'widht'", "'width'"]),
        (["--axis", "width"], ["patch", "--axis width,patch"]),
        (["--metric", "val_los"], ["'val_los'"]),
        (["--first-share", "1"], ["--first-share", 1]),
        (["--first-share", "0.9"], ["V64-4/8"]),
        (["--resamples", "-1"], ["--resamples", -1]),
        (["--law", "shifted"], ["'shifted'", "'shifted_power'"]),
        (["--out", "plan.txt"], ["--out", "plan.txt", ".json"]),
    ],
)
def test_bad_input_is_one_line(study, tmp_path, capsys, more, names):
    assert command(study, tmp_path, *more) == 2
    rejected(capsys, *names)
    assert not (tmp_path / "plan.json").exists()


def test_extrapolate_says_so(study, tmp_path, capsys):
    assert command(study, tmp_path, "--target", "0.19", "--extrapolate", "--resamples", "0") == 0
    [note] = [line for line in json.loads((tmp_path / "plan.json").read_text())["notes"] if "0.19" in line]
    assert note in capsys.readouterr().out


def test_unfit_directories(study, tmp_path, capsys):
    assert command(tmp_path, tmp_path) == 2
    rejected(capsys, tmp_path, "runs/")
    one = tmp_path / "one"
    write_run(one, "only", Schedule((Stage(LARGE, BUDGET),)), [(LARGE, f, 0.5) for f in POINTS])
    assert command(one, tmp_path, "--switch-cost") == 2
    rejected(capsys, one, "V64-4/8")
    write_run(one, "tuned", Schedule((Stage(LARGE, BUDGET),)), [(LARGE, 1e9, 0.5)], {"lr": 0.1})
    assert command(one, tmp_path) == 2
    rejected(capsys, one / "runs" / "tuned", "V64-4/8", "lr (here 0.001, there 0.1)")
    (one / "runs" / "only" / "run.json").write_text("{}")
    shutil.rmtree(one / "runs" / "tuned")
    assert command(one, tmp_path) == 2
    rejected(capsys, one / "runs" / "only" / "run.json")
    static = tmp_path / "static"
    for shape in (LARGE, MIDDLE):
        rows = [(shape, f, v) for f, v in zip(POINTS, CROSSING[shape].predict(POINTS), strict=True)]
        write_run(static, f"patch{shape.patch}", Schedule((Stage(shape, BUDGET),)), rows)
    assert command(static, tmp_path, "--switch-cost") == 2
    rejected(capsys, static, "--switch-cost", "--switch-pace")


def test_runs_are_ordered_by_their_cost_and_zero_errors_kept(study, tmp_path):
    assert list(plan.read_runs(study, "val_error", ["patch"]).trajectories) == [LARGE, MIDDLE, SMALL]
    wide = Shape(8, 128, 4)
    COST[wide] = 500.0  # whatever its size, what a shape costs an image decides
    for shape in (LARGE, wide):
        rows = [(shape, f, 0.0) for f in POINTS]
        write_run(tmp_path, f"w{shape.width}", Schedule((Stage(shape, BUDGET),)), rows)
    runs = plan.read_runs(tmp_path, "val_error", ["width"])
    assert list(runs.trajectories) == [wide, LARGE]
    assert runs.trajectories[wide][0][1] == pytest.approx(0.0005)


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
