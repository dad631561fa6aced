"""What a change of shape does: measured from records, charged by the plan, followed by a prediction."""

import numpy as np
import pytest
from plan_laws import CROSSING, LARGE, MIDDLE, SMALL, PowerLaw, record

from scalax import plan
from scalax.plan import Effect
from scalax.schedule import Schedule, Shape, Stage
from tests.rejects import rejects

BUDGET, FIRST = 1e10, 1e6


def by_hand(laws, stages, effects=plan.no_effect, steps=200_000):
    """The run's error after its stages, by small steps along the slope of each law."""
    spent, error, before = 0.0, None, None
    for shape, end in stages:
        law = laws[shape]
        idle, pace, *_ = effects(before, shape) if before else Effect()
        at = spent + idle * spent
        if error is None:
            error = float(law.predict(0.0))
        for flops in np.diff(np.linspace(at, end, steps)) if end > at else []:
            excess = error - law.c
            error -= flops * pace * law.a * law.b * (excess / law.a) ** ((law.b + 1) / law.b)
        spent, before = end, shape
    return error


@pytest.mark.parametrize("effect", [Effect(), Effect(0.2, 1.0), Effect(0.1, 1.7)])
def test_following_a_schedule_is_integrating_its_laws(effect):
    stages = ((LARGE, 2e9), (MIDDLE, 5e9), (SMALL, 1e10))
    schedule = Schedule(tuple(Stage(*stage) for stage in stages))
    end = plan.follow(CROSSING, schedule, np.array([1e10]), lambda *_: effect)
    assert end[0] == pytest.approx(by_hand(CROSSING, stages, lambda *_: effect), rel=1e-3)
    for flops in (1e9, 4e9, 9e9):
        target = float(plan.follow(CROSSING, schedule, np.array([flops]), lambda *_: effect)[0])
        assert plan.flops_needed(CROSSING, schedule, target, lambda *_: effect) == pytest.approx(flops)
    assert plan.flops_needed(CROSSING, schedule, 0.01) == np.inf


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("effect", [Effect(), Effect(0.3, 1.0), Effect(0.05, 2.0), Effect(0.1, 0.6)])
def test_a_plan_ends_where_following_it_does(free, effect):
    planned = plan.steepest_descent(CROSSING, BUDGET, FIRST, free=free, effects=lambda *_: effect)
    end = plan.follow(CROSSING, planned.schedule, planned.flops[-1:], lambda *_: effect)
    assert end[0] == pytest.approx(planned.errors[-1], rel=2e-3)
    _, alone = plan.best_law(CROSSING, budget_flops=BUDGET)
    assert planned.errors[-1] < alone * 1.002


def test_a_dear_switch_is_made_later_or_not_at_all():
    ends, counts = [], []
    for share in (0.0, 0.1, 0.3, 1e5):
        planned = plan.steepest_descent(CROSSING, BUDGET, FIRST, effects=lambda *_, s=share: Effect(s))
        ends.append(planned.errors[-1])
        counts.append(len(planned.transitions))
    assert np.all(np.diff(ends) >= 0)
    assert counts[0] == 2
    assert counts[-1] == 0
    assert planned.schedule == plan.baseline(str(MIDDLE), list(CROSSING), BUDGET, FIRST)


def test_no_other_switching_points_are_better_when_switches_cost():
    effects = lambda *_: Effect(0.15, 1.3)  # noqa: E731
    planned = plan.steepest_descent(CROSSING, BUDGET, FIRST, effects=effects)
    ends = np.geomspace(FIRST, BUDGET, 40)[:-1]
    tries = [
        Schedule((Stage(LARGE, a), Stage(MIDDLE, b), Stage(SMALL, BUDGET)))
        for a in ends
        for b in ends
        if a < b
    ]
    tries += [Schedule((Stage(MIDDLE, b), Stage(SMALL, BUDGET))) for b in ends]
    tries += [Schedule((Stage(LARGE, b), Stage(MIDDLE, BUDGET))) for b in ends]
    best = min(float(plan.follow(CROSSING, s, np.array([BUDGET]), effects)[0]) for s in tries)
    assert planned.errors[-1] <= best * 1.001


