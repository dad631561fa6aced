"""Laws of static runs, how sure their plan is, and plans from a part of the runs."""

import numpy as np
import pytest
from plan_laws import CROSSING, LARGE, MIDDLE, SMALL

from scalax import plan
from tests.rejects import rejects

BUDGET, FIRST = 1e10, 1e8


def noisy_curves(noise: float, points: int = 40, seeds: int = 2):
    """Evaluations of each of CROSSING, with errors of `noise` in log."""
    rng = np.random.default_rng(0)
    flops = np.geomspace(FIRST / 10, BUDGET, points)
    return {
        shape: [(flops, law.predict(flops) * np.exp(noise * rng.normal(size=points))) for _ in range(seeds)]
        for shape, law in CROSSING.items()
    }


@pytest.fixture(scope="module")
def judged():
    """(curves, fits, plan, spread) at two levels of noise."""
    found = {}
    for noise in (0.001, 0.03):
        curves = noisy_curves(noise)
        fits = plan.fit_laws(curves, FIRST, resamples=24)
        planned = plan.steepest_descent(fits, BUDGET, FIRST)
        found[noise] = curves, fits, planned, plan.spread(fits, planned, FIRST)
    return found


def test_laws_of_clean_runs_are_the_true_ones(judged):
    _, fits, planned, _ = judged[0.001]
    true = plan.steepest_descent(CROSSING, BUDGET, FIRST)
    flops = np.geomspace(FIRST, BUDGET, 9)
    for shape, law in CROSSING.items():
        assert fits[shape].predict(flops) == pytest.approx(law.predict(flops), rel=2e-3)
    assert [t.after for t in planned.transitions] == [t.after for t in true.transitions]


def test_spread_brackets_the_plan_and_grows_with_noise(judged):
    true = plan.steepest_descent(CROSSING, BUDGET, FIRST)
    widths = []
    for noise, (_, _, planned, spread) in judged.items():
        assert spread.resamples == 24
        for drawn, own in zip(spread.transitions, planned.transitions, strict=True):
            assert (drawn.before, drawn.after) == (own.before, own.after)
            assert drawn.flops[0] <= drawn.flops[1] <= drawn.flops[2]
        last = spread.transitions[-1]
        widths.append(last.flops[2] / last.flops[0])
        if noise == 0.001:
            assert last.share == 1.0
            assert last.flops[0] * 0.97 <= true.transitions[-1].flops <= last.flops[2] * 1.03
    assert np.log(widths[1]) > 5 * np.log(widths[0])


def test_chance_to_win(judged):
    """A sure gain wins nearly always; a plan that is static never beats the best static shape."""
    _, fits, _, spread = judged[0.001]
    assert spread.win == 1.0
    assert 1 < spread.savings[0] <= spread.savings[2] < 2
    alone = plan.steepest_descent({MIDDLE: fits[MIDDLE]}, BUDGET, FIRST)
    still = plan.spread(fits, alone, FIRST)
    assert still.win == 0.0
    assert still.savings[1] == pytest.approx(1.0)
    bad = plan.Plan(plan.baseline("linear", [LARGE, SMALL], BUDGET, FIRST), (), alone.errors, alone.flops)
    assert plan.spread(fits, bad, FIRST).win == 0.0


def test_chance_to_win_at_a_target(judged):
    _, fits, _, _ = judged[0.001]
    planned = plan.steepest_descent(fits, None, FIRST, target=0.25)
    spread = plan.spread(fits, planned, FIRST, target=0.25)
    needed = float(CROSSING[MIDDLE].inverse(0.25))
    ours = plan.flops_needed(CROSSING, planned.schedule, 0.25)
    assert spread.savings[1] == pytest.approx(needed / ours, rel=0.02)
    assert spread.error[1] == pytest.approx(0.25, rel=0.01)


def test_spread_needs_resamples():
    fits = plan.fit_laws(noisy_curves(0.001), FIRST)
    planned = plan.steepest_descent(fits, BUDGET, FIRST)
    with pytest.raises(ValueError, match="no resamples"):
        plan.spread(fits, planned, FIRST)


def test_beyond_the_data_is_rejected():
    curves = noisy_curves(0.001)
    plan.check_measured(curves, budget_flops=1.01 * BUDGET)  # a run ends within a step of its budget
    with rejects("`extrapolate`", f"{2 * BUDGET:.4g}"):
        plan.check_measured(curves, budget_flops=2 * BUDGET)
    plan.check_measured(curves, target=0.25)
    with rejects("`extrapolate`", 0.2):
        plan.check_measured(curves, target=0.2)
    short = {**curves, SMALL: [(flops[:20], values[:20]) for flops, values in curves[SMALL]]}
    with rejects("`extrapolate`"):
        plan.check_measured(short, budget_flops=BUDGET)


def test_too_few_evaluations_are_named():
    curves = noisy_curves(0.001, points=5)
    with rejects("V64-4/8", 3, 5):
        plan.fit_laws(curves, FIRST)


def test_cheap_plans_cost_their_share_and_the_whole_is_best():
    curves = noisy_curves(0.001, points=60, seeds=1)
    referee = plan.fit_laws(curves, FIRST)
    rows = {row.share: row for row in plan.cheap_plans(curves, referee, BUDGET, FIRST)}
    assert list(rows) == [0.05, 0.1, 0.25, 0.5, 1.0]
    best, level = plan.best_law(referee, budget_flops=BUDGET)
    assert best == MIDDLE
    for row in rows.values():
        assert row.planning_flops == pytest.approx(row.share * 3 * BUDGET)
        ours = plan.flops_needed(referee, row.plan.schedule, level)
        assert row.savings == pytest.approx(BUDGET / ours, rel=1e-6)
        assert row.net_savings == pytest.approx(BUDGET / (ours + row.planning_flops), rel=1e-6)
        assert row.savings <= rows[1.0].savings * 1.005
    assert rows[1.0].savings > 1.1


def test_cheap_plans_say_why_there_is_none():
    curves = noisy_curves(0.001, points=12, seeds=1)
    referee = plan.fit_laws(curves, FIRST)
    row = plan.cheap_plans(curves, referee, BUDGET, FIRST, shares=(0.01,))[0]
    assert row.plan is None
    assert np.isnan(row.savings)
    assert str(LARGE) in row.reason
