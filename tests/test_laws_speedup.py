"""Speed-ups of pairs of recipes that are known, and the command."""

import csv
import json

import numpy as np
import pytest

from scalax import laws
from scalax.cli import main
from scalax.laws.curves import Scale
from scalax.laws.speedup import pairs_of, speedup
from scalax.laws.speedup.simulated import SCENES, coverage
from tests.rejects import rejected, rejects

X = np.geomspace(1e6, 1e9, 30)


def law(x):
    return 0.1 + 40 * x**-0.3


def curve(times=1.0, noise=0.0, shift=0.0, seed=0, **options):
    error = shift + noise * np.random.default_rng(seed).standard_normal(len(X))
    return laws.Curve(X, law(times * X) * np.exp(error), **options)


def test_without_noise_it_is_exact():
    made = speedup([curve()], [curve(3.0)])
    assert made.ratio == pytest.approx(3, rel=0.03)
    assert (made.low <= 3.02).all()
    assert (made.high >= 2.98).all()
    assert made.targets[-1] == pytest.approx(law(X[-1]), rel=0.01)
    assert made.x_a[:-1] == pytest.approx(made.x_b[:-1] * 3, rel=0.03)
    assert [flag.kind for flag in made.flags] == ["one_seed"]


def test_the_other_way_round_is_the_inverse():
    [target] = targets = [law(1e8)]
    there, back = (speedup(*pair, targets) for pair in (([curve()], [curve(2.0)]), ([curve(2.0)], [curve()])))
    assert there.ratio == pytest.approx(1 / back.ratio, rel=0.03)
    assert there.targets == pytest.approx([target])


def test_accuracies_have_targets_as_they_are_written():
    scale = Scale(1.0, True)
    made = speedup([curve(scale=scale)], [curve(2.0, scale=scale)], [1 - law(1e8)])
    assert made.targets == pytest.approx([1 - law(1e8)])
    assert made.ratio == pytest.approx(2, rel=0.03)


def test_a_target_that_is_not_reached_and_one_beyond_the_rows():
    made = speedup([curve(noise=0.005)], [curve(0.5, noise=0.005, seed=1)], [0.01, law(X[-1])])
    assert np.isnan(made.ratio[0])
    assert made.beyond[1]
    assert made.low[1] < 0.5 < made.high[1]


def test_pairs_cancel_what_a_seed_does():
    shifts = np.random.default_rng(5).normal(0, 0.05, 5)
    a = [curve(1.0, 0.003, shift, i, key={"seed": str(i)}) for i, shift in enumerate(shifts)]
    b = [curve(2.0, 0.003, shift, 9 + i, key={"seed": str(i)}) for i, shift in enumerate(shifts)]
    pairs = pairs_of(a, b)
    assert pairs == [(i, i) for i in range(5)]
    alone, paired = speedup(a, b, [law(1e8)]), speedup(a, b, [law(1e8)], pairs)
    assert paired.low[0] < 2 < paired.high[0]
    assert np.log(paired.high / paired.low) < 0.6 * np.log(alone.high / alone.low)
    assert paired.seeds == pytest.approx(0.05, rel=0.7)


def test_pairs_need_keys_that_tell_curves_apart():
    own = [curve(key={"recipe": "a", "seed": "1"}), curve(key={"recipe": "a", "seed": "2"})]
    others = [curve(key={"recipe": "b", "seed": "2"}), curve(key={"recipe": "b", "seed": "3"})]
    assert pairs_of(own, others, "recipe") == [(1, 0)]
    assert pairs_of(own, others) == []
    assert pairs_of(own[:1] * 2, others, "recipe") == []


def test_what_cannot_be_compared():
    low = laws.Curve(X, law(X) / 50)
    with rejects("targets"):
        speedup([curve()], [low])
    with rejects("'short'", 4):
        speedup([curve()], [laws.Curve([1, 2, 3], [3, 2, 1], "short")])
    with rejects("targets", -1.0):
        speedup([curve()], [curve()], [-1.0])


def test_intervals_hold_known_speedups():
    [*_, whole] = coverage(4, ["one seed"], seed=3)
    assert whole.law == "all"
    assert 0.7 < whole.inside <= 1


@pytest.mark.slow
def test_coverage():
    """Of 150 pairs a scene, whose share has a standard error of two per cent."""
    inside = [each.inside for each in coverage(30, seed=1) if each.law == "all"]
    assert len(inside) == len(SCENES)
    assert all(0.82 <= share <= 0.97 for share in inside)
    assert 0.85 <= np.mean(inside) <= 0.95


def write(path, recipes, columns=("recipe", "seed", "tokens", "loss")):
    with open(path, "w") as file:
        table = csv.writer(file)
        table.writerow(columns)
        for name, times in recipes:
            for seed in range(2):
                y = curve(times, 0.005, 0.0, seed).y
                row = {"recipe": name, "seed": seed}
                for x, v in zip(X, y, strict=True):
                    table.writerow([{**row, "tokens": x, "loss": v}[column] for column in columns])
    return str(path)


def test_the_command_on_two_files_and_on_groups_of_one(tmp_path, capsys):
    columns = ("seed", "tokens", "loss")
    a, b = (write(tmp_path / f"{n}.csv", [(n, t)], columns) for n, t in (("base", 1.0), ("new", 2.0)))
    one = write(tmp_path / "both.csv", [("base", 1.0), ("new", 2.0)])
    options = ["--by", "seed", "--targets", f"{law(1e8):.4f}", "--out", str(tmp_path / "o")]
    found = []
    for words in ([a, b], [one, "--group", "recipe"], [one, "--group", "recipe", "--groups", "new,base"]):
        assert main(["speedup", *words, *options]) == 0
        found.append(json.loads((tmp_path / "o" / "speedup.json").read_text()))
    assert [made["paired"] for made in found] == [True] * 3
    assert found[0]["ratio"] == found[1]["ratio"] == pytest.approx([2], rel=0.05)
    assert found[2]["ratio"] == pytest.approx([0.5], rel=0.05)
    assert [made["a"] for made in found] == ["base", "base", "new"]
    assert (tmp_path / "o" / "speedup.png").exists()
    assert "new needs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["FILE"], ["--group"]),
        (["FILE", "--groups", "a,b"], ["--groups", "--group"]),
        (["FILE", "--group", "recipe", "--groups", "base,old"], ["--groups", "base", "new"]),
        (["FILE", "--group", "recip"], ["'recip'", "'recipe'"]),
        (["FILE", "FILE", "--targets", "x"], ["--targets", "'x'"]),
        (["--simulated", "--count", "0"], ["--count", 0]),
        (["--simulated", "--count", "1000000000"], ["--count", 1000000000]),
    ],
)
def test_what_the_command_rejects(words, names, tmp_path, capsys):
    path = write(tmp_path / "both.csv", [("base", 1.0), ("new", 2.0)])
    words = [path if word == "FILE" else word for word in words]
    assert main(["speedup", *words, "--out", str(tmp_path / "o")]) == 2
    rejected(capsys, *names)


def test_curves_of_different_x_are_not_compared():
    a = laws.Curve([1, 2, 4, 8, 16.0], [5, 4, 3, 2.5, 2], labels=("step", "loss"))
    b = laws.Curve([1, 2, 4, 8, 16.0], [5, 4, 3, 2.5, 2], labels=("tokens", "loss"))
    with rejects("step, tokens"):
        speedup([a], [b])