def test_free_order_is_no_worse_and_may_return():
    laws = {
        LARGE: PowerLaw(1.0, 0.1, 0.0, 1.0),
        # Fast in the middle of the error axis alone: late to begin, and with a high limit.
        SMALL: PowerLaw(5e11, 2.0, 0.15, 1e6),
    }
    bound = plan.steepest_descent(laws, 1e9, 1e5)
    free = plan.steepest_descent(laws, 1e9, 1e5, free=True)
    assert free.errors[-1] < bound.errors[-1]
    assert [t.after for t in free.transitions] == [SMALL, LARGE]


def test_width_and_depth_never_shrink():
    wide, narrow = Shape(8, 128, 4), Shape(8, 64, 4)
    laws = {wide: CROSSING[LARGE], narrow: CROSSING[SMALL]}
    planned = plan.steepest_descent(laws, BUDGET, FIRST, free=True)
    assert not planned.transitions


def test_a_target_is_reached_with_the_least_flops():
    target = 0.23
    planned = plan.steepest_descent(CROSSING, None, FIRST, target=target)
    assert planned.errors[-1] == pytest.approx(target)
    assert planned.schedule.budget_flops == pytest.approx(planned.flops[-1], rel=1e-3)
    at_budget = plan.steepest_descent(CROSSING, planned.schedule.budget_flops, FIRST)
    assert at_budget.errors[-1] == pytest.approx(target, rel=2e-3)
    with rejects("target", 0.01):
        plan.steepest_descent(CROSSING, None, FIRST, target=0.01)
    with rejects("target", 0.5, "100 MFLOP"):
        plan.steepest_descent(CROSSING, None, 1e8, target=0.5)


def test_laws_closer_than_their_digits_still_make_a_schedule():
    laws = {
        LARGE: PowerLaw(16.0, 0.30, 0.34, 1e5),
        MIDDLE: PowerLaw(16.0, 0.30, 0.33999, 1.0001e5),
        SMALL: PowerLaw(16.0, 0.30, 0.33998, 1.0002e5),
    }
    planned = plan.steepest_descent(laws, 1e9, 1e6, free=True)
    assert Schedule.from_json(planned.schedule.to_json()) == planned.schedule


def adaptive_records(jump_recovery_flops=2e8, pace=1.5):
    """A run of LARGE, then from 2e9 FLOPs on of MIDDLE, which recovers, then falls `pace` times as fast."""
    start, law = 2e9, CROSSING[MIDDLE]
    records = [record("r", LARGE, f, val_error=float(CROSSING[LARGE].predict(f))) for f in (5e8, 1e9, start)]
    before = records[-1].metrics["val_error"]
    records.append(record("r", MIDDLE, start, val_error=before + 0.2))
    back = start + jump_recovery_flops
    records.append(record("r", MIDDLE, back, val_error=before))
    for flops in (3e9, 4e9):
        value = law.predict(law.inverse(before) + pace * (flops - back))
        records.append(record("r", MIDDLE, flops, val_error=float(value)))
    return records


def test_switches_are_measured():
    (switch,) = plan.measure_switches(adaptive_records(), "val_error", CROSSING)
    assert (switch.before, switch.after, switch.flops) == (LARGE, MIDDLE, 2e9)
    assert switch.jump == pytest.approx(0.2)
    assert switch.recovered
    assert switch.recovery_share == pytest.approx(0.1)
    assert switch.pace == pytest.approx(1.5)
    assert plan.effects_of([switch])(LARGE, MIDDLE) == pytest.approx(Effect(0.1, 1.0))
    effects = plan.effects_of([switch], pace=True)
    assert effects(LARGE, MIDDLE) == pytest.approx(Effect(0.1, 1.5, 1e9, 4e9))
    assert effects(MIDDLE, SMALL) == pytest.approx(Effect(0.1, 1.0))


