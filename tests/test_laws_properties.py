"""What must hold of any fit: recovery, and indifference to units, order and company."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from scalax import laws
from scalax.laws.batches import STORED, sobol, unit_points
from scalax.laws.curves import clean
from tests.rejects import check_line

X = np.geomspace(1e6, 1e9, 30)
MANY = np.geomspace(1e6, 1e9, 75)  # rows for the laws of many breaks
UPSTREAM = np.geomspace(0.02, 0.9, 30)  # an error, what `downstream` is a law of
GRID = np.stack(np.meshgrid(np.geomspace(1e6, 1e8, 6), np.geomspace(1e8, 1e10, 6)), -1).reshape(-1, 2)
STARTS = {"bnsl3": 256, "bnsl4": 1024}  # 64 miss about one law of three breaks in sixteen
RECOVERED = [
    *(
        "m1",
        "m2",
        "m3",
        "m4",
        "m4_alpha1",
        "bnsl0",
        "bnsl",
        "bnsl2",
        "shifted_power",
        "downstream",
        "two_variables",
    ),
    pytest.param("bnsl3", marks=pytest.mark.slow),
]
# Eight laws an example, fitted in one call. The first example is always the simplest one.
modest = settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


def unit(low, high):
    return st.floats(low, high, allow_nan=False)


@st.composite
def broken(draw, breaks):
    """BNSL whose breaks are all inside the data, apart from each other, and between unlike slopes."""
    slope = draw(unit(0.15, 0.5)) if breaks == 0 else draw(unit(0.0, 0.1))
    law = dict(a=draw(unit(0.02, 0.1)), b=draw(unit(0.3, 3.0)) * 1e6**slope, c0=slope)
    width = 3 / max(breaks, 1)  # decades of x for each break
    for i in range(1, breaks + 1):
        after = draw(unit(0.3, 0.7)) if i % 2 else draw(unit(0.0, 0.1))
        middle = draw(unit(0.35, 0.65) if breaks > 1 else unit(0.3, 0.7))
        law[f"c{i}"], slope = after - slope, after
        law[f"d{i}"] = 10 ** (6 + width * (i - 1 + middle))
        law[f"f{i}"] = draw(unit(0.05, 0.3) if breaks > 1 else unit(0.2, 0.8))
    return law


@st.composite
def parameters(draw, family):
    """Natural parameters of a law whose features show in the data."""
    if family.startswith("bnsl"):
        return draw(broken(int(family[4:] or 1)))
    c = -draw(unit(0.15, 0.5))
    scale = draw(unit(0.3, 3.0))
    if family == "m1":
        return dict(b=scale * 1e6**-c, c=c)
    if family == "m2":
        return dict(e_inf=draw(unit(0.05, 0.4)) * scale, b=scale * 1e6**-c, c=c)
    if family == "m3":
        return dict(b=scale * 1e6**-c, g=10 ** -draw(unit(7.5, 9.0)), c=c)
    if family in ("m4", "m4_alpha1"):
        law = dict(e_inf=draw(unit(0.05, 0.3)), e_0=draw(unit(0.8, 1.2)))
        law |= {"a": draw(unit(0.4, 1.5))} if family == "m4" else {}
        return {**law, "b": (10 ** draw(unit(6.5, 7.5))) ** -c, "c": c}
    if family == "downstream":
        return dict(e_ir=draw(unit(0.02, 0.3)), k=draw(unit(0.3, 1.0)), alpha=draw(unit(0.4, 3.0)))
    if family == "two_variables":
        alpha, beta = draw(unit(0.2, 0.5)), draw(unit(0.2, 0.5))
        tops = [draw(unit(0.5, 2.0)) for _ in range(2)]
        return dict(
            E=draw(unit(0.3, 2.0)), A=tops[0] * 1e6**alpha, alpha=alpha, B=tops[1] * 1e8**beta, beta=beta
        )
    return dict(a=scale * 1e6**-c, b=-c, d=10 ** draw(unit(5.5, 7.0)), c=draw(unit(0.03, 0.2)) * scale)


def rows_of(family):
    """x to fit on, and x there and up to 4 times beyond."""
    if family == "two_variables":
        return GRID, np.concatenate([GRID, 2 * GRID, 4 * GRID])
    if family == "downstream":
        return UPSTREAM, np.geomspace(UPSTREAM[0] / 4, 4 * UPSTREAM[-1], 60)
    return MANY if family in STARTS else X, np.geomspace(1e6, 4e9, 80)


def errors(family, truths):
    """Largest error in log y of each law fitted to its own noiseless rows: on them, and up to 4x beyond."""
    spec = laws.FAMILIES[family]
    known = [laws.Law(spec, spec.internal(truth)) for truth in truths]
    x, far = rows_of(family)
    fits = laws.fit([laws.Curve(x, law.predict(x)) for law in known], [spec], starts=STARTS.get(family, 64))
    pairs = [(fit[family], law) for fit, law in zip(fits, known, strict=True)]
    return np.array(
        [[np.abs(np.log(f.predict(at) / k.predict(at))).max() for at in (x, far)] for f, k in pairs]
    )


@pytest.mark.parametrize("family", RECOVERED)
@modest
@given(data=st.data())
def test_noiseless_curves_are_recovered(family, data):
    truths = data.draw(st.lists(parameters(family), min_size=8, max_size=8))
    assert errors(family, truths).max() < 1e-6


@pytest.mark.slow
@modest
@given(truths=st.lists(parameters("bnsl4"), min_size=8, max_size=8))
def test_most_laws_of_four_breaks_are_recovered(truths):
    """The rows do determine the fifteen parameters: where the search ends in the right valley, the law is
    back to rounding. But 1024 starts miss that valley for about one law in four, which 1e-6 cannot be
    asked of; all of them meet their rows to 1%."""
    on, far = errors("bnsl4", truths).T
    assert (far < 1e-6).mean() >= 0.5
    assert (far[on < 1e-9] < 1e-6).all()
    assert on.max() < 0.01


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


def test_exact_copies_count_once():
    y = noisy()
    twice = laws.Curve(np.repeat(X, 2), np.repeat(y, 2))
    points, notes = clean(twice)
    assert len(points.log_x) == 30
    [note] = notes
    check_line(note, 30)
    [once], [double] = laws.fit([laws.Curve(X, y)], ["m2"]), laws.fit([twice], ["m2"])
    assert double["m2"].params == pytest.approx(once["m2"].params, rel=1e-9)
    assert double["m2"].stderr == pytest.approx(once["m2"].stderr, rel=1e-6)


def test_hygiene_is_reported():
    y = noisy()
    _, notes = clean(laws.Curve(np.append(X[::-1], [0, 5]), np.append(y[::-1], [1, np.nan])))
    left_out, unsorted = notes
    check_line(left_out, 2)
    check_line(unsorted, "x")
    _, notes = clean(laws.Curve(X, 1 - y))
    [note] = notes
    check_line(note, "1 - y")
    _, notes = clean(laws.Curve(X, np.append([0.5 * y[0], 0.8 * y[0]], y[2:])))
    [note] = notes
    check_line(note, "first 2 rows")
    assert len(clean(laws.Curve(X, 0 * X + 0.5))[1]) == 1
    [fits] = laws.fit([laws.Curve(X[:3], y[:3])], ["m4"])
    assert laws.Flag("too_few_points", numbers={"points": 3, "parameters": 5}) in fits["m4"].flags


def test_bnsl_rises_and_drops():
    spec = laws.FAMILIES["bnsl2"]
    bump = laws.Law(
        spec, spec.internal(dict(a=0.05, b=5.0, c0=0.2, c1=-0.5, c2=0.6, d1=1e7, d2=1e8, f1=0.1, f2=0.1))
    )
    y = bump.predict(X)
    assert (np.diff(y) > 0).any()
    [fits] = laws.fit([laws.Curve(X, y)], ["bnsl2"])
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


def test_the_lower_of_two_valleys_is_found(shared_data):
    """Ten rows have a second optimum at three times the cost, which predicts the next row worse."""
    curve = laws.read_curves(shared_data / "curves" / "language.csv")[0]
    for seed in (0, 3, 7):
        [fits] = laws.fit([curve], ["bnsl"], seed=seed)
        assert fits["bnsl"].diagnostics["cost"] == pytest.approx(5.5226e-4, rel=1e-3)
        assert fits["bnsl"].rmsle_held_out < 1e-3


def test_breaks_are_chosen_by_the_tail():
    law = laws.Law(
        laws.FAMILIES["bnsl"],
        laws.FAMILIES["bnsl"].internal(dict(a=0.05, b=1.5, c0=0.05, c1=0.6, d1=1e7, f1=0.1)),
    )
    y = law.predict(X) * np.exp(0.005 * np.random.default_rng(0).standard_normal(30))
    choice = laws.choose_breaks(laws.Curve(X, y), most=1)
    assert choice.scores[1, 0.0] < choice.scores[0, 0.0]
    assert choice.fit.rmsle < 0.01


@pytest.mark.parametrize("k", [2, 3, 6])
def test_stored_points_are_those_of_scipy(k):
    for n in (5, STORED):
        np.testing.assert_array_equal(unit_points(n, k, 0), sobol(n, k, 0))
    assert len(unit_points(2 * STORED, k, 0)) == 2 * STORED
