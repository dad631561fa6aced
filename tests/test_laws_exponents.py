"""Exponents by law and curve, peaks under noise, M4 with alpha 1, and their commands."""

import json
from pathlib import Path

import numpy as np
import pytest

from scalax import laws
from scalax.cli import main
from scalax.laws import ablation
from scalax.laws.excess import excess_risk, steadiness
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


def test_the_slope_of_the_excess_is_the_exponent():
    fit = X < 1e5
    curve = laws.Curve(X, 0.1 + 3 * X**-0.4, "c", fit)
    made = excess_risk(curve, "m2", 0.1)
    assert made.slope.value == pytest.approx(-0.4, abs=1e-6)
    assert made.held_out.value == pytest.approx(-0.4, abs=1e-6)
    assert np.exp(made.slope.level) == pytest.approx(3, rel=1e-4)
    [steady] = steadiness([made, made])
    assert (steady.law, steady.curves, steady.ratio[0]) == ("m2", 2, pytest.approx(1.0))
    assert (made.left_out, made.slope.rows, made.held_out.rows) == (0, fit.sum() // 2, (~fit).sum())
    above = excess_risk(curve, "m2", float(curve.y[-5]))
    assert above.left_out == 5
    assert len(above.x) == len(above.excess) == len(above.fit) == len(X) - 5
    assert np.isnan(excess_risk(curve, "m2", float(curve.y[2])).slope.value)


def test_intervals_of_slopes_hold_the_exponent():
    rng, inside = np.random.default_rng(0), 0
    for _ in range(200):
        y = (0.1 + 3 * X**-0.4) * np.exp(0.005 * rng.standard_normal(len(X)))
        slope = excess_risk(laws.Curve(X, y), "m2", 0.1).slope
        inside += slope.low <= -0.4 <= slope.high
    assert 0.7 <= inside / 200 <= 0.9


def test_laws_by_group():
    rows = [("a", "t", 0.2, 0.1), ("a", "u", 0.4, 0.1), ("b", "t", 0.1, 0.1)] * 3
    scores = [
        ablation.LawScores(f"{i}", {"Domain": d, "Task": t, "Model": f"{i}"}, {"m2": x, "m4": y})
        for i, (d, t, x, y) in enumerate(rows)
    ]
    groups = {each.group: each for each in ablation.by_group(scores)}
    assert set(groups) == {(), ("a",), ("b",), ("a", "t"), ("a", "u"), ("b", "t")}
    assert (groups[()].curves, groups["a", "t"].curves) == (9, 3)
    assert groups["a",].mean == pytest.approx({"m2": 0.3, "m4": 0.1})
    assert groups[()].wins == pytest.approx({"m2": 1 / 6, "m4": 5 / 6})
    ratio = groups[()].over_last["m2"]
    assert ratio.value == pytest.approx(2.0)
    assert ratio.low < 2.0 < ratio.high
    assert np.isnan(groups["a", "t"].over_last["m2"].value)
    with rejects("'c'", "split"):
        ablation.score([laws.Curve(X, X**-0.3, "c")], ["m2"])


def test_commands(tmp_path, capsys):
    lines = ["x,loss", *(f"{x},{y}" for x, y in zip(X, with_peak(0.005, 1).y, strict=True))]
    (tmp_path / "c.csv").write_text("\n".join(lines))
    assert main(["fit", str(tmp_path / "c.csv"), "--laws", "m2", "--until-peak", "--out", str(tmp_path)]) == 0
    [fit] = json.loads((tmp_path / "fit.json").read_text())
    assert fit["diagnostics"]["points"] < len(X)
    assert "begins to rise" in capsys.readouterr().out
    asked = ["--laws", "m1,m2", "--out", str(tmp_path / "e")]
    assert main(["exponents", "--example", *asked, "--profile", "--excess"]) == 0
    data = json.loads((tmp_path / "e" / "exponents.json").read_text())
    assert len(data["exponents"]) == 6
    assert data["contrasts"][0]["first"] == "m2"
    found = {path.name for path in (tmp_path / "e").glob("*.png")}
    assert found == {"exponents.png", "profiles.png", "excess.png"}
    excess = json.loads((tmp_path / "e" / "excess.json").read_text())
    assert [each["limit"] for each in excess["excess"]] == [each["limit"] for each in data["exponents"]]
    assert len((tmp_path / "e" / "excess.csv").read_text().splitlines()) > 6 * 10
    source = str(Path(laws.__file__).with_name("example_curves.csv"))
    assert main(["bench", source, "--laws", "m1,m2", "--out", str(tmp_path / "b")]) == 0
    groups = json.loads((tmp_path / "b" / "laws.json").read_text())
    assert groups[0]["group"] == []
    assert set(groups[0]["mean"]) == {"m1", "m2"}
    assert main(["bench", source, "--laws", "m1", "--cut", "0.5"]) == 2
