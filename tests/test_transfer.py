"""Upstream against downstream: hull, law, noise, prediction and what lies between tasks, against independent
references and tables whose truth is known."""

import doctest
import importlib

import numpy as np
import pytest
from scipy.optimize import curve_fit

from scalax import records, transfer
from tests.rejects import rejects

RNG = np.random.default_rng(0)
E_US = np.linspace(0.15, 0.8, 60)


def law(e_us, k=0.7, alpha=1.3, e_ir=0.1):
    return k * e_us**alpha + e_ir


@pytest.mark.parametrize("n", [3, 20, 300])
@pytest.mark.parametrize("digits", [2, 9])
def test_hull_is_the_lower_part_of_scipys(n, digits):
    from scipy.spatial import ConvexHull

    x, y = RNG.uniform(size=(2, n)).round(digits)
    hull = transfer.hull_of(x, y)
    assert (y >= hull.height(x) - 1e-12).all()
    slopes = np.diff(hull.e_ds) / np.diff(hull.e_us)
    assert (np.diff(slopes) < 0).all()
    assert (hull.e_us[0], hull.e_us[-1]) == (x.max(), x.min())
    if n > 3:
        every = {tuple(p) for p in np.column_stack([x, y])[ConvexHull(np.column_stack([x, y])).vertices]}
        assert set(zip(hull.e_us, hull.e_ds, strict=True)) <= every


def test_mixture_is_on_the_hull_and_rejects_what_is_beyond():
    x, y = RNG.uniform(size=(2, 40))
    hull = transfer.hull_of(x, y)
    for e_us in [*hull.e_us, *RNG.uniform(x.min(), x.max(), 20)]:
        found = hull.mixture(e_us)
        for of, mixed in ((x, found.e_us), (y, found.e_ds)):
            assert np.isclose((1 - found.share) * of[found.first] + found.share * of[found.second], mixed)
        assert np.isclose(found.e_ds, hull.height(e_us))
    with rejects("e_us"):
        hull.mixture(x.max() + 0.1)


def test_models_without_an_error_and_at_one_point_are_no_corners():
    hull = transfer.hull_of([0.5, 0.5, np.nan, 0.2, 0.2], [0.4, 0.4, 0.1, np.nan, 0.3])
    assert hull.models.tolist() == [0, 4]


