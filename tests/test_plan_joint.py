"""One law over shapes: known laws are found, left-out shapes judged, untrained shapes planned."""

import numpy as np
import pytest

from scalax import laws, plan
from scalax.schedule import Shape
from tests.rejects import rejects

SHAPES = [Shape(patch, width, 2) for patch in (4, 16) for width in (16, 32, 64)]
NEW = Shape(8, 48, 2)


def cost(shape):
    return 1e5 * shape.width**1.5 * (64 / shape.patch) ** 2


def error(shape, flops):
    return 0.02 + shape.width**-0.6 + 0.02 * shape.patch**0.5 + 30 * (flops / cost(shape)) ** -0.5


def trajectories(shapes, noise=0.0):
    rng, found = np.random.default_rng(0), {}
    for shape in sorted(shapes, key=cost):
        flops = cost(shape) * np.geomspace(1e4, 1e6, 20)
        found[shape] = [(flops, error(shape, flops) * np.exp(noise * rng.standard_normal(20)))]
    return found


def test_a_shape_that_was_never_trained():
    known = trajectories(SHAPES)
    made = plan.joint_laws(known, {s: cost(s) for s in known}, 0.0, untrained=[NEW])
    assert made.example_flops[NEW] == pytest.approx(cost(NEW), rel=1e-6)
    flops = cost(NEW) * np.geomspace(1e4, 1e6, 9)
    assert made.laws[NEW].predict(flops) == pytest.approx(error(NEW, flops), rel=0.01)
    assert made.error < 0.01
    assert [flag.kind for flag in made.laws[NEW].flags] == ["untrained_shape"]
    assert list(made.laws) == sorted([*SHAPES, NEW], key=made.example_flops.__getitem__)
    assert made.untrained == (NEW,)


def test_resamples_of_an_untrained_shape_scatter_more():
    known = trajectories(SHAPES, noise=0.03)
    made = plan.joint_laws(known, {s: cost(s) for s in known}, 0.0, 20, [NEW])
    at = np.array([cost(NEW) * 1e6])
    scatter = [
        np.std([np.log(law.predict(at)[0]) for law in made.laws[s].resamples]) for s in (NEW, SHAPES[1])
    ]
    assert scatter[0] > scatter[1]
    assert scatter[0] == pytest.approx(made.error, rel=0.5)
    drafted = plan.steepest_descent(made.laws, 1e14, 1e10)
    assert plan.spread(made.laws, drafted, 1e10).resamples == 20


def test_too_few_shapes_to_leave_one_out():
    known = trajectories([Shape(8, 16, 2), Shape(8, 32, 2)])
    made = plan.joint_laws(known, {s: cost(s) for s in known}, 0.0)
    assert np.isnan(made.error)
    assert all(isinstance(law, laws.Fit) for law in made.laws.values())


def test_what_is_rejected():
    known = trajectories(SHAPES[:3])  # of one patch
    flops = {s: cost(s) for s in known}
    with rejects("untrained", "V16-2/8", "patch"):
        plan.joint_laws(known, flops, 0.0, untrained=[Shape(8, 16, 2)])
    with rejects("two shapes"):
        plan.joint_laws({SHAPES[0]: known[SHAPES[0]]}, flops, 0.0)
    with rejects("untrained", "'W3'"):
        plan.shape_of("W3")
    with rejects("untrained", "joint_law"):
        plan.PlanSettings(untrained=[NEW])
    with rejects("joint_law", "cheap"):
        plan.PlanSettings(joint_law=True, cheap=True)
    assert plan.shape_of("R16-18") == Shape(1, 16, 18, "R")
    assert plan.shape_of("V16-3/8") == Shape(8, 16, 3)
