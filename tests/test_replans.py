"""Plans made better by runs: what changes of shape did in one goes into the next."""

import dataclasses

import numpy as np
import pytest
from plan_laws import CROSSING, LARGE, MIDDLE, record

from scalax import metrics, plan
from scalax.config import DataConfig, EvalConfig, ModelConfig, RunConfig
from scalax.evals import FewShot
from scalax.plan import Effect
from scalax.studies.adaptive import AdaptiveConfig, fits, planning, remarks, tables
from scalax.studies.adaptive.ladder import make_ladder
from scalax.studies.adaptive.result import AdaptiveResult, FittedLaw
from scalax.studies.protocol import Device
from tests.rejects import rejects


def test_plans_are_tried_and_the_best_is_taken():
    """Runs that fall twice as fast after their change as the law says: each plan changes earlier."""
    first, budget, effect = 1e7, 1e10, Effect(0.0, 2.0)
    shapes = []

    def made(effects=plan.no_effect):
        found = plan.steepest_descent(CROSSING, budget, first, effects=effects)
        return planning.Planning("shifted_power", CROSSING, found, "", budget, first)

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
    made = planning.Planning(
        "shifted_power", CROSSING, plan.steepest_descent(CROSSING, 1e10, 1e7), "", 1e10, 1e7
    )
    alone = [record("pilot", MIDDLE, float(flops), val_error=1e3 / flops) for flops in (1e7, 1e8, 1e10)]
    (pilot,) = planning.refine(made, 3, lambda schedule: alone, "val_error", 1e-4)
    assert pilot.switches == []


def test_mean_so_far_is_the_area_under_the_log_log_curve():
    flops = np.geomspace(1e6, 1e10, 50)
    rising = np.where(flops > 1e9, 1.0, flops**-0.5)
    assert plan.mean_so_far((flops, flops**-0.5), 1e6, 1e10) == pytest.approx(1e-4, rel=1e-6)
    assert plan.mean_so_far((flops, rising), 1e6, 1e10) == pytest.approx(
        10 ** -(0.75 * 3.75 + 0.25 * 4.5), rel=0.05
    )


def no_cooled_runs(specs, trunks):
    raise AssertionError("the config wants no run that cools down")


def test_a_study_with_pilots():
    """Runs in closed form, which fall 1.5 times as fast after their change: pilots have a seed of their own,
    the best gives the plan, and they are part of what planning cost."""
    config = AdaptiveConfig(
        RunConfig(
            model=ModelConfig(names=("V64-4",)),
            data=DataConfig(image_size=8),
            eval=EvalConfig(shots=0),
            budget_flops=1e10,
        ),
        patches=(8, 4),
        seeds=(0, 2),
        law_first_share=1e-3,
        replans=1,
    )
    truth = {LARGE: CROSSING[LARGE], MIDDLE: CROSSING[MIDDLE]}
    trained = []

    def train_runs(specs):
        trained.extend(specs)
        return [records_of(run) for run in specs]

    def records_of(run):
        start, rows = 1e6, []
        for stage in run.schedule.stages:
            for flops in np.geomspace(start, stage.until_flops, 40):
                error = plan.follow(truth, run.schedule, np.array([flops]), lambda *_: Effect(0.0, 1.5))[0]
                rows.append(record(run.name, stage.shape, float(flops), val_error=float(error)))
            start = stage.until_flops
        return rows

    example_flops = {LARGE: 1e5, MIDDLE: 4e5}
    train = {"runs": train_runs, "tuning": train_runs}
    ladder = make_ladder(config, "V64-4", example_flops, 1000, train, no_cooled_runs)
    assert len(ladder.pilots) == 2
    pilots = [run for run in trained if "pilot" in run.name]
    assert {run.seed for run in pilots} == {1}
    assert {run.seed for run in trained if "adaptive" in run.name} == {0, 2}
    assert ladder.planning_flops == pytest.approx((2 * 2 + 2) * 1e10)
    first, taken = ladder.pilots
    assert (first.taken, taken.taken) == (False, True)
    assert taken.mean < first.mean
    assert ladder.plan.message == taken.plan
    means = {name: [run.mean for run in runs] for name, runs in ladder.runs.items()}
    assert means["adaptive"] == pytest.approx([taken.mean] * 2)  # what chose the plan is what is compared
    best = min(ladder.shapes, key=lambda name: means[name][0])
    examples, device = {"train": 9000, "validation": 1000}, Device("cpu", "cpu", 1, 1)
    study = AdaptiveResult(config, device, {}, examples, {}, fits.form(config.law), {"V64-4": ladder})
    said = f"adaptive {taken.mean:.4g}, best static ({best}) {means[best][0]:.4g}"
    assert f"least val_error so far, geometric mean over log FLOPs: {said}" in remarks.remarks(ladder, study)
    heads, rows = tables.pilots(ladder.pilots)
    assert len(heads) == len(rows[0])
    assert ["taken" in row[1] for row in rows] == [False, True]
    assert [switch.pace for switch in ladder.switches] == pytest.approx([1.5] * 2, rel=0.1)
    heads, rows = tables.switches(ladder.switches)
    assert {len(row) for row in rows} == {len(heads)}


