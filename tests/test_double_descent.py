"""The study of double descent: exact errors of its models, and what it says of laws."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from scalax import launch, studies
from scalax.studies.double_descent.config import DoubleDescentConfig, StepsConfig, WidthConfig
from scalax.studies.double_descent.models import error_by_steps, error_by_width, least_squares
from scalax.studies.double_descent.report import _past
from scalax.studies.double_descent.result import CHOSEN, OLD, STILL, Cut, Interval, LawScore, Sweep
from scalax.studies.double_descent.scored import landmarks
from tests.rejects import rejects

CONFIG = Path(__file__).parents[1] / "configs" / "law_double_descent.py"
WIDTH = WidthConfig(examples=60, inputs=5, smallest=4, largest=500, per_decade=10, cuts=(50, 150))
STEPS = StepsConfig(examples=60, large=40, small=4, last=500_000, per_decade=6, cuts=(500, 100_000))


def test_errors_by_width_are_those_on_fresh_inputs():
    """The same draws as in the study, with a test set in place of known moments."""
    rng = np.random.default_rng([3, WIDTH.examples, WIDTH.inputs])
    target = rng.standard_normal(WIDTH.inputs)
    target /= np.linalg.norm(target)
    x = rng.standard_normal((WIDTH.examples, WIDTH.inputs))
    y = x @ target + WIDTH.label_noise * rng.standard_normal(WIDTH.examples)
    directions = rng.standard_normal((WIDTH.sizes()[-1], WIDTH.inputs))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    fresh = np.random.default_rng(0).standard_normal((20_000, WIDTH.inputs))
    found = error_by_width(WIDTH, 3)
    for i in (0, 8, len(found) - 1):
        units = directions[: WIDTH.sizes()[i]].T
        w = least_squares(np.maximum(x @ units, 0), y, WIDTH.ridge)
        measured = np.mean((np.maximum(fresh @ units, 0) @ w - fresh @ target) ** 2)
        assert found[i] == pytest.approx(measured, rel=0.06)


@pytest.mark.parametrize("columns", [3, 12])
def test_least_squares(columns):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, columns)), rng.standard_normal(6)
    for ridge in (0.0, 0.1):
        w = least_squares(x, y, ridge)
        np.testing.assert_allclose(x.T @ (x @ w - y) + 6 * ridge * w, 0, atol=1e-10)
    np.testing.assert_allclose(least_squares(x, y, 1e-12), least_squares(x, y, 0.0), atol=1e-6)


def test_errors_by_steps_are_those_of_gradient_descent():
    config = dataclasses.replace(STEPS, first=1, last=1000, cuts=(100,))
    rng = np.random.default_rng([5, config.examples, config.large, config.small])
    large, small = (rng.standard_normal(size) for size in (config.large, config.small))
    scales = np.repeat([1.0, config.scale], [config.large, config.small])
    large *= np.sqrt(1 - config.share) / np.linalg.norm(large)
    small *= np.sqrt(config.share) / np.linalg.norm(small) / config.scale
    target = np.concatenate([large, small])
    assert np.sum((scales * target) ** 2) == pytest.approx(1)
    x = rng.standard_normal((config.examples, len(scales))) * scales
    y = x @ target + config.label_noise * rng.standard_normal(config.examples)
    w, errors = np.zeros(len(scales)), {}
    for step in range(1, 1001):
        w -= config.rate * x.T @ (x @ w - y) / config.examples
        errors[step] = np.sum((scales * (w - target)) ** 2)
    np.testing.assert_allclose(error_by_steps(config, 5), [errors[step] for step in config.times()])


def test_landmarks():
    assert landmarks(np.array([3.0, 1, 2, 5, 4, 0, 1])) == (1, 3)
    dip, peak = landmarks(np.array([3.0, 2, 1]))
    assert dip == peak


def _sweep(cuts: dict[float, dict[str, float]], dip=10.0, peak=20.0) -> Sweep:
    """A sweep to x = 100 with the errors of rows after each cut, by the table's names."""
    of = {name: Interval(0.3, 0.3, 0.3) for name in (*OLD, "bnsl", "bnsl2", CHOSEN)}
    made = []
    for x, after in (cuts | {100.0: {}}).items():
        later = {name: Interval(error, error, error) for name, error in after.items()}
        laws = [LawScore(n, "m4", [], (0, 1), 1.0, v, later.get(n)) for n, v in of.items()]
        made.append(Cut(x, 9, later.get(STILL), laws))
    return Sweep([1.0, 100.0], [1.0, 0.1], [1.0, 0.1], [1.0, 0.1], dip, peak, made)


def test_what_is_best_past_a_peak_is_sought_among_all_rows_of_the_table():
    others = dict.fromkeys((*OLD, "bnsl", "bnsl2", CHOSEN, STILL), 0.5)
    sweep = _sweep({5.0: others | {"m1": 0.1}, 30.0: others | {"bnsl2": 0.1}, 60.0: others | {"m2": 0.1}})
    assert [cut.best_later() for cut in sweep.cuts[:-1]] == ["m1", "bnsl2", "m2"]
    [past] = _past({"width": sweep})
    assert {"bnsl2 in 1", "m2 in 1"} <= set(past.rstrip(".").split(": ")[1].split(", "))
    assert "m1" not in past
    [past] = _past({"width": _sweep({30.0: others | {STILL: 0.1}})})
    assert STILL in past
    assert not list(_past({"width": _sweep({30.0: others}, peak=10.0)}))  # there is no peak


@pytest.mark.slow
def test_bnsl_follows_and_m4_does_not(tmp_path):
    config = DoubleDescentConfig(width=WIDTH, steps=STEPS, seeds=6, resamples=2, most_breaks=3)
    made = studies.run(config, tmp_path)
    study, found = studies.load(tmp_path)
    assert (study.name, found) == ("double_descent", made)
    text = studies.report(tmp_path)
    assert "M1 to M4 cannot" in text.splitlines()[0]
    assert found.width.dip < WIDTH.examples / 1.5 < found.width.peak < WIDTH.examples * 1.5
    for name, sweep in {"width": found.width, "steps": found.steps}.items():
        assert sweep.dip < sweep.peak < sweep.x[-1]
        whole = sweep.cuts[-1]
        assert 4 * whole.most_broken().fitted.value < whole.best_old().fitted.value
        assert whole.still is None
        assert [cut.rows for cut in sweep.cuts] == [sum(x <= cut.x for x in sweep.x) for cut in sweep.cuts]
        for file in (f"{name}_cuts.png", f"{name}_segments.png", "double_descent.png", "scores.csv"):
            assert (tmp_path / "figures" / file).exists()
    assert (tmp_path / "report.html").exists()


def test_configs_are_of_the_study():
    assert launch.load(str(CONFIG)) == DoubleDescentConfig()
    assert launch.load(f"{CONFIG}:quick").seeds < DoubleDescentConfig().seeds


@pytest.mark.parametrize(
    ("make", "bad"),
    [
        (WidthConfig, {"examples": 5}),
        (WidthConfig, {"label_noise": -1.0}),
        (WidthConfig, {"cuts": (10.0,)}),
        (WidthConfig, {"cuts": (100.0, 60.0)}),
        (WidthConfig, {"cuts": (5000.0,)}),
        (StepsConfig, {"large": 200}),
        (StepsConfig, {"rate": 0.5}),
        (StepsConfig, {"share": 1.0}),
        (DoubleDescentConfig, {"seeds": 1}),
        (DoubleDescentConfig, {"most_breaks": 5}),
    ],
)
def test_settings_are_checked(make, bad):
    with rejects(*bad):
        make(**bad)
