"""Plans with fewer of a ladder's shapes: which are taken, what is trained once, and a small study."""

import dataclasses
import itertools

import numpy as np
import pytest

from scalax import plan, studies
from scalax.errors import UserError
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies.adaptive import fewer, fewer_report, other_plans, planning
from tests.rejects import check_line
from tests.test_cooled import CONFIG as COOLED

SHAPES = [Shape(p, 8, 1) for p in (8, 4, 2, 1)]
CONFIG = dataclasses.replace(COOLED, patches=(8, 4, 2), cooldowns=(), shifts=(), fewer_shapes=(2,))


@pytest.mark.parametrize(("count", "want"), [(2, [8, 1]), (3, [8, 2, 1]), (4, [8, 4, 2, 1])])
def test_the_first_and_the_last_are_always_there(count, want):
    assert [shape.patch for shape in fewer.of(SHAPES, count)] == want


@pytest.mark.parametrize("counts", [(1,), (3,), (2, 2)])
def test_settings(counts):
    with pytest.raises(UserError) as error:
        dataclasses.replace(CONFIG, fewer_shapes=counts)
    check_line(str(error.value), "fewer_shapes")


def planned(shapes: list[Shape], budget: float) -> planning.Planning:
    """Through all of the shapes, in equal parts of the budget."""
    ends = [budget * (i + 1) / len(shapes) for i in range(len(shapes))]
    stages = tuple(Stage(shape, end) for shape, end in zip(shapes, ends, strict=True))
    changes = tuple(
        plan.Transition(a.shape, b.shape, 2.0, a.until_flops) for a, b in itertools.pairwise(stages)
    )
    made = plan.Plan(Schedule(stages), changes, np.array([2.2, 2.0]), np.array([1e6, budget]))
    return planning.Planning("m2", {}, made, made.message, budget, budget / 50)


def test_plans_that_are_alike_are_trained_once(monkeypatch):
    """With 2 of 4 shapes the plan is the same as with 3; with all it is that of `made`, which is there."""
    whole = planned(SHAPES, 1e9)
    found = {2: planned(SHAPES[::3], 1e9), 3: planned(SHAPES[::3], 1e9)}
    monkeypatch.setattr(fewer, "plans", lambda *_: found)
    config = dataclasses.replace(CONFIG, patches=(8, 4, 2, 1), fewer_shapes=(2, 3))
    costs = dict(zip(SHAPES, (1.0, 4.0, 16.0, 64.0), strict=True))
    made = other_plans.make(config, whole, {}, costs)
    assert made.schedules == {"2 shapes": found[2].changing}
    assert made.counts == {2: "2 shapes", 3: "2 shapes", 4: other_plans.PLAN}
    still = other_plans.make(config, whole._replace(plan=None), {}, costs)
    assert still.counts == {2: "2 shapes", 3: "2 shapes"}


def test_a_study_with_fewer_shapes(tmp_path, monkeypatch):
    def make_plan(curves, law, budget_flops, first_flops, carried):
        laws = real(curves, law, budget_flops, first_flops).laws
        return planned(list(curves), budget_flops)._replace(laws=laws, first_flops=first_flops)

    real = planning.make_plan
    for module in (planning, fewer):
        monkeypatch.setattr(module, "make_plan", make_plan)
    monkeypatch.setattr(planning.Planning, "cheap", lambda self, curves: [])  # takes many fits
    [ladder] = studies.run(CONFIG, tmp_path).ladders.values()
    two, three = ladder.fewer
    assert [len(row.changes) for row in (two, three)] == [1, 2]
    assert two.shapes == [ladder.shapes[0], ladder.shapes[2]]
    assert three.shapes == ladder.shapes
    assert repr(three.needed) == repr([row.methods["adaptive"] for row in ladder.targets])  # nan is nan
    assert repr(three.changes) == repr(ladder.switches)
    assert list(ladder.runs) == [*ladder.shapes, "adaptive"]
    assert len(list((tmp_path / "runs").iterdir())) == 3 + 2
    _, loaded = studies.load(tmp_path)
    assert repr(loaded.ladders["V8-1"].fewer) == repr(ladder.fewer)
    said = studies.report(tmp_path).replace("\n", " ")
    assert fewer_report.sentence(ladder.fewer, "val_loss") in said
    assert (tmp_path / "figures" / "V8-1_fewer.png").exists()
    lines = (tmp_path / "figures" / "V8-1_fewer.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * len(ladder.targets)
    saved = [float(line.split(",")[4] or "nan") for line in lines[1:]]
    assert saved[len(ladder.targets) :] == pytest.approx([n.savings for n in three.needed], nan_ok=True)
