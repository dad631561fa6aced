"""The online scheduler on runs that follow known laws, with noise and with switches that cost."""

import json

import numpy as np
import pytest
from plan_laws import CROSSING, LARGE, MIDDLE, SMALL, PowerLaw, record

from scalax import plan
from scalax.plan import Effect, Online, OnlineSettings
from tests.rejects import rejects

BUDGET, FIRST = 1e10, 1e8
COST = {LARGE: 1e3, MIDDLE: 4e3, SMALL: 16e3}
EVALUATIONS = np.geomspace(BUDGET / 100, BUDGET, 50)


def effects(before, after):
    return Effect(0.08, 1.0)


def run(seed: int = 0, laws=CROSSING, noise: float = 0.012, evaluations=EVALUATIONS, **settings):
    online = Online(list(laws), COST, BUDGET, settings=OnlineSettings(**settings))
    schedule, records = plan.simulate(online, laws, evaluations, effects, noise, seed)
    return online, schedule, records


@pytest.fixture(scope="module")
def runs():
    return [run(seed) for seed in range(2)]


def test_close_to_the_offline_plan_without_static_runs(runs):
    """At 1.2% noise a run needs at most 1.2 times the FLOPs of the offline plan made from the true laws, and
    fewer than the best static shape, to that shape's error at the budget."""
    _, level = plan.best_law(CROSSING, budget_flops=BUDGET)
    offline = plan.steepest_descent(CROSSING, BUDGET, FIRST, effects=effects)
    least = plan.flops_needed(CROSSING, offline.schedule, level, effects)
    for _, schedule, _ in runs:
        needed = plan.flops_needed(CROSSING, schedule, level, effects)
        assert least * 0.999 <= needed < min(1.2 * least, BUDGET)


def test_a_resumed_run_decides_the_same(runs):
    """From the state of any evaluation, through JSON, and from the records alone."""
    online, schedule, records = runs[0]
    assert schedule.to_json()["stages"][-1]["until_flops"] == BUDGET
    assert len(schedule.stages) > 1
    resumed, first = Online(list(CROSSING), COST, BUDGET), 0
    for cut in (11, 30, len(records)):
        for line in records[first:cut]:
            resumed.observe(line)
        state = Online.state_from_json(json.loads(json.dumps(resumed.to_json())))
        assert state == resumed.state
        resumed, first = Online(list(CROSSING), COST, BUDGET, state=state), cut
    assert resumed.state == online.state


def test_recovery_and_limits_are_learnt(runs):
    online, schedule, _ = runs[0]
    assert len(schedule.stages) == online.state.at + 1
    # The change costs 8%; it is noticed at the next evaluation, 10% of the FLOPs apart.
    assert 0.05 < online.state.recovery_share < 0.35
    assert online.state.previous_limit > 0.1


def test_no_change_where_the_present_shape_has_no_limit():
    laws = {LARGE: PowerLaw(60.0, 0.25), MIDDLE: PowerLaw(240.0, 0.25)}
    _, schedule, _ = run(laws=laws, noise=0.005, evaluations=EVALUATIONS[::2], resamples=4)
    assert [stage.shape for stage in schedule.stages] == [LARGE]


def test_no_change_without_a_budget_to_recover_in():
    laws = {LARGE: CROSSING[LARGE], MIDDLE: CROSSING[MIDDLE]}
    settings = OnlineSettings(recovery_share=1e6, resamples=4)
    online = Online(list(laws), COST, BUDGET, settings=settings)
    schedule, _ = plan.simulate(online, laws, EVALUATIONS[::2], effects)
    assert len(schedule.stages) == 1


def test_hysteresis_waits():
    starts = []
    for hysteresis in (0.0, 1.0):
        settings = OnlineSettings(hysteresis=hysteresis, resamples=0)
        online = Online([MIDDLE, SMALL], COST, BUDGET, settings=settings)
        schedule, _ = plan.simulate(online, CROSSING, EVALUATIONS[::2], effects)
        starts.append(schedule.stages[0].until_flops)
    assert starts[0] < starts[1]


def test_bad_input():
    with rejects(COST[MIDDLE], COST[LARGE]):
        Online([MIDDLE, LARGE], COST, BUDGET)
    with rejects("V64-4/2", "V64-4/8"):
        Online([LARGE, MIDDLE], COST, BUDGET).observe(record("r", SMALL, 1e8, val_error=0.5))
    for bad in ({}, {"rows": [[1]]}, {"rows": [], "nonsense": 1}, []):
        with rejects("online state"):
            Online.state_from_json(bad)
