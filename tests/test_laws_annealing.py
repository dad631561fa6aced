"""The law of learning rates: its sums against their definition, and one schedule forecast from another."""

import dataclasses
import json

import numpy as np
import pytest

from scalax import laws
from scalax.cli import main
from scalax.errors import UserError
from scalax.laws import annealing
from scalax.laws.annealing import forecast_annealed
from scalax.laws.rates import from_column, from_words

STEPS = 10_000
TRUE = dict(e=2.0, a=8.0, alpha=0.35, c=6e-5)
MEMORY = 800.0


def loss(words: str, x: np.ndarray, c: float = TRUE["c"]) -> np.ndarray:
    first, second = from_words(words).sums(x, MEMORY)
    return TRUE["e"] + TRUE["a"] * first ** -TRUE["alpha"] - c * second


def curve(words: str, seed: int, noise: float = 0.003, steps: int = STEPS) -> laws.Curve:
    x = np.linspace(0, steps, 121)[1:]
    y = loss(words, x) * np.exp(noise * np.random.default_rng(seed).standard_normal(len(x)))
    return laws.Curve(x, y, words, lr=3e-3 * from_words(words).at(x))


@pytest.mark.parametrize("words", ["constant:50", "cosine:50:1000", "linear:50:1000:0.1", "wsd:50:1000:0.3"])
def test_sums_are_those_of_the_paper(words):
    rates, memory = from_words(words), 100.0
    rate = rates.at(np.arange(1001))
    kept, momentum, second = np.exp(-1 / memory), 0.0, 0.0
    areas = []
    for step in range(1, 1001):  # Tissue et al. 2024, eq. 1, after the warm-up
        momentum = kept * momentum + (rate[step - 1] - rate[step] if step > 50 else 0.0)
        second += momentum
        areas.append(second)
    first_of, second_of = rates.sums(np.arange(1, 1001), memory)
    np.testing.assert_allclose(first_of[100:], np.cumsum(rate[1:])[100:], rtol=1e-2)
    np.testing.assert_allclose(second_of, areas, rtol=2e-2, atol=1e-2 * max(max(areas), 1e-9))


def test_schedules_in_words_are_read_or_rejected():
    wsd = from_words("wsd:1k:10K:.2:0.1")
    np.testing.assert_allclose(wsd.at(np.array([500, 1000, 8000, 9000, 2e4])), [0.5, 1, 1, 0.55, 0.1])
    for words in (
        "cosine",
        "cosine:10",
        "cosine:10:5",
        "cosine:a:5",
        "wsd:1:9:2",
        "sine:1:2",
        "linear:0:1:2:3",
    ):
        with pytest.raises(UserError, match="lr_schedule"):
            from_words(words)
    for column in ([np.nan] * 3, [0.0] * 3, [1.0, -1.0, 0.5]):
        with pytest.raises(UserError, match="lr"):
            from_column([1, 2, 3], column)


def test_a_column_says_what_words_do():
    words, x = "linear:100:1000", np.arange(20.0, 1001, 20)
    by_words, by_column = from_words(words, 2e-3), from_column(x, from_words(words, 2e-3).at(x))
    for one, other in zip(by_words.sums(x, 50.0), by_column.sums(x, 50.0), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-2, atol=1e-4)


@pytest.fixture(scope="module")
def of_cosine():
    """Forecasts of two seeds of a cosine run, which go on at a constant rate."""
    words = "cosine:200:10000"
    curves, rates = [curve(words, seed) for seed in range(2)], [from_words(words)] * 2
    return forecast_annealed(curves, rates, [STEPS], [from_words("constant:200")] * 2)


@pytest.mark.parametrize("then", ["constant:200", "wsd:200:10000", "linear:200:20000"])
def test_a_cosine_run_tells_other_schedules(of_cosine, then):
    """What was fitted does not depend on what it is asked for."""
    rates, at = from_words(then), np.array([min(from_words(then).total, STEPS)])
    inside = []
    for made in of_cosine:
        found, truth = dataclasses.replace(made, then=rates), loss(then, at)
        assert abs(np.log(found.predict(at) / truth))[0] < 0.01
        low, high = found.interval(at, 0.95)
        inside.append(low[0] < truth[0] < high[0])
        if then == made.then.words:
            np.testing.assert_array_equal(found.predict(at), made.median)
    assert any(inside)


@pytest.fixture
def roughly(monkeypatch):
    """Few draws and memories, of which bands and the law would come out rough."""
    monkeypatch.setattr(annealing, "DRAWS", 4)
    monkeypatch.setattr(annealing, "MEMORIES", 3)


