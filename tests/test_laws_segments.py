"""Broken laws taken apart, and breaks chosen by the end of the rows to fit."""

import csv
import json

import numpy as np
import pytest

from scalax import laws
from scalax.cli import main
from scalax.laws.segments import segments_of
from scalax.laws.select import CROPS, choose_all
from tests.rejects import rejected, rejects

TWO = laws.FAMILIES["bnsl2"]
PARAMS = dict(a=0.05, b=2.0, c0=0.1, c1=0.9, c2=-1.6, d1=1e3, d2=1e6, f1=0.05, f2=0.1)
X = np.geomspace(10, 1e8, 71)


def law_with(**changes) -> laws.Law:
    return laws.Law(TWO, TWO.internal(PARAMS | changes), (float(np.log(X[0])), float(np.log(X[-1]))))


@pytest.mark.parametrize("swapped", [False, True])
def test_segments_are_the_law_away_from_its_breaks(swapped):
    """In whatever order the breaks are."""
    turned = dict(c1=-1.6, c2=0.9, d1=1e6, d2=1e3, f1=0.1, f2=0.05) if swapped else {}
    law = law_with(**turned)
    made = segments_of(law, laws.Curve(X, law.predict(X)))
    assert made.limit == pytest.approx(0.05)
    assert [s.exponent for s in made.segments] == pytest.approx([0.1, 1.0, -0.6])
    assert [s.first_x for s in made.segments] == pytest.approx([0, 1e3, 1e6])
    assert [s.last_x for s in made.segments] == pytest.approx([1e3, 1e6, np.inf])
    assert sum(s.rows for s in made.segments) == len(X)
    for segment, x in zip(made.segments, (30.0, 3e4, 3e7), strict=True):
        assert made.limit + segment.excess(x) == pytest.approx(law.predict(x), rel=1e-3)
        assert segment.actual == pytest.approx(segment.exponent, abs=0.02)
    assert [b.x for b in made.breaks] == pytest.approx([1e3, 1e6])
    assert [b.change for b in made.breaks] == pytest.approx([0.9, -1.6])


def test_a_break_does_four_fifths_of_its_change_within_its_width():
    law = law_with(a=1e-30)
    first, _ = segments_of(law, laws.Curve(X, law.predict(X))).breaks
    assert first.last_x / first.first_x == pytest.approx(81**first.f)
    slopes = [law.slope(x) * x / law.predict(x) for x in (first.first_x, first.last_x)]
    assert slopes == pytest.approx([-0.1 - 0.09, -0.1 - 0.81], abs=1e-3)


def test_a_segment_without_rows_says_so():
    law = law_with(d2=1e12)
    made = segments_of(law, laws.Curve(X, law.predict(X)))
    assert [s.rows > 0 for s in made.segments] == [True, True, False]
    assert np.isnan(made.segments[2].actual)
    with rejects("m2"):
        segments_of(laws.Law(laws.FAMILIES["m2"], np.zeros(3)), laws.Curve(X, X))


def test_choices_see_neither_held_out_rows_nor_unusable_ones():
    law = law_with(d1=1e4, d2=1e12)
    y = law.predict(X) * np.exp(0.01 * np.random.default_rng(0).standard_normal(len(X)))
    fit = X < 1e6
    plain = laws.Curve(X, y, "plain", fit)
    other = laws.Curve(X, np.where(fit, y, 7.0), "other", fit)
    odd = laws.Curve([*X, 3e3, np.nan], [*y, -1.0, 1.0], "odd", [*fit, True, True])
    first, second, third = choose_all([plain, other, odd], 1, starts=16)
    assert first.scores == second.scores == third.scores
    assert set(first.scores) == {(n, crop) for n in (0, 1) for crop in CROPS}
    assert first.fit.rmsle_held_out != second.fit.rmsle_held_out
    assert first.tail_x < 1e6
    assert first.first_x in first.begins.values()
    assert (
        min(first.scores.values())
        == first.scores[first.breaks, next(crop for crop, x in first.begins.items() if x == first.first_x)]
    )


def test_rows_of_one_x_are_not_split_between_head_and_tail():
    x = np.repeat(np.geomspace(1, 100, 10), 3)
    [choice] = choose_all([laws.Curve(x, x**-0.5 * np.tile([1, 1.01, 0.99], 10))], 0, starts=8)
    assert choice.tail_x == pytest.approx(np.geomspace(1, 100, 10)[8])
    with rejects("short", "10", "9"):
        laws.choose_breaks(laws.Curve(x[:9], x[:9], "short"))


def test_fit_takes_laws_apart_and_chooses_breaks(tmp_path, capsys):
    law = law_with(d2=1e12)
    rows = ["x,loss", *(f"{x:.6g},{y:.8g}" for x, y in zip(X[::3], law.predict(X[::3]), strict=True))]
    (tmp_path / "c.csv").write_text("\n".join(rows))
    out = tmp_path / "out"
    command = ["fit", str(tmp_path / "c.csv"), "--laws", "m2,bnsl", "--out", str(out)]
    assert main([*command, "--segments", "--choose-breaks", "1"]) == 0
    assert "-chosen" in capsys.readouterr().out
    [choice] = json.loads((out / "choices.json").read_text())
    assert len(choice["scores"]) == 2 * len(CROPS)
    made = {each["law"]: each for each in json.loads((out / "segments.json").read_text())}
    assert set(made) == {"bnsl", f"{choice['fit']['law']}-chosen"}
    assert [s["exponent"] for s in made["bnsl"]["segments"]] == pytest.approx([0.1, 1.0], abs=1e-3)
    assert made["bnsl"]["segments"][0]["first_x"] is made["bnsl"]["segments"][1]["last_x"] is None
    with (out / "segments.csv").open() as file:
        assert float(next(csv.DictReader(file))["break_x"]) == pytest.approx(1e3, rel=1e-3)
    with (out / "choices.csv").open() as file:
        assert sum(int(row["chosen"]) for row in csv.DictReader(file)) == 1
    assert [fit["law"] for fit in json.loads((out / "fit.json").read_text())][:2] == ["m2", "bnsl"]
    assert len(list((out / "figures").glob("*-segments.png"))) == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--example", "--choose-breaks", "5"], ["--choose-breaks", 5, 4]),
        (["--example", "--laws", "m4", "--segments"], ["--segments", "--laws", "bnsl"]),
        (["c.csv", "--x", "a,b", "--segments"], ["--segments", "--x"]),
        (["c.csv", "--x", "a,b", "--choose-breaks", "0"], ["--choose-breaks", "--x"]),
    ],
)
def test_options_that_do_not_apply(arguments, named, capsys):
    assert main(["fit", *arguments]) == 2
    rejected(capsys, *named)
