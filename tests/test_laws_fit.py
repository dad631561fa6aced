"""Fitting against closed forms, scipy and known curves."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from scalax import laws
from tests.rejects import rejects

X = np.geomspace(1e6, 1e9, 30)
TRUE = {
    "m1": dict(b=3.0, c=-0.2),
    "m2": dict(e_inf=0.1, b=40.0, c=-0.3),
    "m3": dict(b=60.0, g=3e-9, c=-0.35),
    "m4": dict(e_inf=0.08, e_0=0.95, a=0.6, b=300.0, c=-0.4),
    "bnsl": dict(a=0.05, b=1.5, c0=0.05, c1=0.4, d1=3e7, f1=0.4),
    "shifted_power": dict(a=80.0, b=0.35, d=2e6, c=0.07),
}


def curve_of(family: str, x=X, **noise):
    law = laws.Law(laws.FAMILIES[family], laws.FAMILIES[family].internal(TRUE[family]))
    return laws.Curve(x, law.predict(x), family), law


@pytest.fixture(scope="module")
def noiseless():
    curves = {name: curve_of(name)[0] for name in TRUE}
    fits = laws.fit(list(curves.values()), list(TRUE))
    return dict(zip(TRUE, fits, strict=True))


@pytest.mark.parametrize("family", TRUE)
def test_noiseless_curves_return(noiseless, family):
    far = np.geomspace(1e6, 4e9, 50)
    truth = curve_of(family)[1].predict(far)
    fitted = noiseless[family][family]
    assert np.abs(np.log(fitted.predict(far)) - np.log(truth)).max() < 1e-6
    assert fitted.params == pytest.approx(TRUE[family], rel=1e-2)


@pytest.mark.parametrize("family", TRUE)
def test_inverse_and_slope(family):
    law = curve_of(family)[1]
    np.testing.assert_allclose(law.inverse(law.predict(X)), X, rtol=1e-6)
    step = 1e-5 * X
    difference = (law.predict(X + step) - law.predict(X - step)) / (2 * step)
    np.testing.assert_allclose(law.slope(X), difference, rtol=1e-5)
    if law.asymptote > 0:
        assert np.isnan(law.inverse(0.5 * law.asymptote))
    np.testing.assert_allclose(law.predict(1e60), law.asymptote, rtol=1e-3, atol=1e-3)


def test_published_forms():
    x = np.array([1e6, 1e8])
    t = TRUE["bnsl"]
    bnsl = t["a"] + t["b"] * x ** -t["c0"] * (1 + (x / t["d1"]) ** (1 / t["f1"])) ** (-t["c1"] * t["f1"])
    np.testing.assert_allclose(curve_of("bnsl")[1].predict(x), bnsl, rtol=1e-12)
    t = TRUE["m4"]
    y = curve_of("m4")[1].predict(x)
    np.testing.assert_allclose((y - t["e_inf"]) / (t["e_0"] - y) ** t["a"], t["b"] * x ** t["c"], rtol=1e-9)
    t = TRUE["m3"]
    np.testing.assert_allclose(curve_of("m3")[1].predict(x), t["b"] * (1 / x + t["g"]) ** -t["c"], rtol=1e-12)


def test_m1_is_the_regression_line():
    rng = np.random.default_rng(0)
    y = 3 * X**-0.2 * np.exp(0.05 * rng.standard_normal(30))
    [fits] = laws.fit([laws.Curve(X, y)], ["m1"])
    (slope, level), covariance = np.polyfit(np.log(X), np.log(y), 1, cov="unscaled")
    residual = np.log(y) - slope * np.log(X) - level
    error = np.sqrt(covariance[0, 0] * residual @ residual / 28)
    assert fits["m1"].params == pytest.approx({"b": np.exp(level), "c": slope}, rel=1e-8)
    assert fits["m1"].stderr["c"] == pytest.approx(error, rel=1e-6)
    assert fits["m1"].rmsle == pytest.approx(np.sqrt(np.mean(residual**2)))


@pytest.mark.parametrize("objective", ["sle", "huber"])
def test_scipy_finds_nothing_better(objective):
    rng = np.random.default_rng(1)
    curve, _ = curve_of("shifted_power")
    y = curve.y * np.exp(0.02 * rng.standard_normal(30))
    [fits] = laws.fit([laws.Curve(X, y)], ["shifted_power"], objective=objective)

    def log_y(q, x):  # a (x + d)^-b + c, in logs
        return np.logaddexp(q[3], q[0] - np.exp(q[1]) * np.logaddexp(np.log(x), q[2]))

    start = laws.FAMILIES["shifted_power"].internal(TRUE["shifted_power"])
    end = least_squares(
        lambda q: log_y(q, X) - np.log(y),
        start,
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
        max_nfev=5000,
        loss="huber" if objective == "huber" else "linear",
        f_scale=1e-3,
    )
    fitted = fits["shifted_power"]
    assert fitted.diagnostics["cost"] <= 2 * end.cost * (1 + 1e-5)
    if objective == "sle":
        np.testing.assert_allclose(fitted.predict(X), np.exp(log_y(end.x, X)), rtol=1e-4)


def test_huber_forgives_an_outlier():
    curve, _ = curve_of("m2")
    y = curve.y.copy()
    y[10] *= 1.5
    fits = {o: laws.fit([laws.Curve(X, y)], ["m2"], objective=o)[0]["m2"] for o in ("sle", "huber")}
    assert np.abs(np.log(fits["huber"].predict(X) / curve.y)).max() < 2e-3
    assert np.abs(np.log(fits["sle"].predict(X) / curve.y)).max() > 1e-2


def test_resamples_scatter_as_the_standard_error_says():
    rng = np.random.default_rng(2)
    y = 3 * X**-0.2 * np.exp(0.05 * rng.standard_normal(30))
    [fits] = laws.fit([laws.Curve(X, y)], ["m1"], resamples=200)
    slopes = [law.params["c"] for law in fits["m1"].resamples]
    assert np.std(slopes) == pytest.approx(fits["m1"].stderr["c"], rel=0.3)
    assert len(slopes) == 200


@pytest.mark.parametrize("objective", ["sle", "huber", "excess"])
def test_standard_errors_are_the_scatter_of_refits(objective):
    """Of M2's exponent, over curves that differ by their noise alone."""
    rng = np.random.default_rng(0)
    y = curve_of("m2")[0].y
    curves = [laws.Curve(X, y * np.exp(0.01 * rng.standard_normal(len(X)))) for _ in range(48)]
    fits = [each["m2"] for each in laws.fit(curves, ["m2"], objective=objective, starts=32)]
    scatter = np.std([fit.params["c"] for fit in fits])
    assert np.median([fit.stderr["c"] for fit in fits]) == pytest.approx(scatter, rel=0.35)


