"""Curves of one file that tell of each other, and curves of which little was seen."""

import numpy as np
import pytest

from scalax import laws
from scalax.cli import main
from scalax.laws.anchored import anchored
from scalax.laws.curves import clean
from scalax.laws.effects import Told, left_out, shares
from scalax.laws.noise import fewness, is_smoothed, noise_behind, row_noise
from scalax.laws.pooling import few_to_pool, groups_of
from scalax.laws.simulated import LAST, Design, draw, draw_family
from tests.rejects import rejected, rejects

X = np.geomspace(1e6, 1e9, 12)


def curve(task="", y=None, **key):
    y = 0.1 + 40 * X**-0.3 if y is None else y
    return laws.Curve(X[: len(y)], y, task, key={"task": task, **key} if task else {})


def told_of(seed, n, m):
    rng = np.random.default_rng(seed)
    precision = np.stack([np.cov(rng.normal(size=(m, 5))) for _ in range(n)])
    return Told(precision, 2 * rng.normal(size=(n, m)))


def test_what_others_leave_open_is_the_conditional_of_all_curves_together():
    n, m = 12, 2
    told, groups = told_of(0, n, m), np.stack([np.zeros(n, int), 1 + np.arange(n) % 3], 1)
    rho = np.array([[0.3, 0.1], [0.4, 0.0]])
    alike = groups[:, 1][:, None] == groups[:, 1]
    together = rho[0] + rho[1] * alike[..., None] + (1 - rho.sum(0)) * np.eye(n)[..., None]
    prior = np.einsum("ijc,cd->icjd", together, np.eye(m)).reshape(n * m, -1)
    mean, covariance = left_out(told, groups, rho)
    for i in (0, 7):
        rows = np.zeros((n, m, n, m))
        rows[range(n), :, range(n)] = told.precision
        rows[i, :, i] = 0
        score = told.score.copy()
        score[i] = 0
        posterior = np.linalg.inv(np.linalg.inv(prior) + rows.reshape(n * m, -1)).reshape(n, m, n, m)
        np.testing.assert_allclose(covariance[i], posterior[i, :, i], atol=1e-12)
        np.testing.assert_allclose(mean[i], np.einsum("cjd,jd->c", posterior[i], score), atol=1e-12)


@pytest.mark.parametrize(("own", "common"), [(1.0, 0.0), (0.1, 1.0)])
def test_shares_are_found(own, common):
    rng, n = np.random.default_rng(1), 60
    z = common * np.array([1.5, -1.0]) + own * rng.normal(size=(n, 2))
    precision = np.tile(25 * np.eye(2), (n, 1, 1))
    rho = shares(Told(precision, 25 * (z + 0.2 * rng.normal(size=(n, 2)))), np.zeros((n, 1), int))
    assert (rho < 0.25).all() if common == 0 else (rho > 0.9).all()


def test_curves_that_are_told_nothing_keep_their_prior():
    mean, covariance = left_out(told_of(2, 4, 3), np.zeros((4, 1), int), np.zeros((1, 3)))
    np.testing.assert_array_equal(mean, np.zeros((4, 3)))
    np.testing.assert_allclose(covariance, np.tile(np.eye(3), (4, 1, 1)))


def test_groups():
    curves = [curve("a", run="1"), curve("a", run="2"), curve("a", run="3"), curve("b", run="4")]
    assert groups_of(curves, []).tolist() == [[0], [0], [0], [0]]
    assert groups_of(curves, ["task"]).tolist() == [[0, 1], [0, 1], [0, 1], [0, 2]]
    np.testing.assert_array_equal(groups_of(curves, "*"), groups_of(curves, ["task"]))  # each run is alone
    flags = few_to_pool(curves, ["task"])
    assert [[(f.kind, f.parameter, f.numbers) for f in own] for own in flags] == [
        *[[]] * 3,
        [("small_group", "task", {"curves": 1})],
    ]
    assert few_to_pool(curves, "*") == [[]] * 4
    assert [own[0].kind for own in few_to_pool(curves[:2], [])] == ["not_pooled"] * 2
    with rejects("`pool`", "'tsk'", "task"):
        laws.forecast(curves, pool=["tsk"])


@pytest.mark.slow
def test_a_family_helps_and_strangers_do_no_harm():
    x, design = np.array([10 * LAST]), Design(rows=8, decades=2.0, noise=0.03)
    family = draw_family("m2", 10, design, 0)
    strangers = [truth for law in ("power", "m4", "bnsl") for truth in draw(law, 1, design, 0)]
    alone, pooled = ([], []), ([], [])
    for truths, places in ((family, 0), (strangers, 1)):
        curves = [truth.curve for truth in truths]
        true = np.array([truth.log_y(np.log(x))[0] for truth in truths])
        for found, pool in ((alone, None), (pooled, ())):
            made = laws.forecast(curves, x, pool=pool)
            found[places].extend(np.log([f.median[0] for f in made]) - true)
            if pool is not None and truths is family:
                inside = [f.interval(x, 0.8, False) for f in made]
                held = [low < np.exp(t) < high for (low, high), t in zip(inside, true, strict=True)]
                assert np.mean(held) >= 0.7
    rms = [[np.sqrt(np.mean(np.square(part))) for part in found] for found in (alone, pooled)]
    assert rms[1][0] < 0.75 * rms[0][0]
    assert rms[1][1] < 1.2 * rms[0][1]


def test_commands_refuse_what_does_not_apply(tmp_path, capsys):
    path = tmp_path / "runs.csv"
    path.write_text("step,loss\n" + "".join(f"{x},{2 + 30 / x}\n" for x in range(10, 200, 10)))
    assert main(["forecast", str(path), "--pool", "task", "--out", str(tmp_path)]) == 2
    rejected(capsys, "--pool", "'task'")
    assert main(["bench", "--simulated", "--pool", "", "--out", str(tmp_path)]) == 2
    rejected(capsys, "--pool")


def test_a_curve_that_grows_steeper_is_told_by_its_last_part():
    x = np.geomspace(1e6, 1e9, 30)
    plateau = anchored(clean(laws.Curve(x, 1 / (1 + (x / 3e8) ** 0.8)))[0])
    assert plateau.grows_steeper
    assert 1.2 * plateau.points.extent.steepness < plateau.steepness < 0.8
    for slope, limit in ((0.3, 0.0), (0.3, 0.1)):
        y = 40 * x**-slope + limit
        noisy = y * np.exp(0.05 * np.random.default_rng(0).standard_normal(30))
        assert not anchored(clean(laws.Curve(x, y))[0]).grows_steeper
        assert not anchored(clean(laws.Curve(x, noisy))[0]).grows_steeper


def test_the_best_so_far_is_smoothed_however_few_the_rows_are():
    best = np.array([0.85, 0.77, 0.75, 0.74, 0.74, 0.74, 0.74, 0.74, 0.74])
    points, _ = clean(curve(y=best))
    assert is_smoothed(points)
    assert noise_behind(points) > 3 * row_noise(points)
    assert not is_smoothed(clean(curve(y=np.full(9, 0.7)))[0])  # flat
    ups_and_downs = best.copy()
    ups_and_downs[6] = 0.745
    assert not is_smoothed(clean(curve(y=ups_and_downs))[0])


def test_few_rows_widen_bands():
    widths = [fewness(clean(curve(y=(0.1 + 40 * X**-0.3)[:rows]))[0]) for rows in (5, 6, 12)]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] == pytest.approx(2.4, abs=0.01)
