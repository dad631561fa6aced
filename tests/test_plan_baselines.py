"""Schedules without laws, by name, and stages whose patch is drawn."""

import numpy as np
import pytest
from plan_laws import LARGE, MIDDLE, SMALL

from scalax import plan
from scalax.schedule import Schedule, Shape, Stage
from tests.rejects import rejects

SHAPES = [LARGE, MIDDLE, SMALL]


def ends(schedule: Schedule) -> list[float]:
    return [stage.until_flops for stage in schedule.stages]


def test_spacings():
    assert ends(plan.baseline("linear", SHAPES, 9e9, 1e6)) == pytest.approx([3e9, 6e9, 9e9])
    assert ends(plan.baseline("logarithmic", SHAPES, 1e9, 1e6)) == pytest.approx([1e7, 1e8, 1e9])
    assert plan.baseline("V64-4/4", SHAPES, 9e9, 1e6) == Schedule((Stage(MIDDLE, 9e9),))
    for name in set(plan.BASELINES) - {"progressive", "efficienttrain"}:
        schedule = plan.baseline(name, SHAPES, 1e9, 1e6)
        assert Schedule.from_json(schedule.to_json()) == schedule
        assert schedule.budget_flops == 1e9
        assert name == "flexi" or [stage.shape for stage in schedule.stages] == SHAPES


def test_random_is_seeded_and_uniform():
    assert plan.baseline("random", SHAPES, 1e9, 1e6, 3) == plan.baseline("random", SHAPES, 1e9, 1e6, 3)
    drawn = np.array([ends(plan.baseline("random", SHAPES, 1.0, 1e-3, seed))[:2] for seed in range(400)])
    assert np.all(drawn[:, 0] < drawn[:, 1])
    assert drawn.mean(0) == pytest.approx([1 / 3, 2 / 3], abs=0.05)  # order statistics of two uniform draws


def test_random_patch_is_one_stage_evaluated_at_the_smallest():
    (stage,) = plan.baseline("flexi", SHAPES, 1e9, 1e6).stages
    assert stage == Stage(SMALL, 1e9, (8, 4, 2))
    with rejects("patch"):
        plan.baseline("flexi", [LARGE, Shape(4, 128, 4)], 1e9, 1e6)


def test_progressive_resizing_is_constant_then_linear_then_constant():
    ladder = [LARGE._replace(resolution=side) for side in (16, 24, 0)]
    schedule = plan.baseline("progressive", ladder, 8e9, 1e6, image_size=48)
    assert [stage.shape for stage in schedule.stages] == ladder
    # From 2e9 to 6e9 it goes from 16 to 48 px: it is nearer to 24 than to 16 from 20 px on, to 48 from 36 on.
    assert ends(schedule) == pytest.approx([2.5e9, 4.5e9, 8e9])
    for bad in (SHAPES, [LARGE._replace(resolution=16), SMALL], ladder[:1]):
        with rejects("resolution"):
            plan.baseline("progressive", bad, 8e9, 1e6, image_size=48)
    with rejects("patch"):
        plan.baseline("flexi", ladder, 1e9, 1e6)


def test_efficienttrain_has_160_192_and_224_pixels_for_3_1_and_1_fifths_of_its_epochs():
    ladder = [LARGE._replace(resolution=side) for side in (112, 160, 192, 0)]
    schedule = plan.baseline("efficienttrain", ladder, 1e9, 1e6, image_size=224)
    assert [stage.shape for stage in schedule.stages] == ladder[1:]
    spent = np.cumsum([3 * 160**2, 192**2, 224**2])  # FLOPs of an epoch go by pixels
    assert ends(schedule) == pytest.approx(1e9 * spent / spent[-1])
    # The nearest to 34 and 41 of 48 pixels.
    few = [LARGE._replace(resolution=side) for side in (16, 32, 0)]
    schedule = plan.baseline("efficienttrain", few, 1e9, 1e6, image_size=48)
    assert [stage.shape for stage in schedule.stages] == few[1:]
    spent = np.cumsum([3 * 32**2, 2 * 48**2])
    assert ends(schedule) == pytest.approx(1e9 * spent / spent[-1])
    with rejects("resolutions", 23):
        far = [LARGE._replace(resolution=side) for side in (8, 0)]
        plan.baseline("efficienttrain", far, 1e9, 1e6, image_size=32)
    with rejects("resolution"):
        plan.baseline("efficienttrain", SHAPES, 1e9, 1e6, image_size=48)


def test_unknown_baseline():
    with rejects("linaer", "linear"):
        plan.baseline("linaer", SHAPES, 1e9, 1e6)


def test_random_patches_have_no_law_to_follow():
    schedule = plan.baseline("flexi", SHAPES, 1e9, 1e6)
    with rejects("patches"):
        plan.follow({}, schedule, np.array([1e9]))


def test_patches_in_json(tmp_path):
    plain = Schedule((Stage(LARGE, 1e9),))
    assert "patches" not in plain.to_json()["stages"][0]  # as files of earlier runs have it
    drawn = Schedule((Stage(SMALL, 1e9, (8, 4, 2)),))
    drawn.save(tmp_path / "drawn.json")
    assert Schedule.load(tmp_path / "drawn.json") == drawn
    for bad in ([8, 4], [8, 2, 2], [0, 2], ["x", 2], 4):
        data = drawn.to_json()
        data["stages"][0]["patches"] = bad
        with rejects("schedule"):
            Schedule.from_json(data)