def test_standard_errors_under_huber_are_those_of_a_bootstrap():
    y = curve_of("m1")[0].y * np.exp(0.02 * np.random.default_rng(1).standard_normal(len(X)))
    [fits] = laws.fit([laws.Curve(X, y)], ["m1"], objective="huber", resamples=100)
    scatter = np.std([law.params["c"] for law in fits["m1"].resamples])
    assert fits["m1"].stderr["c"] == pytest.approx(scatter, rel=0.5)


def test_resample_log_is_even_in_log_x():
    x, y = laws.resample_log(X[::-1], 3 * X[::-1] ** -0.2, 7)
    np.testing.assert_allclose(np.diff(np.log(x)), np.log(1e3) / 6)
    np.testing.assert_allclose(y, 3 * x**-0.2)


def test_two_variables():
    n, d = np.meshgrid(np.geomspace(1e6, 1e8, 6), np.geomspace(1e8, 1e10, 6))
    x = np.stack([n.ravel(), d.ravel()], -1)
    y = 1.7 + 400 / x[:, 0] ** 0.34 + 410 / x[:, 1] ** 0.28
    [fits] = laws.fit([laws.Curve(x, y)], ["two_variables"])
    want = dict(E=1.7, A=400, alpha=0.34, B=410, beta=0.28)
    assert fits["two_variables"].params == pytest.approx(want, rel=1e-4)


def test_unknown_names_are_named():
    with rejects("'m33'", "'m3'"):
        laws.fit([curve_of("m3")[0]], ["m33"])
    with rejects("`objective`", "'hubr'", "'huber'"):
        laws.fit([curve_of("m3")[0]], ["m3"], objective="hubr")
    with rejects("`families`"):
        laws.fit([curve_of("m3")[0]], [])
