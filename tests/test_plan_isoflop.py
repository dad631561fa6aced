"""IsoFLOP curves and the frontier over shapes, against closed forms."""

import numpy as np
import pytest
from plan_laws import CROSSING, LARGE, MIDDLE, SMALL

from scalax import plan
from scalax.schedule import Shape

FLOPS = np.geomspace(1e6, 1e10, 41)
STATIC = {shape: (FLOPS, law.predict(FLOPS)) for shape, law in CROSSING.items()}


def test_parabola_of_an_isoflop_is_found_exactly():
    """Errors that are a parabola in log size at each compute, whose optimum grows as the square root."""
    sizes = {Shape(8, width, 4): float(width) ** 2 for width in (32, 64, 128, 256)}

    def error(size, flops):
        return flops**-0.1 * np.exp(0.02 * (np.log(size) - 0.5 * np.log(flops)) ** 2)

    curves = {shape: (FLOPS, error(size, FLOPS)) for shape, size in sizes.items()}
    for row in plan.isoflop(curves, sizes, [1e7, 1e8]):
        assert row.optimal_size == pytest.approx(row.flops**0.5, rel=1e-6)
        assert row.optimal_value == pytest.approx(row.flops**-0.1, rel=1e-6)
        assert row.values[row.best] == min(row.values.values())
    (late,) = plan.isoflop(curves, sizes, [1e10])  # the optimum, 1e5, is larger than any that was measured
    assert np.isnan(late.optimal_size)
    assert late.best == Shape(8, 256, 4)


def test_isoflop_interpolates_and_knows_no_more_than_was_measured():
    sizes = {LARGE: 1.0, MIDDLE: 2.0, SMALL: 3.0}
    between, beyond = plan.isoflop(STATIC, sizes, [3.3e8, 1e11])
    for shape, law in CROSSING.items():
        assert between.values[shape] == pytest.approx(float(law.predict(3.3e8)), rel=1e-3)
    assert between.best == MIDDLE
    assert beyond.best is None
    assert np.isnan(list(beyond.values.values())).all()
    short = {**STATIC, SMALL: (FLOPS[:5], STATIC[SMALL][1][:5])}
    (row,) = plan.isoflop(short, sizes, [3.3e8])
    assert np.isnan(row.values[SMALL])
    assert np.isnan(row.optimal_size)  # two shapes make no parabola


def test_a_change_of_shape_does_not_raise_the_best_so_far():
    run = (np.array([1e6, 1e7, 1e7, 1e8]), np.array([0.6, 0.4, 0.7, 0.3]))
    assert plan.values_at(run, np.array([1e7]))[0] == pytest.approx(0.4)
    assert plan.values_at(run, np.array([10**7.5]))[0] == pytest.approx(np.sqrt(0.4 * 0.3))


def test_frontier_is_the_lower_hull():
    flops, values = plan.frontier(list(STATIC.values()))
    assert np.all(np.diff(flops) > 0)
    assert np.all(np.diff(values) < 0)
    table = np.minimum.accumulate(np.min([v for _, v in STATIC.values()], axis=0))
    assert values == pytest.approx(np.unique(table)[::-1])


def test_frontier_ratio_against_the_laws():
    planned = plan.steepest_descent(CROSSING, 1e10, 1e6)
    ideal = (planned.flops, planned.errors)
    points = plan.frontier_ratio(STATIC, {"plan": ideal})
    assert len(points) == 20
    for point in points:
        needed = min(float(law.inverse(point.value)) for law in CROSSING.values() if point.value > law.c)
        assert point.static_flops == pytest.approx(needed, rel=0.02)
        assert point.ratio == pytest.approx(needed / np.interp(-point.value, -ideal[1], ideal[0]), rel=0.05)
    assert points[-1].ratio > 1.2
    assert plan.frontier_ratio(STATIC, {"bad": (FLOPS, np.full(len(FLOPS), 0.9))}) == []
