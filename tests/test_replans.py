"""Plans made better by runs: what changes of shape did in one goes into the next."""

import numpy as np
import pytest
from plan_laws import CROSSING, LARGE, MIDDLE, record

from scalax import plan
from scalax.config import DataConfig, EvalConfig, ModelConfig
from scalax.config_adaptive import AdaptiveConfig
from scalax.plan import Effect
from scalax.report import adaptive_remarks, adaptive_tables
from scalax.studies import planning
from scalax.studies.adaptive import Family


def test_plans_are_tried_and_the_best_is_taken():
    """Runs that fall twice as fast after their change as the law says: each plan changes earlier."""
    first, budget, effect = 1e7, 1e10, Effect(0.0, 2.0)
    shapes = []

    def made(effects=plan.no_effect):
        planned = plan.steepest_descent(CROSSING, budget, first, effects=effects)
        return planning.Planning(CROSSING, planned, "", budget, first)

    def train(schedule):
        """Evaluated before and after each change, as a run is."""
        shapes.append(schedule)
        start, rows = 1e6, []
        for stage in schedule.stages:
            for flops in np.geomspace(start, stage.until_flops, 200):
                error = plan.follow(CROSSING, schedule, np.array([flops]), lambda *_: effect)[0]
                rows.append(record("pilot", stage.shape, float(flops), val_error=float(error)))
            start = stage.until_flops
        return rows

    pilots = planning.refine(made(), 2, train, "val_error", 1e-4)
    assert len(pilots) == len(shapes) == 3
    first_ends = [schedule.stages[0].until_flops for schedule in shapes]
    assert first_ends[1] == pytest.approx(first_ends[0] / 2, rel=0.1)  # as far as one run tells
    assert first_ends[2] < first_ends[1]
    for pilot in pilots:
        assert [switch.pace for switch in pilot.switches] == pytest.approx([2.0, 2.0], rel=0.1)
    means = [pilot.mean for pilot in pilots]
    assert means == sorted(means, reverse=True)
    assert planning.refine(made(lambda *_: Effect(1e6)), 2, train, "val_error", 1e-4) == []


def test_a_pilot_that_never_changed_is_the_last():
    """A stage too short for a step leaves nothing to measure."""
    planned = planning.Planning(CROSSING, plan.steepest_descent(CROSSING, 1e10, 1e7), "", 1e10, 1e7)
    alone = [record("pilot", MIDDLE, float(flops), val_error=1e3 / flops) for flops in (1e7, 1e8, 1e10)]
    (pilot,) = planning.refine(planned, 3, lambda schedule: alone, "val_error", 1e-4)
    assert pilot.switches == []


def test_mean_so_far_is_the_area_under_the_log_log_curve():
    flops = np.geomspace(1e6, 1e10, 50)
    rising = np.where(flops > 1e9, 1.0, flops**-0.5)
    assert plan.mean_so_far((flops, flops**-0.5), 1e6, 1e10) == pytest.approx(1e-4, rel=1e-6)
    assert plan.mean_so_far((flops, rising), 1e6, 1e10) == pytest.approx(
        10 ** -(0.75 * 3.75 + 0.25 * 4.5), rel=0.05
    )


def test_a_study_with_pilots():
    """Runs in closed form, which fall 1.5 times as fast after their change: pilots have a seed of their own,
    the best gives the plan, and they are part of what planning cost."""
    config = AdaptiveConfig(
        model=ModelConfig(names=("V64-4",)),
        data=DataConfig(image_size=8),
        eval=EvalConfig(shots=0),
        patches=(8, 4),
        seeds=(0, 2),
        budget_flops=1e10,
        law_first_share=1e-3,
        replans=1,
    )
    truth = {LARGE: CROSSING[LARGE], MIDDLE: CROSSING[MIDDLE]}
    trained = []

    def go(planned):
        trained.extend(planned)
        return [records_of(run) for run in planned]

    def records_of(run):
        start, rows = 1e6, []
        for stage in run.schedule.stages:
            for flops in np.geomspace(start, stage.until_flops, 40):
                error = plan.follow(truth, run.schedule, np.array([flops]), lambda *_: Effect(0.0, 1.5))[0]
                rows.append(record(run.name, stage.shape, float(flops), val_error=float(error)))
            start = stage.until_flops
        return rows

    image_flops = {LARGE: 1e5, MIDDLE: 4e5}
    family = Family(config, "V64-4", image_flops, 1000, go, go).study()
    assert len(family["pilots"]) == 2
    pilots = [run for run in trained if "pilot" in run.name]
    assert {run.seed for run in pilots} == {1}
    assert {run.seed for run in trained if "adaptive" in run.name} == {0, 2}
    assert family["planning_flops"] == pytest.approx((2 * 2 + 2) * 1e10)
    first, taken = family["pilots"]
    assert (first["taken"], taken["taken"]) == (False, True)
    assert taken["mean"] < first["mean"]
    assert family["plan"]["message"] == taken["plan"]
    means = {name: [run["mean"] for run in runs] for name, runs in family["runs"].items()}
    assert means["adaptive"] == pytest.approx([taken["mean"]] * 2)  # what chose the plan is what is compared
    best = min(family["shapes"], key=lambda name: means[name][0])
    study = {"metric": "val_error", "images": {"validation": 1000}, "config": {"replans": 1}}
    said = f"adaptive {taken['mean']:.4g}, best static ({best}) {means[best][0]:.4g}"
    assert f"least val_error so far, geometric mean over log FLOPs: {said}" in adaptive_remarks.remarks(
        family, study
    )
    heads, rows = adaptive_tables.pilots(family)
    assert len(heads) == len(rows[0])
    assert ["taken" in row[1] for row in rows] == [False, True]
    assert [switch["pace"] for switch in family["switches"]] == pytest.approx([1.5] * 2, rel=0.1)
    heads, rows = adaptive_tables.switches(family)
    assert {len(row) for row in rows} == {len(heads)}


def test_an_error_of_zero_and_a_law_beyond_floating_point_are_reported():
    rows = [(LARGE, 1e8, 0.1), (LARGE, 1e9, 0.05), (MIDDLE, 1e9, 0.2), (MIDDLE, 2e9, 0.0), (MIDDLE, 4e9, 0.0)]
    run = [record("r", shape, flops, val_error=value) for shape, flops, value in rows]
    with np.errstate(all="raise"):
        (switch,) = plan.measure_switches(run, "val_error", CROSSING)
    assert switch.recovered
    law = {
        "flags": [],
        "params": {"a": None, "b": 40.0, "c": 0.1, "d": 1e8},
        "stderr": dict.fromkeys("abcd"),
        "rmsle": 0.1,
    }
    _, ((_, a, *_),) = adaptive_tables.laws({"laws": {"V64-4/8": law}})
    assert a == "beyond 1e308 (undetermined)"
