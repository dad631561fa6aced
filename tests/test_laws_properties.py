"""What must hold of any fit: recovery, and indifference to units, order and company."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalax import laws
from scalax.laws.curves import clean

X = np.geomspace(1e6, 1e9, 30)
FAMILIES = ["m1", "m2", "m3", "m4", "bnsl", "shifted_power"]
modest = settings(
    max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def unit(low, high):
    return st.floats(low, high, allow_nan=False)


@st.composite
def parameters(draw, family):
    """Natural parameters of a falling curve whose features show between 1e6 and 1e9."""
    c = -draw(unit(0.15, 0.5))
    scale = draw(unit(0.3, 3.0))
    if family == "m1":
        return dict(b=scale * 1e6**-c, c=c)
    if family == "m2":
        return dict(e_inf=draw(unit(0.05, 0.4)) * scale, b=scale * 1e6**-c, c=c)
    if family == "m3":
        return dict(b=scale * 1e6**-c, g=10 ** -draw(unit(7.5, 9.0)), c=c)
    if family == "m4":
        return dict(
            e_inf=draw(unit(0.05, 0.3)),
            e_0=draw(unit(0.8, 1.2)),
            a=draw(unit(0.4, 1.5)),
            b=(10 ** draw(unit(6.5, 7.5))) ** -c,
            c=c,
        )
    if family == "bnsl":
        return dict(
            a=draw(unit(0.02, 0.1)),
            b=scale,
            c0=draw(unit(0.0, 0.1)),
            c1=draw(unit(0.2, 0.6)),
            d1=10 ** draw(unit(7.0, 8.0)),
            f1=draw(unit(0.2, 0.8)),
        )
    return dict(a=scale * 1e6**-c, b=-c, d=10 ** draw(unit(5.5, 7.0)), c=draw(unit(0.03, 0.2)) * scale)


@pytest.mark.parametrize("family", FAMILIES)
@modest
@given(data=st.data())
def test_a_noiseless_curve_is_recovered(family, data):
    truth = data.draw(parameters(family))
    law = laws.Law(laws.FAMILIES[family], laws.FAMILIES[family].internal(truth))
    [fits] = laws.fit([laws.Curve(X, law.predict(X))], [family])
    far = np.geomspace(1e6, 4e9, 40)
    assert np.abs(np.log(fits[family].predict(far) / law.predict(far))).max() < 1e-6


def noisy(seed=0):
    rng = np.random.default_rng(seed)
    y = (0.1 + 40 * X**-0.3) * np.exp(0.02 * rng.standard_normal(len(X)))
    return y


@pytest.mark.parametrize("family", ["m2", "m4"])
def test_units_and_order_do_not_matter(family):
    y = noisy()
    [base] = laws.fit([laws.Curve(X, y)], [family])
    mixed = np.random.default_rng(1).permutation(len(X))
    [shuffled] = laws.fit([laws.Curve(X[mixed], y[mixed])], [family])
    [scaled] = laws.fit([laws.Curve(1e-4 * X, 7 * y)], [family])
    np.testing.assert_allclose(shuffled[family].predict(X), base[family].predict(X), rtol=1e-12)
    np.testing.assert_allclose(scaled[family].predict(1e-4 * X), 7 * base[family].predict(X), rtol=1e-6)
    assert scaled[family].params["e_inf"] == pytest.approx(7 * base[family].params["e_inf"], rel=1e-4)


def test_batched_equals_looped():
    curves = [laws.Curve(X, noisy(seed), str(seed)) for seed in range(3)]
    for one, alone in zip(laws.fit(curves, ["m2", "m3"]), curves, strict=True):
        [looped] = laws.fit([alone], ["m2", "m3"])
        assert all(one[name].params == pytest.approx(looped[name].params, rel=1e-9) for name in one)


@pytest.mark.slow
def test_bfgs_agrees():
    curve = laws.Curve(X, noisy())
    found = [laws.fit([curve], ["m2"], solver=solver, starts=16)[0]["m2"] for solver in ("lm", "bfgs")]
    assert found[1].diagnostics["cost"] == pytest.approx(found[0].diagnostics["cost"], rel=1e-3)


def test_duplicates_are_weights():
    y = noisy()
    twice = laws.Curve(np.repeat(X, 2), np.repeat(y, 2))
    points, notes = clean(twice)
    assert len(points.log_x) == 30
    assert "30 rows are exact duplicates" in notes[0]
    [once], [double] = laws.fit([laws.Curve(X, y)], ["m2"]), laws.fit([twice], ["m2"])
    assert double["m2"].params == pytest.approx(once["m2"].params, rel=1e-9)


def test_hygiene_is_reported():
    y = noisy()
    _, notes = clean(laws.Curve(np.append(X[::-1], [0, 5]), np.append(y[::-1], [1, np.nan])))
    assert any("2 rows with a non-positive or non-finite value" in note for note in notes)
    assert any("not sorted" in note for note in notes)
    _, notes = clean(laws.Curve(X, 1 - y))
    assert "if it is an accuracy" in notes[0]
    _, notes = clean(laws.Curve(X, np.append([0.5 * y[0], 0.8 * y[0]], y[2:])))
    assert "warm-up" in notes[0]
    [fits] = laws.fit([laws.Curve(X[:3], y[:3])], ["m4"])
    assert any("too few points: 3 for 5" in flag for flag in fits["m4"].flags)


def test_bnsl_rises_and_drops():
    spec = laws.FAMILIES["bnsl2"]
    bump = laws.Law(
        spec, spec.internal(dict(a=0.05, b=5.0, c0=0.2, c1=-0.5, c2=0.6, d1=1e7, d2=1e8, f1=0.1, f2=0.1))
    )
    y = bump.predict(X)
    assert (np.diff(y) > 0).any()
    [fits] = laws.fit([laws.Curve(X, y)], ["bnsl2"], starts=256)
    assert fits["bnsl2"].rmsle < 1e-3


def test_addition_has_the_published_break(shared_data):
    [curve] = laws.read_curves(shared_data / "curves" / "addition4.csv")
    # The published fit minimises log(1 + y); squared log error alone has its optimum elsewhere.
    published = dict(a=0.413885, b=2.27727, c0=0.055077, c1=5.66290, d1=612.584, f1=0.059193)
    [fits] = laws.fit([curve], ["bnsl"], objective="sle1p")
    assert fits["bnsl"].params == pytest.approx(published, rel=3e-3)
    assert fits["bnsl"].rmsle_held_out <= 1.1e-2
    [fits] = laws.fit([curve], ["bnsl"])
    assert fits["bnsl"].params["d1"] == pytest.approx(612.584, rel=0.03)
    assert fits["bnsl"].rmsle_held_out <= 1.12e-2


def test_breaks_are_chosen_by_the_tail():
    law = laws.Law(
        laws.FAMILIES["bnsl"],
        laws.FAMILIES["bnsl"].internal(dict(a=0.05, b=1.5, c0=0.05, c1=0.6, d1=1e7, f1=0.1)),
    )
    y = law.predict(X) * np.exp(0.005 * np.random.default_rng(0).standard_normal(30))
    choice = laws.choose_breaks(laws.Curve(X, y), most=1)
    assert choice.scores[1, 0.0] < choice.scores[0, 0.0]
    assert choice.fit.rmsle < 0.01
