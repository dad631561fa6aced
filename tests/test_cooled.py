"""Cooled runs and shifted plans of an adaptive study: what is compared, and a small study to its report."""

import dataclasses
import json
import math

import numpy as np
import pytest

from scalax import launch, plan, records, studies, typed, unused
from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.errors import UserError
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies.adaptive import (
    AdaptiveConfig,
    AdaptiveResult,
    cooled,
    cooled_report,
    planning,
    shifts,
    shifts_report,
)
from tests.rejects import check_line

LARGE, SMALL = Shape(4, 8, 1), Shape(2, 8, 1)
FLOPS = np.array([1e9, 2e9, 4e9, 1e10])
CONFIG = AdaptiveConfig(
    RunConfig(
        data=DataConfig(max_train_images=64, max_validation_images=40),
        model=ModelConfig(names=("V8-1",), base_patch=2, base_grid=2),
        optim=OptimConfig(lr=1e-2, warmup_steps=2),
        eval=EvalConfig(points=12, batch_size=32, shots=0),
        batch_size=8,
        budget_flops=3e7,
        checkpoint_steps=1000,
    ),
    patches=(4, 2),
    metric="val_loss",
    cooldowns=(1.0, 0.4),
    shifts=(4.0, 0.01),
)


def power(scale: float, flops=FLOPS):
    """The curve of a run that needs `scale` times the FLOPs of the reference for the same error."""
    return flops, 0.5 * (flops / scale / 1e9) ** -0.5


def test_savings_of_cooled_runs():
    """Powers are straight lines in log: interpolation between the shares is exact."""
    ends = {"a": [power(1.0), power(2.0)], "b": [power(3.0), power(1.0)], "new": [power(0.5), power(0.8)]}
    fine = np.geomspace(1e8, 1e10, 50)
    flat = {name: [power(2.0, fine), power(3.0, fine)] for name in ends} | {"b": [power(8.0, fine)] * 2}
    rows = cooled.targets(4, ["a", "b"], ends, flat)
    start, end = power(1.0)[1][[1, 3]]
    assert [row.target for row in rows] == pytest.approx(np.geomspace(start, end, 5)[1:])
    for row in rows[:-1]:
        assert row.best_static == ["a", "b"]
        best = 1e9 * (0.5 / row.target) ** 2
        assert row.cooled["a"].flops[0] == pytest.approx(best)
        assert row.cooled["new"].savings_by_seed == pytest.approx([2.0, 1.25])
        assert row.cooled["new"].savings == pytest.approx(math.sqrt(2.5))
    first = rows[0]
    assert first.cooled["b"].savings_by_seed == pytest.approx([1 / 3, 1.0])
    assert first.constant["new"].savings_by_seed == pytest.approx([0.5, 1 / 3])
    assert first.static_constant.savings == pytest.approx(math.sqrt(1 / 6))
    already = cooled.targets(4, ["a", "b"], ends | {"new": [power(0.1)] * 2}, flat)[0]
    assert already.cooled["new"].flops == [FLOPS[0]] * 2  # by the first share: no less is known
    last = rows[-1]
    assert math.isnan(last.cooled["a"].flops[1])
    assert math.isnan(last.cooled["a"].savings)
    assert last.cooled["new"].savings == pytest.approx(math.sqrt(2.5))


def test_changes_that_are_shifted():
    middle = Shape(3, 8, 1)
    stages = (Stage(LARGE, 10.0), Stage(middle, 40.0), Stage(SMALL, 100.0))

    def ends(factor):
        made, left_out = shifts.shifted(Schedule(stages), factor, 2.0)
        return [(stage.shape, stage.until_flops) for stage in made.stages], left_out

    assert ends(2.0) == ([(LARGE, 20.0), (middle, 80.0), (SMALL, 100.0)], 0)
    assert ends(4.0) == ([(LARGE, 40.0), (middle, 100.0)], 1)
    assert ends(0.1) == ([(middle, 4.0), (SMALL, 100.0)], 1)
    assert ends(20.0) == ([(LARGE, 100.0)], 2)
    assert ends(0.01) == ([(SMALL, 100.0)], 2)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"cooldowns": (0.5,)}, ["cooldowns", "two"]),
        ({"cooldowns": (0.5, 0.5)}, ["cooldowns", "different"]),
        ({"cooldowns": (0.5, 1.5)}, ["cooldowns", "1.5"]),
        ({"shifts": (1.0, 2.0)}, ["shifts", "1"]),
        ({"shifts": (-1.0,)}, ["shifts", "positive"]),
    ],
)
def test_settings(change, names):
    with pytest.raises(UserError) as error:
        dataclasses.replace(CONFIG, **change)
    check_line(str(error.value), *names)
    run = dataclasses.replace(CONFIG.run, optim=OptimConfig(schedule="cosine"))
    with pytest.raises(UserError, match="constant rate"):
        dataclasses.replace(CONFIG, run=run)
    study = studies.of(CONFIG)
    launch.check_used(CONFIG, study, ["optim.cooldown_share"])
    for schedule in ("wsd", "rsqrt"):
        cooling = dataclasses.replace(CONFIG.run, optim=OptimConfig(schedule=schedule))
        assert "optim.cooldown_share" not in unused.of_run(cooling)
    with pytest.raises(UserError, match="does not apply"):
        launch.check_used(dataclasses.replace(CONFIG, cooldowns=()), study, ["optim.cooldown_share"])


