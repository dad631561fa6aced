"""From how large an x on a law foretells the rest of a curve."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scalax import laws
from scalax.cli import main
from scalax.laws.limit import Extrapolations, limits
from tests.rejects import rejects

PUBLISHED = Path(__file__).parents[2] / "shared" / "data" / "curves" / "addition4.csv"
X = np.geomspace(1e3, 1e6, 12)


def sharp(name="sharp", at=600.0):
    """A plateau that ends in a sharp fall, without noise."""
    family = laws.FAMILIES["bnsl"]
    params = {"a": 0.4, "b": 2.2, "c0": 0.05, "c1": 5.0, "d1": at, "f1": 0.06}
    x = np.geomspace(160, 930, 16)
    return laws.Curve(x, laws.Law(family, family.internal(params)).predict(x), name)


def test_threshold_is_where_the_error_stays_small():
    found = Extrapolations(np.arange(1.0, 7.0), np.arange(6), np.array([0.5, 0.01, 0.3, 0.04, 0.05, 0.0]))
    assert found.threshold(0.05) == 4
    assert found.threshold(0.5) == 1
    assert found.threshold(0.001) == 6
    last = Extrapolations(found.x, found.fitted, np.array([0.0, 0.0, 0.0, 0.0, 0.0, np.nan]))
    assert last.threshold(0.05) is None


def test_power_laws_are_foretold_from_the_first_rows_on():
    """Noise makes it later on the rows, and not in the simulation."""
    y = 0.1 + 40 * X**-0.5
    noisy = y * np.exp(0.3 * np.random.default_rng(0).standard_normal(len(X)))
    plain, other = limits([laws.Curve(X, y, "plain"), laws.Curve(X, noisy, "noisy")], "m2", 0.01, cuts=6)
    assert plain.threshold == pytest.approx(X[2])
    assert (plain.rows.fitted[0], plain.rows.fitted[-1]) == (3, 11)
    assert len(plain.rows.x) <= 6
    assert other.threshold is None or other.threshold > X[2]
    assert other.threshold_noiseless is not None
    assert plain.breaks == ()
    assert json.loads(json.dumps(plain.to_json()))["threshold"] == plain.threshold


def test_all_rows_count_in_whatever_order_and_split():
    curve = laws.Curve(X, 0.1 + 40 * X**-0.5, "c")
    order = np.random.default_rng(0).permutation(len(X))
    other = laws.Curve(curve.x[order], curve.y[order], "c", fit=order % 2 == 0)
    a, b = limits([curve, other], "m2", cuts=4)
    assert a.rows.x == pytest.approx(b.rows.x)
    assert b.fit.rmsle < 1e-6


def test_without_noise_a_break_is_known_before_it():
    [found] = limits([sharp()], cuts=10)
    assert found.breaks == pytest.approx([600], rel=1e-3)
    assert found.threshold_noiseless is not None
    assert found.threshold_noiseless < 550
    assert found.noiseless.error[-1] < 1e-9


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"family": "bnls"}, ["'bnls'", "bnsl"]),
        ({"tolerance": 0.0}, ["tolerance", 0]),
        ({"cuts": 1}, ["cuts", 1]),
        ({"cuts": 10**9}, ["cuts", 10**9]),
    ],
)
def test_bad_arguments_are_named(arguments, names):
    with rejects(*names):
        limits([sharp()], **arguments)


def test_a_curve_that_is_too_short_is_named():
    with rejects("'short'", 5, 8):
        limits([laws.Curve(X[:5], X[:5] ** -0.5, "short")])


def test_command_on_several_curves(tmp_path, capsys):
    rows = [f"{name},{x},{k * x**-0.5 + 0.1}" for name, k in (("a", 40), ("b", 20)) for x in X]
    rows += [f"c,{x},{x**-0.5}" for x in X[:3]]
    (tmp_path / "curves.csv").write_text("model,examples,loss\n" + "\n".join(rows))
    out = tmp_path / "out"
    arguments = ["limit", str(tmp_path / "curves.csv"), "--law", "m2", "--cuts", "4", "--out", str(out)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "left out" in said
    data = json.loads((out / "limit.json").read_text())
    assert [each["key"] for each in data] == [{"model": "a"}, {"model": "b"}]
    assert all(each["threshold"] is not None for each in data)
    assert len((out / "limit.csv").read_text().splitlines()) == 3
    assert {path.name for path in out.iterdir()} == {"limit.json", "limit.csv", "cuts.csv", "limit.png"}
    for bad, names in (
        (["--law", "bnls"], ["'bnls'"]),
        (["--tolerance", "0"], ["--tolerance"]),
        (["--law", "bnsl4"], ["--law"]),
    ):
        assert main([*arguments, *bad]) == 2
        error = capsys.readouterr().err.strip()
        assert len(error.splitlines()) == 1
        assert all(name in error for name in names)


def test_help_needs_no_jax():
    from scalax.cli import limit
    from scalax.laws.limit import CUTS, TOLERANCE

    assert (limit.TOLERANCE, limit.CUTS) == (TOLERANCE, CUTS)
    code = "import sys\nfrom scalax.cli import main\ntry: main(['limit', '--help'])\n"
    code += "finally: assert 'jax' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--tolerance" in done.stdout


@pytest.mark.skipif(not PUBLISHED.exists(), reason="needs ../shared/data/curves/addition4.csv")
def test_four_digit_addition():
    """'Broken Neural Scaling Laws' finds 415 without noise, and 720 for real."""
    [found] = limits(laws.read_curves([str(PUBLISHED)]), cuts=12)
    assert found.threshold == 736
    assert found.threshold_noiseless == pytest.approx(415, rel=0.08)
    assert found.breaks == pytest.approx([612.6], rel=0.02)