def test_a_constant_run_needs_one_that_falls():
    constant, cosine = curve("constant:200", 0), curve("cosine:200:10000", 1)
    then = from_words("wsd:200:20000")
    with pytest.raises(UserError, match="together"):
        forecast_annealed([constant], [from_words("constant:200")], then=[then])
    both = [from_words(c.name) for c in (constant, cosine)]
    truth = loss("wsd:200:20000", np.array([20000.0]))
    for found in forecast_annealed([constant, cosine], both, then=[then, then], together=True):
        assert found.x.tolist() == [20000.0]
        assert abs(np.log(found.median / truth))[0] < 0.01
        assert found.law.params["alpha"] == pytest.approx(TRUE["alpha"], rel=0.15)


def test_command_reads_the_column(tmp_path, capsys):
    rows = ["run,step,lr,loss"]
    for each in (curve("constant:200", 0), curve("cosine:200:10000", 1)):
        rows += [
            f"{each.name},{x:.0f},{lr:.6g},{y:.6f}" for x, y, lr in zip(each.x, each.y, each.lr, strict=True)
        ]
    (tmp_path / "runs.csv").write_text("\n".join(rows) + "\n")
    command = ["forecast", str(tmp_path / "runs.csv"), "--out", str(tmp_path / "o")]
    options = ["--lr", "lr", "--then", "wsd:200:20000", "--together"]
    assert main([*command, *options]) == 0
    data = json.loads((tmp_path / "o" / "forecast.json").read_text())
    truth = loss("wsd:200:20000", np.array([20000.0]))[0]
    assert [each["at"] for each in data] == [[20000.0]] * 2
    assert all(each["median"][0] == pytest.approx(truth, rel=0.01) for each in data)
    low, high = data[0]["intervals"]["0.8"]
    assert low[0] < data[0]["median"][0] < high[0]
    assert len(list((tmp_path / "o" / "figures").glob("*.png"))) == 2
    printed = capsys.readouterr().out
    assert "Curve(" not in printed
    assert "--y 'loss'" in printed  # what was guessed
    for wrong in (["--then", "wsd:1:2"], ["--together"], ["--lr", "lr", "--lr-schedule", "constant:1"]):
        assert main([*command, *wrong]) == 2
    for wrong in (["--target", "2"], ["--members", "m2"]):
        assert main([*command, "--lr", "lr", *wrong]) == 2
    assert capsys.readouterr().err.count("\n") == 5


@pytest.mark.parametrize(("words", "falls"), [("wsd:200:10000:0.2", True), ("constant:200", False)])
def test_a_decay_that_is_not_named_is_noticed(words, falls):
    x = np.linspace(0, STEPS, 121)[1:]
    noise = np.exp(0.003 * np.random.default_rng(0).standard_normal(len(x)))
    [forecast] = laws.forecast([laws.Curve(x, loss(words, x, c=1.5e-4) * noise)])
    assert [flag.kind for flag in forecast.flags] == ["falls_faster"] * falls
    assert (forecast.inflation >= 2) == falls


def test_odd_rows_and_columns(roughly):
    x = np.arange(20.0, 1001, 20)
    y = loss("cosine:50:1000", x)
    schedule = from_words("cosine:50:1000")
    [twice] = forecast_annealed([laws.Curve(np.repeat(x, 2), np.repeat(y, 2))], [schedule])
    assert twice.x.tolist() == [2000.0, 4000.0, 10000.0]  # its schedule is at its end
    rounded = np.full(len(x), 3e-3)
    rounded[-1] *= 1 + 1e-7
    assert from_column(x, rounded).warm < x[1]
    other = laws.Curve(x, 1 - y / 10, labels=("x", "accuracy"))
    with pytest.raises(UserError, match="together"):
        forecast_annealed([laws.Curve(x, y), other], [schedule, schedule], together=True)
    assert laws.forecast([]) == laws.fit([], ["m2"]) == []


def test_validation_rows_have_the_rate_of_their_neighbours(tmp_path):
    """As in logs whose rows have a rate or a validation loss."""
    lines = ["step,lr,eval_loss"]
    for step in range(10, 400, 10):
        lines += [f"{step},{1e-3 * step:.6g},", f"{step + 5},,{3 / step**0.3:.6g}"]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    [curve] = laws.read_curves(tmp_path / "log.csv", lr="lr")
    np.testing.assert_allclose(curve.lr[:-1], 1e-3 * curve.x[:-1])


def test_what_is_assumed_of_the_rate_is_said_and_what_cannot_be_is_refused(roughly):
    x = np.linspace(0, STEPS, 121)[1:61]
    half = laws.Curve(x, loss("cosine:200:10000", x))
    column = from_column(x, from_words("cosine:200:10000").at(x))
    [held] = forecast_annealed([half], [column], [2 * x[-1]])
    assert any("5000" in note for note in held.notes)
    [told] = forecast_annealed([half], [from_words("cosine:200:10000")], [2 * x[-1]])
    assert not told.notes[1:]
    with pytest.raises(UserError, match="lr_schedule"):
        forecast_annealed([half], [from_words("cosine:200:4000")])