@pytest.mark.parametrize("alpha", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("e_ir", [0.0, 0.2])
def test_law_is_recovered_exactly(alpha, e_ir):
    found = transfer.fit_laws(E_US, law(E_US, 0.6, alpha, e_ir))
    np.testing.assert_allclose([found.k, found.alpha, found.e_ir], [0.6, alpha, e_ir], atol=2e-5)


def test_law_equals_scipys_least_squares_and_weights_count_as_copies():
    y = law(E_US) + 0.02 * RNG.standard_normal(60)
    weights = RNG.integers(0, 3, (4, 60)).astype(float)
    found = transfer.fit_laws(E_US, y, weights)
    for i, own in enumerate(weights):
        x, copies = (np.repeat(values, own.astype(int)) for values in (E_US, y))
        best, _ = curve_fit(law, x, copies, [0.7, 1.3, 0.1], bounds=([0, 0.02, 0], [np.inf, 30, np.inf]))
        np.testing.assert_allclose([a[i] for a in found[:3]], best, rtol=2e-3, atol=1e-4)


def test_law_of_nothing_is_flat_and_predicts_its_level():
    found = transfer.fit_laws(E_US, 0.8 - 0.3 * E_US)  # better upstream, worse downstream
    assert found.k == 0
    assert np.isnan(found.alpha)
    np.testing.assert_allclose(found.predict([0.0, 1.0]), np.mean(0.8 - 0.3 * E_US))


def test_quantile_law_has_its_share_of_models_below():
    x = RNG.uniform(0.1, 0.9, 800)
    y = law(x) + RNG.exponential(0.03, 800)
    found = transfer.fit_quantile(x, y, 0.1)
    assert np.mean(y < found.predict(x)) == pytest.approx(0.1, abs=0.01)
    assert found.e_ir == pytest.approx(0.1, abs=0.02)


def test_noise_of_images_is_taken_out_of_the_scatter():
    n, images = 1000, 400
    x = np.sort(RNG.uniform(0.1, 0.9, n))
    true = law(x, 0.6, 1.0, 0.2) + 0.03 * RNG.standard_normal(n)
    measured = RNG.binomial(images, true) / images
    fitted = transfer.fit_laws(x, measured)
    variance = transfer.noise_variance(fitted, x, np.full(n, np.nan), np.full(n, images))
    np.testing.assert_allclose(variance.mean(), np.mean(true * (1 - true) / images), rtol=0.05)
    clean = transfer.without_noise(fitted, x, measured, variance)
    assert np.std(clean - fitted.predict(x)) == pytest.approx(0.03, rel=0.1)
    assert np.std(measured - fitted.predict(x)) > 0.035


def table(tasks=2, n=60, **more):
    x = RNG.uniform(0.15, 0.8, n)
    down = {
        f"task {t}": np.clip(law(x, 0.7, 1.3, 0.1 * t) + RNG.exponential(0.02, n), 0, 1) for t in range(tasks)
    }
    return transfer.model_table("up", x, down, **more)


def test_verdicts_of_tables_whose_truth_is_known():
    x = np.linspace(0.1, 0.8, 80)
    noise = 0.002 * RNG.standard_normal((3, 80))
    down = {"level": law(x, e_ir=0.3), "none": law(x, 0.9, 1.2, 0), "far": law(x, 0.8, 1.0, 0.05)}
    down = {name: y + e for (name, y), e in zip(down.items(), noise, strict=True)}
    fits = transfer.fit_tasks(transfer.model_table("up", x, down), resamples=100)
    assert [fit.laws["all"].verdict for fit in fits[:2]] == ["saturates", "does not"]
    few = transfer.model_table("up", x[60:66], {"few": down["far"][60:66]})
    [fit] = transfer.fit_tasks(few, resamples=100)
    assert fit.laws["all"].verdict == "not determined"


def test_spearman_and_reversals_equal_scipys():
    from scipy.stats import kendalltau, spearmanr

    found = table(3)
    every = np.column_stack([found.e_us, found.e_ds])
    np.testing.assert_allclose(transfer.spearman(found), spearmanr(every).statistic, atol=1e-12)
    found.e_ds[:10, 1] = np.nan
    expected = spearmanr(every[10:, [0, 2]]).statistic
    assert transfer.spearman(found)[0, 2] == pytest.approx(expected)
    for t, counted in enumerate(transfer.reversals(found)):
        own = found.pairs(t)
        tau = kendalltau(found.e_us[own], found.e_ds[own, t]).statistic  # no ties here
        assert 1 - 2 * counted.reversed / counted.pairs == pytest.approx(tau)


def test_prediction_is_of_models_above_the_threshold():
    x = np.linspace(0.2, 0.8, 200)
    exact = transfer.model_table("up", x, {"down": law(x)})
    [found] = transfer.predict(exact, below=0.5, draws=3)
    assert (found.below, found.above) == ((x >= 0.5).sum(), (x < 0.5).sum())
    assert [row.sampled for row in found.rows if row.fit == "all"] == [10, 20, 40, 80, 100]
    assert max(row.on_all.most for row in found.rows) < 1e-4
    with rejects("below"):
        transfer.predict(exact, below=0.1)


def test_a_size_that_matters_is_told_from_one_that_does_not():
    rng = np.random.default_rng(2)
    x = rng.uniform(0.15, 0.8, 300)
    size = np.exp(rng.normal(0, 2, 300) - 2 * x)  # larger models are better upstream
    matters = law(x) - 0.02 * np.log(size) + 0.01 * rng.standard_normal(300) + 0.1
    through = law(x) + 0.01 * rng.standard_normal(300)
    found = transfer.model_table("up", x, {"matters": matters, "through": through}, sizes={"size": size})
    one, other = transfer.size_effects(found, transfer.fit_tasks(found, resamples=20))
    assert one.log
    assert one.partial.low > 0.9
    assert one.left_with_size < 0.1 * one.left
    assert other.partial.low < 0 < other.partial.high


def test_groups_have_their_share_of_what_is_left():
    x = RNG.uniform(0.15, 0.8, 300)
    groups = RNG.integers(0, 6, 300)
    by_group = law(x) + 0.02 * groups + 0.005 * RNG.standard_normal(300)
    alike = law(x) + 0.02 * RNG.standard_normal(300)
    down = {"by group": by_group, "alike": alike}
    found = transfer.model_table("up", x, down, groups=[f"g{g}" for g in groups])
    one, other = transfer.group_effects(found, transfer.fit_tasks(found, resamples=20))
    assert one.between > 0.9
    assert other.between < 0.1


def test_intervals_of_whole_groups_are_wider_where_groups_move_together():
    rng = np.random.default_rng(4)
    x, kinds = np.repeat(rng.uniform(0.15, 0.8, 12), 20), np.repeat(np.arange(12), 20)
    y = law(x) + 0.03 * rng.standard_normal(12)[kinds] + 0.001 * rng.standard_normal(240)
    found = transfer.model_table(
        "up", x + 0.01 * rng.random(240), {"down": y}, groups=[f"g{k}" for k in kinds]
    )
    [rows], [groups] = (transfer.fit_tasks(found, 60, whole_groups=whole) for whole in (False, True))
    width = [fit.laws["all"].e_ir.high - fit.laws["all"].e_ir.low for fit in (rows, groups)]
    assert width[1] > 2 * width[0]
    index = transfer.resampled(found, np.arange(240), 10, 0, True)
    assert index.shape == (11, 240)
    assert all(len(set(kinds[row])) < 12 for row in index[1:])


def test_a_task_that_upstream_says_nothing_of_is_not_determined():
    rng = np.random.default_rng(6)
    found = transfer.model_table("up", E_US, {"down": 0.7 + 0.05 * rng.standard_normal(60)})
    [fit] = transfer.fit_tasks(found, resamples=40)
    assert fit.explained < 0.1
    assert {fit.laws[kind].verdict for kind in ("all", "frontier")} == {"not determined"}


def test_shots_are_read_from_names_and_followed():
    x = np.linspace(0.15, 0.8, 40)
    down = {f"pets@{s}": law(x, 0.5, 1.5, 0.3 - 0.05 * i) for i, s in enumerate((1, 5, 10, 20))}
    fits = transfer.fit_tasks(transfer.model_table("up", x, {**down, "cars": law(x)}), resamples=20)
    trends = {(t.fit, t.parameter): t for t in transfer.shot_trends(fits)}
    e_ir = trends["all", "e_ir"]
    assert (e_ir.name, e_ir.shots, e_ir.rises, e_ir.falls) == ("pets", [1, 5, 10, 20], 0, 3)
    assert e_ir.pearson == pytest.approx(np.corrcoef([1, 5, 10, 20], [0.3, 0.25, 0.2, 0.15])[0, 1], abs=1e-3)


def test_overlay_of_a_task_on_itself_has_no_gap():
    found = transfer.overlay(table(3))
    assert np.allclose(np.diag(found.gap), 0)
    assert np.diag(found.shared).tolist() == found.corners


@pytest.mark.parametrize("name", ["fits", "hull", "law", "models", "noise", "read", "shots", "simulate"])
def test_documented_examples(name):
    failed, attempted = doctest.testmod(importlib.import_module(f"scalax.transfer.{name}"))
    assert attempted > 0
    assert failed == 0


def test_a_result_reads_itself_back(tmp_path):
    from scalax.typed import to_json

    result = transfer.analyse(table(), resamples=20, draws=2)
    path = tmp_path / "transfer.json"
    path.write_text(records.dumps(to_json(result)))
    assert repr(transfer.read_result(path)) == repr(result)
    path.write_text('{"version": 0}')
    with rejects("version", path.name):
        transfer.read_result(path)