def test_an_error_of_zero_and_a_law_beyond_floating_point_are_reported():
    rows = [(LARGE, 1e8, 0.1), (LARGE, 1e9, 0.05), (MIDDLE, 1e9, 0.2), (MIDDLE, 2e9, 0.0), (MIDDLE, 4e9, 0.0)]
    run = [record("r", shape, flops, val_error=value) for shape, flops, value in rows]
    with np.errstate(all="raise"):
        (switch,) = plan.measure_switches(run, "val_error", CROSSING)
    assert switch.recovered
    params = {"a": np.inf, "b": 40.0, "c": 0.1, "d": 1e8}
    law = FittedLaw(params, dict.fromkeys("abcd", np.nan), 0.1, [], [], [])
    _, ((_, a, *_),) = tables.laws({"V64-4/8": law}, fits.form("shifted_power"))
    assert a == "undetermined"


def test_a_study_by_a_metric_of_every_other_evaluation():
    """The same as one that was evaluated half as often."""
    run = RunConfig(
        model=ModelConfig(names=("V64-4",)),
        data=DataConfig(image_size=8),
        eval=EvalConfig(shots=0, more=(FewShot("p", shots=1, every=2),)),
        budget_flops=1e10,
    )
    config = AdaptiveConfig(run, patches=(8, 4), law_first_share=1e-2, metric="p/fewshot_error", replans=1)
    with rejects("eval.points", "12", "p/fewshot_error"):
        dataclasses.replace(
            config, run=dataclasses.replace(run, eval=dataclasses.replace(run.eval, points=12))
        )
    truth = {LARGE: CROSSING[LARGE], MIDDLE: CROSSING[MIDDLE]}

    def made(named):
        def train_runs(specs):
            return [records_of(run) for run in specs]

        def records_of(run):
            start, rows = 1e6, []
            for stage in run.schedule.stages:
                for i, flops in enumerate(np.geomspace(start, stage.until_flops, 81)):
                    error = plan.follow(truth, run.schedule, np.array([flops]), lambda *_: plan.Effect(1e6))[
                        0
                    ]
                    measured = named(i, float(error))
                    rows += [record(run.name, stage.shape, float(flops), **measured)] if measured else []
                start = stage.until_flops
            return rows

        train = {"runs": train_runs, "tuning": train_runs}
        return make_ladder(config, "V64-4", {LARGE: 1e5, MIDDLE: 4e5}, 1000, train, no_cooled_runs)

    def seldom(i, error):
        metrics = {"val_error": error} if i else {}
        return metrics | ({"p/fewshot_error": error} if i % 2 == 0 else {})

    often, rarely = made(lambda i, error: {} if i % 2 else {"p/fewshot_error": error}), made(seldom)
    assert rarely.plan == often.plan
    for ours, theirs in zip(rarely.targets, often.targets, strict=True):
        for name, needed in theirs.methods.items():
            np.testing.assert_allclose(ours.methods[name].flops, needed.flops)
    assert rarely.other_targets.keys() == {"val_error"}
    assert often.other_targets == {}


def test_what_rises_as_runs_improve_is_not_planned_for():
    rising = metrics.register(
        metrics.Metric("accuracy_of_a_test", "accuracy", "share", lower_is_better=False)
    )
    try:
        with rejects("'accuracy_of_a_test'"):
            AdaptiveConfig(metric="accuracy_of_a_test")
        with rejects("'accuracy_of_a_test'"):
            plan.read_runs("nowhere", "accuracy_of_a_test", ["patch"])
    finally:
        del metrics.METRICS[rising.name]
