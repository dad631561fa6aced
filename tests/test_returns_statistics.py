"""The statistics of return curves, on simulated cells whose stage, ratio and slope are known."""

import numpy as np
import pytest

from scalax.studies.returns import levels, predictions, scales, stages
from scalax.studies.returns.bootstrap import ImageWeights, Weights, interval, seed_weights
from scalax.studies.returns.slopes import slope_of

SEEDS, IMAGES, RESAMPLES = 5, 300, 400
RNG = np.random.default_rng(0)


def simulated(rng: np.random.Generator, accuracy: list[float], spread: float = 0.02) -> np.ndarray:
    """0 or 1 [b, s, n]: budgets with these accuracies, seeds that differ by `spread`, images of which some
    are easy for all seeds and budgets and others for none."""
    seed_luck = spread * rng.standard_normal((len(accuracy), SEEDS, 1))
    image_luck = rng.uniform(-0.3, 0.3, IMAGES) * np.minimum(1, 2 * np.array(accuracy))[:, None, None]
    chance_of = np.array(accuracy)[:, None, None] + seed_luck + image_luck
    return (rng.random((len(accuracy), SEEDS, IMAGES)) < chance_of).astype(np.float32)


def resamples(rng: np.random.Generator, right: np.ndarray) -> np.ndarray:
    images = ImageWeights(RESAMPLES, int(rng.integers(2**31))).of("images", np.arange(IMAGES))
    return Weights(seed_weights(rng, RESAMPLES, SEEDS), images).means(right)


def test_means_are_weighted_over_seeds_and_images():
    right = RNG.random((2, 3, 4))
    weights = Weights(RNG.random((6, 3)), RNG.random((6, 4)))
    want = np.array([[w @ each @ v for each in right] for w, v in zip(*weights, strict=True)])
    np.testing.assert_allclose(weights.means(right), want)


def test_few_seeds_have_the_variance_of_independent_runs():
    values = RNG.standard_normal(4)
    means = seed_weights(RNG, 200_000, 4) @ values
    np.testing.assert_allclose(means.var(), values.var(ddof=1) / 4, rtol=0.02)
    np.testing.assert_array_equal(seed_weights(RNG, 3, 1), 1)


def test_an_image_has_one_weight_in_all_tasks():
    images = ImageWeights(5, seed=1)
    few, more = images.of("a", np.array([1, 4])), images.of("a", np.array([4, 1, 30]))
    np.testing.assert_allclose(few[:, 1] / few[:, 0], more[:, 0] / more[:, 1])
    np.testing.assert_allclose(more.sum(1), 1)
    assert not np.allclose(images.of("b", np.array([1, 4])), few)


def test_intervals_hold_what_they_say():
    """Means over fresh seeds and images: 95% intervals hold the truth in about that share of cases."""
    held = 0
    for case in range(150):
        rng = np.random.default_rng([1, case])
        right = simulated(rng, [0.4])
        low, high = interval(resamples(rng, right)[:, 0], 0.95)
        held += low <= 0.4 <= high
    assert 0.87 <= held / 150 <= 1


@pytest.mark.parametrize(
    ("accuracy", "want"),
    [
        ([0.2, 0.2, 0.2], ["guessing"] * 3),
        ([0.2, 0.3, 0.45], ["guessing", "learning", "learning"]),
        ([0.3, 0.42, 0.55], ["learning"] * 3),
        ([0.3, 0.6, 0.6], ["learning", "saturated", "saturated"]),
        ([0.4, 0.6, 0.48], ["learning", "saturated", "saturated"]),  # the largest budget overfits
        ([0.6, 0.6, 0.6], ["saturated"] * 3),
    ],
)
def test_stages_are_told_right(accuracy, want):
    told = 0
    for case in range(20):
        rng = np.random.default_rng([2, case])
        right = simulated(rng, accuracy)
        means = right.mean((1, 2))
        told += stages.stages_of(means, resamples(rng, right), 0.2, 0.95) == want
    assert told >= 16  # an interval of 95% is wrong now and then, and a stage has several


def cells(rng: np.random.Generator, slope: float, tasks: int = 6, gain: float = 0.5):
    """Difficulty, log ratios and their resamples, of tasks whose log ratio rises by `slope` a unit."""
    x = np.linspace(0, 2, tasks)
    low = np.linspace(0.35, 0.2, tasks)
    y, drawn = [], []
    for difficulty, accuracy in zip(x, low, strict=True):
        right = simulated(rng, [accuracy, accuracy * np.exp(gain + slope * difficulty)])
        whole, again = right.mean((1, 2)), resamples(rng, right)
        y.append(scales.log_ratio(whole[1], whole[0], 0.1, IMAGES))
        drawn.append(scales.log_ratio(again[:, 1], again[:, 0], 0.1, IMAGES))
    return x, np.array(y), np.array(drawn).T


def test_a_known_slope_is_found():
    found = [slope_of(*cells(np.random.default_rng([3, case]), 0.2), 0.95) for case in range(40)]
    assert np.mean([each.low <= 0.2 <= each.high for each in found]) >= 0.87
    assert np.mean([each.p < 0.05 for each in found]) >= 0.8
    np.testing.assert_allclose(np.mean([each.value for each in found]), 0.2, atol=0.03)