def test_a_share_without_a_step_is_named_before_anything_is_trained(tmp_path):
    with pytest.raises(UserError) as error:
        studies.run(dataclasses.replace(CONFIG, cooldowns=(1e-9, 1.0)), tmp_path)
    check_line(str(error.value), "cooldowns", "1e-09", "no step")
    assert not (tmp_path / "runs").exists()


def test_a_study_with_cooled_runs_and_shifts(tmp_path, monkeypatch):
    """Whatever the laws of so few steps say, the plan changes from patch 4 to 2 at a tenth of the budget."""
    budget, made = CONFIG.run.budget_flops, planning.make_plan

    def make_plan(*arguments):
        schedule = Schedule((Stage(LARGE, budget / 10), Stage(SMALL, budget)))
        changes = (plan.Transition(LARGE, SMALL, 2.0, budget / 10),)
        planned = plan.Plan(schedule, changes, np.array([2.2, 2.0]), np.array([1e6, 3e7]))
        return made(*arguments)._replace(plan=planned, message=planned.message)

    monkeypatch.setattr(planning, "make_plan", make_plan)
    monkeypatch.setattr(planning.Planning, "cheap", lambda self, curves: [])  # takes many fits
    found = studies.run(CONFIG, tmp_path)
    [ladder] = found.ladders.values()
    shares = sorted(CONFIG.cooldowns)
    assert ladder.cooled.shares == shares
    assert list(ladder.cooled.curves) == [str(LARGE), str(SMALL), "adaptive"]
    for curves in ladder.cooled.curves.values():
        for share, name, flops in zip(shares, curves[0].runs, curves[0].flops, strict=True):
            run = records.read_run(tmp_path / "cooled" / name)
            assert run.info.finished
            assert run.info.trunk is not None
            assert run.info.config["optim"]["schedule"] == "wsd"
            assert 0.85 < flops / (share * budget) <= 1
            assert run.records[-1].flops == flops
    assert len(ladder.cooled.targets) <= CONFIG.targets
    assert [(s.factor, s.left_out, s.trained) for s in ladder.shifts] == [
        (0.01, 1, False),
        (1.0, 0, True),
        (4.0, 0, True),
    ]
    own = ladder.shifts[1]
    assert own.means == [run.mean for run in ladder.runs["adaptive"]]
    assert list(ladder.runs) == [str(LARGE), str(SMALL), "adaptive"]
    _, loaded = studies.load(tmp_path)
    assert loaded.ladders["V8-1"].cooled.curves == ladder.cooled.curves
    units = {"val_loss": "nats a byte"}  # as a task may have them
    records.write_atomically(
        tmp_path / "study.json",
        json.dumps(json.loads((tmp_path / "study.json").read_text()) | {"units": units}),
    )
    labels = []
    for part in (cooled_report, shifts_report):
        drawn = part.drawn
        monkeypatch.setattr(part, "drawn", lambda *a, drawn=drawn: labels.append(a[-1]) or drawn(*a))
    said = studies.report(tmp_path)
    assert [label.count("nats a byte") for label in labels] == [1, 1]
    assert "against cooled static runs at each target, " + labels[0] in said.replace("\n", " ")
    assert cooled_report.sentence(ladder, "val_loss") in said.replace("\n", " ")
    assert shifts_report.sentence(ladder.shifts, "val_loss") in said.replace("\n", " ")
    for name in ("cooled", "shifts"):
        assert (tmp_path / "figures" / f"V8-1_{name}.png").exists()
        assert (tmp_path / "figures" / f"V8-1_{name}.csv").read_text().count("\n") > len(shares)
    data = json.loads((tmp_path / "study.json").read_text())  # a file from before has none of it
    for part in data["ladders"].values():
        del part["cooled"], part["shifts"]
    del data["config"]["cooldowns"], data["config"]["shifts"]
    older = typed.from_json(AdaptiveResult, data, "study.json")
    assert older.ladders["V8-1"].cooled is None
    assert older.ladders["V8-1"].runs == ladder.runs
