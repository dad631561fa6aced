"""The analysis of an adaptive-patch study on curves whose answer is known in closed form."""

import dataclasses

import numpy as np
import pytest

from scalax import plan
from scalax.config import AdaptivePatchConfig
from scalax.records import RunRecord
from scalax.schedule import Shape
from scalax.studies import adaptive_patch

LARGE, SMALL = Shape(4, 16, 1), Shape(2, 16, 1)
FLOPS = np.geomspace(1e9, 1e11, 40)
CONFIG = AdaptivePatchConfig(patches=(4, 2), budget_flops=1e11, targets=3)


def run_of(values) -> adaptive_patch.Curve:
    run = [
        RunRecord("run", i, i, float(f), float(f), 0.0, 4, 16, 1, {"val_error": float(v)})
        for i, (f, v) in enumerate(zip(FLOPS, values, strict=True))
    ]
    return adaptive_patch.curve_of("val_error", run, validation_images=1000)


def power(scale: float, exponent: float = 0.5) -> np.ndarray:
    """Error of a run that needs `scale` times the FLOPs of the reference for the same error."""
    return 0.5 * (FLOPS / scale / 1e9) ** -exponent


def test_savings_are_the_ratio_of_flops():
    static = {LARGE: [run_of(power(1.0))], SMALL: [run_of(power(4.0))]}
    rows = adaptive_patch.compare(CONFIG, static, [run_of(power(0.5))])
    assert len(rows) == 3
    for row in rows:
        assert row["best_static"] == ["V16-1/4"]
        assert row["savings"] == pytest.approx(2.0)
        assert row["adaptive_flops"][0] == pytest.approx(1e9 * 0.5 * (0.5 / row["target"]) ** 2)
    assert rows[-1]["target"] == pytest.approx(power(1.0)[-1])


def test_savings_over_seeds_are_a_geometric_mean():
    config = dataclasses.replace(CONFIG, seeds=(0, 1))
    static = {
        LARGE: [run_of(power(1.0)), run_of(power(1.0))],
        SMALL: [run_of(power(4.0)), run_of(power(4.0))],
    }
    rows = adaptive_patch.compare(config, static, [run_of(power(0.5)), run_of(power(1 / 8))])
    assert rows[0]["savings_by_seed"] == pytest.approx([2.0, 8.0])
    assert rows[0]["savings"] == pytest.approx(4.0)


def test_no_saving_before_the_first_change():
    """The same trajectory, looked at at other moments and with noise, is no saving."""
    rng = np.random.default_rng(0)
    truth = power(1.0) * np.exp(0.1 * rng.standard_normal(40))
    static = {LARGE: [(FLOPS[0::2], truth[0::2])], SMALL: [run_of(power(9.0))]}
    run = [
        RunRecord("a", i, i, float(f), float(f), 0.0, 4 if f < 1e10 else 2, 16, 1, {"val_error": float(v)})
        for i, (f, v) in enumerate(zip(FLOPS[1::2], truth[1::2], strict=True))
    ]
    reached = [adaptive_patch.curve_of("val_error", run, 1000)]
    joined, ours = adaptive_patch.share_starts(static, [run], reached)
    early = FLOPS < 1e10
    np.testing.assert_array_equal(joined[LARGE][0][1][: early.sum()], truth[early])
    np.testing.assert_array_equal(ours[0][1][: early.sum()], truth[early])
    for target in np.geomspace(truth[0], truth[early].min(), 7):
        a, b = (plan.flops_to_reach(*curve, target) for curve in (joined[LARGE][0], ours[0]))
        assert a == b
    assert np.all(np.diff(ours[0][0]) >= 0)
    assert len(ours[0][0]) + len(joined[LARGE][0][0]) == 40 + early.sum()


def test_targets_out_of_reach_are_no_savings():
    rows = adaptive_patch.compare(CONFIG, {LARGE: [run_of(power(1.0))]}, [run_of(power(50.0))])
    assert np.isnan(rows[-1]["savings"])
    assert np.isnan(rows[-1]["adaptive_flops"][0])
    assert np.isfinite(rows[-1]["static_flops"][0])


def test_law_is_recovered_and_leads_to_the_plan_of_the_true_laws():
    """From noiseless curves through the fitter to the same transition as the closed form."""
    truth = {LARGE: (60.0, 0.3, 0.12, 2e8), SMALL: (3e4, 0.5, 0.02, 4e9)}

    def law(a, b, c, d):
        return a * (FLOPS + d) ** -b + c

    fits = {s: adaptive_patch.fit_law(CONFIG, [run_of(law(*p))]) for s, p in truth.items()}
    for shape, (a, b, c, d) in truth.items():
        assert fits[shape].predict(np.array([5e11]))[0] == pytest.approx(a * (5e11 + d) ** -b + c, rel=2e-3)
    planned = plan.steepest_descent(fits, 1e11, 2e9)
    (transition,) = planned.transitions

    def slope(a, b, c, d, error):
        return a * b * ((error - c) / a) ** ((b + 1) / b)

    at = transition.error
    assert slope(*truth[LARGE], at * 1.05) > slope(*truth[SMALL], at * 1.05)
    assert slope(*truth[LARGE], at * 0.95) < slope(*truth[SMALL], at * 0.95)


def test_no_image_wrong_is_no_zero_in_the_logarithm():
    values = power(1.0)
    values[10:] = 0.0
    assert np.isfinite(adaptive_patch.fit_law(CONFIG, [run_of(values)]).predict(FLOPS)).all()
    rows = adaptive_patch.compare(CONFIG, {LARGE: [run_of(values)]}, [run_of(values)])
    assert rows[-1]["target"] == 0.5 / 1000
    assert all(row["savings"] == pytest.approx(1.0) for row in rows)


def test_targets_are_reached_in_every_seed():
    config = dataclasses.replace(CONFIG, seeds=(0, 1))
    static = {LARGE: [run_of(power(1.0)), run_of(power(3.0))]}
    rows = adaptive_patch.compare(config, static, [run_of(power(0.5)), run_of(power(1.5))])
    assert [row["savings"] for row in rows] == pytest.approx([2.0] * 3)
    assert rows[-1]["best_static"] == ["V16-1/4"]