def test_no_slope_is_seldom_taken_for_one():
    found = [slope_of(*cells(np.random.default_rng([4, case]), 0.0), 0.95) for case in range(40)]
    assert np.mean([each.p < 0.05 for each in found]) <= 0.12


def test_tasks_off_the_line_widen_the_interval():
    x, y, drawn = cells(np.random.default_rng(5), 0.2)
    off = 0.3 * np.array([1, -1, 1, -1, 1, -1])
    near, far = slope_of(x, y, drawn, 0.95), slope_of(x, y + off, drawn + off, 0.95)
    assert far.scatter > 3 * near.scatter
    np.testing.assert_allclose(far.high - far.low, (near.high - near.low) * far.scatter / near.scatter)


def test_slope_of_a_line_is_exact_and_of_few_tasks_none():
    x = np.array([1.0, 2.0, 4.0])
    drawn = 0.3 + 0.5 * x + RNG.standard_normal((200, 3)) * [0.1, 0.2, 0.3]
    found = slope_of(x, 0.3 + 0.5 * x, drawn, 0.95)
    np.testing.assert_allclose((found.value, found.level, found.scatter), (0.5, 0.3, 1))
    assert np.isnan(slope_of(x[:2], x[:2], drawn[:, :2], 0.95).value)


def test_equal_differences_raise_the_ratio_but_no_other_scale_need():
    """What the scales are for: equal differences give a rising ratio by arithmetic alone."""
    chance, low = np.array([0.2, 0.1, 0.05]), np.array([0.5, 0.4, 0.3])
    high = low + 0.1
    ratio = scales.log_ratio(high, low, chance, 1000)
    assert (np.diff(ratio) > 0).all()
    np.testing.assert_allclose(scales.difference(high, low, chance, 1000), 0.1)
    corrected = chance + (1 - chance) * np.array([0.2, 0.2, 0.2])
    better = chance + (1 - chance) * np.array([0.3, 0.3, 0.3])
    np.testing.assert_allclose(scales.log_corrected_ratio(better, corrected, chance, 1000), np.log(1.5))
    odds = low / (1 - low) * 2
    np.testing.assert_allclose(scales.log_odds_ratio(odds / (1 + odds), low, chance, 1000), np.log(2))


def test_rising_is_isotonic_regression():
    from sklearn.isotonic import IsotonicRegression

    values = RNG.standard_normal(30)
    want = IsotonicRegression().fit_transform(np.arange(30), values)
    np.testing.assert_allclose(levels.rising(values), want)


def test_flops_between_levels_of_a_power_law():
    """Accuracy 0.01 F^0.4 has level A at (A / 0.01)^2.5 FLOPs."""
    flops = np.geomspace(10, 1e4, 200)
    accuracy = 0.01 * flops**0.4
    ends = [levels.flops_at(level, flops, accuracy) for level in (0.1, 0.3)]
    np.testing.assert_allclose(ends, [(level / 0.01) ** 2.5 for level in (0.1, 0.3)], rtol=1e-3)
    np.testing.assert_allclose(levels.log_share(0.1, 0.3, flops, accuracy), 2.5 * np.log(1 / 3), rtol=1e-3)
    assert np.isnan(levels.flops_at(0.9, flops, accuracy))
    assert np.isnan(levels.flops_at(0.01, flops, accuracy))


def test_levels_that_all_curves_pass():
    low, high, reason = levels.choose([np.array([0.02, 0.3, 0.6]), np.array([0.05, 0.2, 0.4])])
    np.testing.assert_allclose((low, high, reason == ""), (0.12, 0.36, True))
    assert levels.choose([np.array([0.5, 0.6]), np.array([0.1, 0.4])])[2]
    slow = [np.array([0.0, end]) for end in (0.4, 0.5, 0.6)]
    low, high, reason = levels.choose([np.array([0.5, 0.6]), *slow])  # without the one that begins above
    np.testing.assert_allclose((low, high, reason == ""), (0.12, 0.36, True))
    assert levels.choose([np.array([0.1, 0.4])])[2]


def test_a_task_that_is_slower_alone_is_predicted():
    """Where one curve is another moved along FLOPs, the ratio and the moved law tell the FLOPs exactly."""
    flops = np.geomspace(1e6, 1e9, 40)

    def curve(name: str, slower: float) -> predictions.Curve:
        return predictions.Curve(name, flops, 1 - (1 + flops / (2e7 * slower)) ** -0.5)

    found = predictions.predict([curve("fast", 1), curve("slow", 3)], 0.3, 0.6)
    assert [(each.first, each.second) for each in found] == [("fast", "slow"), ("slow", "fast")]
    np.testing.assert_allclose([each.same_ratio / each.measured for each in found], 1, rtol=0.01)
    np.testing.assert_allclose([each.moved_law / each.measured for each in found], 1, rtol=0.05)
    np.testing.assert_allclose([each.own_law / each.measured for each in found], 1, rtol=0.2)
