"""Forecasts: against a known truth, their intervals, their promises, and the benchmark."""

import json

import numpy as np
import pytest

from scalax import laws
from scalax.laws import noise, posterior
from scalax.laws.benchmark import bench, read_published
from scalax.laws.curves import clean
from tests.rejects import rejects

X = np.geomspace(1e6, 1e9, 40)


def truth(x):
    return 0.1 + 40 * x**-0.3


@pytest.fixture(scope="module")
def forecasts():
    """Of a curve with a row held out, of the same one without, and of that in other units."""
    y = truth(X) * np.exp(0.01 * np.random.default_rng(0).standard_normal(40))
    held = laws.Curve(np.append(X, 5e9), np.append(y, 99.0), "known", np.append(np.ones(40, bool), False))
    return laws.forecast([held, laws.Curve(X, y), laws.Curve(1e-3 * X, 5 * y)])


@pytest.fixture(scope="module")
def forecast(forecasts):
    return forecasts[0]


def test_the_truth_is_inside_and_bands_widen(forecast):
    for level, (low, high) in forecast.intervals.items():
        assert (low < forecast.median).all()
        assert (forecast.median < high).all()
        if level >= 0.8:
            near_and_far = [0, 2]
            assert (low < truth(forecast.x))[near_and_far].all()
            assert (truth(forecast.x) < high)[near_and_far].all()
    width = np.diff(np.log(forecast.intervals[0.8]), axis=0)[0]
    assert width[2] > width[1] > width[0] > 2 * 1.28 * 0.005
    narrow, wide = (np.log(forecast.intervals[level]) for level in (0.5, 0.95))
    assert ((wide[1] - wide[0]) > 2 * (narrow[1] - narrow[0])).all()


def test_held_out_rows_are_not_seen(forecasts):
    np.testing.assert_array_equal(forecasts[1].median, forecasts[0].median)


def test_units_do_not_matter(forecasts):
    base, _, scaled = forecasts
    np.testing.assert_allclose(scaled.x, 1e-3 * base.x)
    np.testing.assert_allclose(scaled.median, 5 * base.median, rtol=1e-4)
    np.testing.assert_allclose(scaled.intervals[0.8], 5 * np.array(base.intervals[0.8]), rtol=1e-3)


def test_json_has_all_that_a_forecast_says(forecast):
    data = json.loads(json.dumps(forecast.to_json()))
    assert data["median"] == forecast.median.tolist()
    assert data["intervals"]["0.8"][0] == forecast.intervals[0.8][0].tolist()
    assert set(data["by_family"]) == set(data["limits"]) == {"m3", "m4", "bnsl"}
    assert data["stability"]["4"] == forecast.stability[4].tolist()


def test_reach_inverts_the_median(forecast):
    target = float(forecast.predict(np.array([3e9]))[0])
    reach = forecast.reach(target)
    assert reach.x == pytest.approx(3e9, rel=1e-2)
    assert reach.low < 3e9 < reach.high
    assert reach.why_not == ""
    out_of_reach = forecast.reach(1e-9)
    assert np.isnan(out_of_reach.x)
    assert out_of_reach.limit == forecast.limit
    assert out_of_reach.to_json()["why_not"]
    with rejects("`target`", -1):
        forecast.reach(-1)


def test_stability_and_parts(forecast):
    assert sorted(forecast.stability) == [4, 8, 12]
    assert all(np.abs(np.log(m / forecast.median)).max() < 0.3 for m in forecast.stability.values())
    assert set(forecast.by_family(forecast.x)) == {"m3", "m4", "bnsl"}
    assert 1 <= forecast.inflation <= 2


def test_bad_requests():
    for name, curve, more in (
        ("'short'", laws.Curve(X[:4], truth(X[:4]), "short"), {}),
        ("`at`", laws.Curve(X, truth(X)), {"at": [-1]}),
        ("`members`", laws.Curve(X, truth(X)), {"members": []}),
        ("'m1'", laws.Curve(X, truth(X)), {"members": ["m1"]}),  # declares no prior
    ):
        with rejects(name):
            laws.forecast([curve], **more)


def test_row_noise_is_found_and_smoothing_noticed():
    rng = np.random.default_rng(0)
    for sigma in (0.01, 0.03):
        rough, _ = clean(laws.Curve(X, truth(X) * np.exp(sigma * rng.standard_normal(40))))
        assert noise.row_noise(rough) == pytest.approx(sigma, rel=0.4)
    assert not noise.is_smoothed(rough)
    smooth, _ = clean(laws.Curve(X, truth(X)))
    assert noise.is_smoothed(smooth)
    assert noise.hidden_noise(curves=100) == pytest.approx(noise.HIDDEN, rel=0.35)


def test_discrepancy_covariance_is_that_of_an_integrated_wiener_process():
    points, _ = clean(laws.Curve(X, truth(X)))
    a = posterior.anchored(points)
    white = posterior.whitener(a)
    covariance = np.linalg.inv(white.T @ white)
    h = -a.points.log_x
    variance = np.diag(covariance) - a.noise**2
    np.testing.assert_allclose(variance, posterior.process_variance(a.tau, h), rtol=1e-6, atol=1e-10)
    steps = 4000
    grid = np.linspace(0, h[0], steps)
    early = np.maximum(h[0] - grid, 0)
    late = np.maximum(h[20] - grid, 0)
    np.testing.assert_allclose(covariance[0, 20], a.tau**2 * np.trapezoid(early * late, grid), rtol=1e-3)


def test_long_curves_are_thinned():
    x = np.geomspace(1e6, 1e9, 5000)
    points, _ = clean(laws.Curve(x, truth(x)))
    a = posterior.anchored(points)
    assert len(a.points.log_x) <= posterior.MOST_ROWS
    assert a.points.weights.sum() == 5000


def test_bench_scores_examples(shared_data):
    result = bench(laws.example_curves(), read_published(shared_data / "curves" / "published_rmsle.csv"))
    assert [row["Task"] for row in result.rows] == ["bird_10", "cal_5", "inet_10"]
    part = result.summary["domains"]["all"]["methods"]
    assert part["auto"]["mean"] == pytest.approx(np.mean([row["auto"] for row in result.rows]))
    assert sum(m["wins"] for m in part.values()) == pytest.approx(1)
    assert result.summary["published"]["curves"] == 3


def test_bench_needs_held_out_rows():
    with rejects("'all'", "`split`"):
        bench([laws.Curve(X, truth(X), "all")])


@pytest.mark.slow
def test_benchmark_numbers(shared_data):
    """The figures the README states, on the 45 curves."""
    files = [shared_data / "curves" / name for name in ("image_classification.csv", "language.csv")]
    result = bench([curve for file in files for curve in laws.read_curves(file)])
    image = result.summary["domains"]["IC"]
    means = {name: m["mean"] for name, m in image["methods"].items()}
    for name, wanted, worse in (("m1", 0.0985, 1.03), ("m3", 0.0542, 1.03), ("m2", 0.0715, 1.05)):
        assert means[name] <= wanted * worse
    assert means["m4"] <= 0.0360 * 1.05
    assert means["bnsl"] <= 0.0318 * 1.05
    assert means["auto"] <= 0.0245
    other = [row for row in result.rows if row["Domain"] != "IC"]
    best = min(np.mean([row[name] for row in other]) for name in ("m1", "m2", "m3", "m4", "bnsl"))
    assert np.mean([row["auto"] for row in other]) <= 1.15 * best
    for part in (image, result.summary["domains"]["all"]):
        assert 0.7 <= part["cover"]["cover80"] <= 0.9
        assert 0.9 <= part["cover"]["cover95"] <= 0.99