def test_a_pace_is_measured_no_further_than_the_law():
    """The law of MIDDLE was measured to the FLOPs that the run has at its end: 4e9."""
    lowest = 0.9 * float(CROSSING[MIDDLE].predict(4e9))
    records = [*adaptive_records(), record("r", MIDDLE, 4e9, val_error=lowest)]
    (switch,) = plan.measure_switches(records, "val_error", CROSSING)
    law = CROSSING[MIDDLE]
    reached = plan.flops_to_reach(
        *np.array([[r.flops, r.metrics["val_error"]] for r in records[4:]]).T, law.predict(4e9)
    )
    assert switch.pace == pytest.approx((4e9 - law.inverse(switch.value)) / (reached - 2.2e9), rel=0.01)


@pytest.mark.parametrize(("pace", "earliest", "latest"), [(3.0, 0.5, 2.0), (1.0, 0.2, 0.8), (1.0, 1.3, 2.0)])
def test_a_change_is_made_where_its_pace_is_known(pace, earliest, latest):
    alone = plan.steepest_descent(CROSSING, BUDGET, FIRST)
    at = {(t.before, t.after): t.flops for t in alone.transitions}
    near = {pair: Effect(0.0, pace, earliest * f, latest * f) for pair, f in at.items()}
    effects = lambda *pair: near.get(pair, Effect(1e3))  # noqa: E731
    planned = plan.steepest_descent(CROSSING, BUDGET, FIRST, effects=effects)
    ratios = [t.flops / at[t.before, t.after] for t in planned.transitions]
    assert len(ratios) == 2
    assert all(0.99 * earliest < ratio < 1.01 * latest for ratio in ratios)
    assert ratios[0] == pytest.approx(latest if latest < 1 else earliest, rel=0.05)


def test_a_pace_is_not_followed_where_it_is_not_known():
    schedule = Schedule((Stage(LARGE, 1e9), Stage(MIDDLE, BUDGET)))
    ends = [
        plan.follow(CROSSING, schedule, np.array([BUDGET]), lambda *_, e=effect: e)[0]
        for effect in (Effect(0.1, 2.0, 5e8, 2e9), Effect(0.1, 2.0, 2e9, 4e9), Effect(0.1, 1.0))
    ]
    assert ends[0] < ends[1] == ends[2]


def test_a_switch_that_never_recovers_says_the_least_it_cost():
    records = [*adaptive_records()[:4], record("r", MIDDLE, 3e9, val_error=0.5)]
    (switch,) = plan.measure_switches(records, "val_error", CROSSING)
    assert not switch.recovered
    assert switch.recovery_share == pytest.approx(0.5)
    assert np.isnan(switch.pace)
    assert plan.effects_of([switch], pace=True).typical == Effect(0.5, 1.0)
    assert plan.measure_switches(records[:3], "val_error") == []


def test_recovery_is_read_off_in_log_flops_since_the_change():
    """A metric that falls by a power of the FLOPs since the change is read off exactly."""
    falls = lambda flops: 0.5 * (flops + 1e5) ** -0.1 * 1e5**0.1  # noqa: E731
    records = [record("r", LARGE, 1e9, val_error=0.2)]
    records += [record("r", MIDDLE, 1e9 + f, val_error=falls(f)) for f in (0.0, 1e8, 1e10)]
    (switch,) = plan.measure_switches(records, "val_error")
    assert switch.recovery_flops == pytest.approx(1e5 * 2.5**10 - 1e5, rel=1e-6)


def test_medians_over_runs():
    switches = [
        s for back in (1e8, 2e8, 8e8) for s in plan.measure_switches(adaptive_records(back), "val_error")
    ]
    assert plan.effects_of(switches)(LARGE, MIDDLE) == pytest.approx(Effect(0.1, 1.0))
    with pytest.raises(ValueError, match="no change of shape"):
        plan.effects_of([])
