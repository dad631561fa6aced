"""The plan follows the steepest law, against closed forms and brute force."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_laws import LARGE, MIDDLE, SMALL, PowerLaw

from scalax import plan
from scalax.errors import UserError
from scalax.schedule import Schedule, Shape, Stage
from tests.rejects import check_line, rejects


def crossing_of_slopes(first: PowerLaw, second: PowerLaw) -> float:
    """Error at which both laws descend equally fast per FLOP, by bisection on closed-form slopes."""

    def slope(law, error):
        u = (error - law.c) / law.a
        return law.a * law.b * u ** ((law.b + 1) / law.b)

    low, high = max(first.c, second.c) * 1.0001 + 1e-9, 0.9
    for _ in range(200):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if slope(second, middle) > slope(first, middle) else (low, middle)
    return float(low)


def test_transition_stands_where_the_slopes_cross():
    laws = {LARGE: PowerLaw(10.0, 0.3, 0.2, 1e6), SMALL: PowerLaw(200.0, 0.4, 0.02, 1e6)}
    planned = plan.steepest_descent(laws, budget_flops=1e9, first_flops=1e6)
    (transition,) = planned.transitions
    expected = crossing_of_slopes(laws[LARGE], laws[SMALL])
    assert transition.error == pytest.approx(expected, rel=2e-3)
    assert (transition.before, transition.after) == (LARGE, SMALL)
    assert transition.flops == pytest.approx(float(laws[LARGE].inverse(expected)), rel=0.03)
    assert planned.schedule.budget_flops == 1e9
    check_line(planned.message, "V64-4/8 -> V64-4/2", f"{transition.error:.4g}")


def test_laws_that_never_cross_leave_one_shape():
    laws = {LARGE: PowerLaw(10.0, 0.3, 0.2), SMALL: PowerLaw(5.0, 0.3, 0.02)}
    planned = plan.steepest_descent(laws, budget_flops=1e9, first_flops=1e6)
    assert not planned.transitions
    assert planned.schedule == Schedule((Stage(SMALL, 1e9),))
    check_line(planned.message, "V64-4/2")


def test_patches_never_grow_unless_free():
    """The wider law is the steeper one, but lives on larger patches."""
    wide = Shape(8, 128, 4)
    laws = {MIDDLE: PowerLaw(10.0, 0.3, 0.2, 1e6), wide: PowerLaw(200.0, 0.4, 0.02, 1e6)}
    assert not plan.steepest_descent(laws, budget_flops=1e9, first_flops=1e6).transitions
    (transition,) = plan.steepest_descent(laws, budget_flops=1e9, first_flops=1e6, free=True).transitions
    assert (transition.before, transition.after) == (MIDDLE, wide)
    finer = {MIDDLE: laws[MIDDLE], wide._replace(patch=4): laws[wide]}
    assert plan.steepest_descent(finer, budget_flops=1e9, first_flops=1e6).transitions


positive = st.floats(0.05, 0.95)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(positive, positive, positive), min_size=3, max_size=3))
def test_no_ordered_partition_is_cheaper(draws):
    laws = {
        shape: PowerLaw(2.0 * 10 ** (6 * b / 2), 0.2 + b / 2, 0.3 * c, 10 ** (4 + 2 * d))
        for shape, (b, c, d) in zip((LARGE, MIDDLE, SMALL), draws, strict=True)
    }
    try:
        planned = plan.steepest_descent(laws, budget_flops=1e9, first_flops=1e5)
    except UserError:
        return
    end = planned.errors[-1]
    assert np.all(np.diff(planned.flops) >= 0)
    start = planned.errors[0]

    # Every way to pass from large to middle to small at two errors of a coarse grid.
    levels = np.geomspace(start, end, 25)

    def needed(law):
        """FLOPs at each level; the first is where all laws begin, for nothing."""
        at = law.inverse(levels)
        return np.where(levels < start, np.where(np.isfinite(at), np.maximum(at, 0.0), np.inf), 0.0).tolist()

    large, middle, small = (needed(laws[shape]) for shape in (LARGE, MIDDLE, SMALL))
    best = np.inf
    for i in range(25):
        for j in range(i, 25):
            costs = [
                large[i],
                middle[j] - middle[i] if j > i else 0.0,
                small[-1] - small[j] if j < 24 else 0.0,
            ]
            changes = [costs[0], costs[0] + costs[1]]  # none is made before first_flops, but at the start
            early = [0 < spent < 1e5 for spent in changes]
            if all(map(math.isfinite, costs)) and not any(early):
                best = min(best, sum(costs))
    assert planned.flops[-1] <= best * (1 + 1e-6)


def test_a_law_that_starts_lower_is_no_free_descent():
    """Where one law starts at an error that costs the other FLOPs, the plan pays for what it follows."""
    laws = {LARGE: PowerLaw(0.7, 0.01, 0.0, 1.0), SMALL: PowerLaw(300.0, 0.35, 0.0, 1e7)}
    planned = plan.steepest_descent(laws, budget_flops=1e10, first_flops=1e6)
    assert planned.errors[0] < 0.7
    assert all(t.flops > 0 for t in planned.transitions)
    thin = slice(None, None, len(planned.errors) // 7)
    for error, flops in zip(planned.errors[thin], planned.flops[thin], strict=True):
        assert flops <= float(laws[SMALL].inverse(error)) * (1 + 1e-9)


def test_no_descent_is_an_error():
    with rejects("1 MFLOP"):
        plan.steepest_descent({LARGE: PowerLaw(1e-9, 0.1, 0.5), SMALL: PowerLaw(1e-9, 0.1, 0.5)}, 1e6, 1e6)


def test_flops_to_reach_interpolates_in_log_log():
    flops = np.geomspace(1e6, 1e9, 10)
    values = 3 * flops**-0.2
    target = 3 * (4.2e7) ** -0.2
    assert plan.flops_to_reach(flops, values, target) == pytest.approx(4.2e7)
    assert np.isnan(plan.flops_to_reach(flops, values, values[-1] * 0.99))
    noisy = values.copy()
    noisy[5] = 1.0  # one bad evaluation does not undo what was reached
    assert plan.flops_to_reach(flops, noisy, values[4]) == pytest.approx(flops[4])


def test_flops_to_reach_at_a_change_of_shape():
    flops, values = np.array([1.0, 2.0, 2.0, 4.0]), np.array([0.8, 0.6, 0.5, 0.4])
    assert plan.flops_to_reach(flops, values, 0.55) == 2.0
    assert plan.flops_to_reach(flops, values, 0.9) == 1.0


def test_best_static_and_targets():
    flops = np.geomspace(1e6, 1e9, 31)
    curves = {"slow": (flops, 30 * flops**-0.2), "fast": (flops, 300 * flops**-0.35)}
    key, needed = plan.best_static(curves, 0.5)
    assert key == "fast"
    assert needed == pytest.approx((300 / 0.5) ** (1 / 0.35), rel=1e-6)
    targets = plan.target_values([curves], 4, first_share=0.1)
    assert targets[-1] == pytest.approx(300 * 1e9**-0.35)
    assert np.all(np.diff(targets) < 0)
    flat = {"flat": (flops, np.full(31, 1 / 240))}  # geomspace would end a rounding away from it
    assert plan.target_values([flat], 5, first_share=0.1).tolist() == [1 / 240]
    assert plan.best_static(curves, 1e-6) == (None, pytest.approx(float("nan"), nan_ok=True))
