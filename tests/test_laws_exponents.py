"""Exponents by law and curve, peaks under noise, M4 with alpha 1, and their commands."""

import json

import numpy as np
import pytest

from scalax import laws
from scalax.cli import main
from scalax.laws.exponents import Exponent, contrast, exponents
from scalax.laws.profile import profile
from tests.rejects import rejects

X = np.geomspace(1e3, 1e6, 40)


def with_peak(noise, seed, rise=0.15):
    """Falls to x = 1e5, and rises after."""
    u = np.log(X / 1e5)
    y = 0.3 * np.exp(-0.25 * u + (0.25 + rise) * np.where(u > 0, u, 0))
    return laws.Curve(X, y * np.exp(noise * np.random.default_rng(seed).standard_normal(len(X))), "c")


def test_exponents_of_known_laws():
    curves = [laws.Curve(X, 0.1 + 3 * X**-c, f"c{c}", key={"task": f"{c}"}) for c in (0.3, 0.5)]
    found = exponents(curves, ["m2"])
    assert [each.c for each in found] == pytest.approx([0.3, 0.5], rel=1e-3)
    assert [each.key for each in found] == [{"task": "0.3"}, {"task": "0.5"}]
    assert all(each.low <= each.c <= each.high for each in found)
    with rejects("'bnsl'", "c"):
        exponents(curves, ["bnsl"])


def test_contrasts_are_of_the_same_curves():
    rows = [("a", "m4", 0.6), ("a", "m2", 0.3), ("b", "m4", 0.4), ("b", "m2", 0.2), ("c", "m4", 9.0)]
    made = contrast([Exponent(n, {}, law, c, c, c, 0.0, True) for n, law, c in rows], "m4", "m2")
    assert made.curves == 2
    assert made.ratio == pytest.approx((2, 2, 2))
    assert made.share == (1, 1, 1)


def test_alpha_one_is_m4_with_a_of_1():
    params = {"e_inf": 0.1, "e_0": 0.9, "b": 20.0, "c": -0.4}
    family, whole = laws.FAMILIES["m4_alpha1"], laws.FAMILIES["m4"]
    law = laws.Law(family, family.internal(params))
    other = laws.Law(whole, whole.internal({**params, "a": 1.0}))
    assert law.predict(X) == pytest.approx(other.predict(X), rel=1e-9)
    assert law.inverse(law.predict(X)) == pytest.approx(X, rel=1e-6)


def test_peaks_are_found_under_noise():
    for seed in range(20):
        peak = laws.until_peak(with_peak(0.01, seed))
        assert peak.x == pytest.approx(1e5, rel=0.6)
        assert peak.low <= peak.x * 1.3
        assert peak.high >= peak.x / 1.3
    kept = laws.before_peak(with_peak(0.01, 0), laws.until_peak(with_peak(0.01, 0)))
    assert kept.x[kept.fit].max() <= 1.6e5


def test_no_peak_is_an_answer():
    found = [laws.until_peak(laws.Curve(X, 0.1 + 3 * X**-0.3 * np.exp(0.02 * e))) for e in
             np.random.default_rng(0).standard_normal((40, len(X)))]  # fmt: skip
    assert sum(peak.found for peak in found) <= 3
    curve = laws.Curve(X, X**-0.3)
    assert laws.before_peak(curve, laws.until_peak(curve)) is curve
    with rejects("'few'", 8):
        laws.until_peak(laws.Curve(X[:5], X[:5] ** -0.3, "few"))


def test_best_fit_and_best_extrapolation():
    fit = X < 1e5
    curve = laws.Curve(X, 0.05 + 3 * X**-0.4, "c", fit)
    made = profile(curve)
    assert made.best_fit == pytest.approx(0.4, rel=0.1)
    assert made.best_extrapolation == pytest.approx(0.4, rel=0.1)
    bent = laws.Curve(X, 0.05 + 3 * X**-0.3 / (1 + (X / 1e5) ** 0.4), "c", fit)
    made = profile(bent)
    assert made.best_extrapolation != made.best_fit
    assert made.lost > 1.5
    with rejects("'c'", "split"):
        profile(laws.Curve(X, X**-0.3, "c"))


def test_commands(tmp_path, capsys):
    lines = ["x,loss", *(f"{x},{y}" for x, y in zip(X, with_peak(0.005, 1).y, strict=True))]
    (tmp_path / "c.csv").write_text("\n".join(lines))
    assert main(["fit", str(tmp_path / "c.csv"), "--laws", "m2", "--until-peak", "--out", str(tmp_path)]) == 0
    [fit] = json.loads((tmp_path / "fit.json").read_text())
    assert fit["diagnostics"]["points"] < len(X)
    assert "begins to rise" in capsys.readouterr().out
    assert main(["exponents", "--example", "--laws", "m1,m2", "--profile", "--out", str(tmp_path / "e")]) == 0
    data = json.loads((tmp_path / "e" / "exponents.json").read_text())
    assert len(data["exponents"]) == 6
    assert data["contrasts"][0]["first"] == "m2"
    assert {path.name for path in (tmp_path / "e").glob("*.png")} == {"exponents.png", "profiles.png"}
