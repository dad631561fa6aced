"""Watching runs: outlooks, the callback, the command, offline runs of W&B, and what it is worth."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from scalax import laws
from scalax.cli import main
from scalax.errors import UserError
from scalax.laws.curves import Scale
from scalax.laws.pruning import measure
from scalax.laws.readers import wandb_run
from scalax.laws.watch import GO_ON, STOP, WAIT, Watch, chance, outlooks
from tests.curve_files import offline_run
from tests.rejects import check_line, rejected, rejects
from tests.small_study import small_study

X = np.arange(100.0, 10001, 100)


def loss(x):
    return 0.5 + 6 * x**-0.4


def cut(rows, name="run"):
    noise = 0.005 * np.random.default_rng(0).standard_normal(len(X))
    return laws.Curve(X[:rows], (loss(X) * np.exp(noise))[:rows], name)


@pytest.fixture(scope="module")
def seen():
    """Of one run cut at 25 of 100 rows: three targets."""
    targets = [0.5, loss(1e4), 0.9]
    return outlooks([cut(25)] * 3, [1e4] * 3, targets)


@pytest.mark.slow
def test_the_end_is_forecast_and_judged(seen):
    hopeless, even, easy = seen
    assert [o.advice for o in seen] == [STOP, GO_ON, GO_ON]
    assert hopeless.stop
    assert not even.stop
    assert hopeless.chance < 0.05 < even.chance < 0.95 < easy.chance
    assert hopeless.wrong == hopeless.chance
    assert easy.wrong == pytest.approx(1 - easy.chance)
    assert even.low < loss(1e4) < even.high
    assert even.median == pytest.approx(loss(1e4), rel=0.05)
    assert (even.x, even.rows, even.end) == (2500, 25, 1e4)


@pytest.mark.slow
def test_a_chance_is_where_the_target_lies_in_the_bands(seen):
    made = seen[0].forecast
    for level in (0.5, 0.8, 0.95):
        low, high = made.interval([1e4], level)
        assert chance(made, 1e4, low[0]) == pytest.approx(0.5 - level / 2, abs=2e-3)
        assert chance(made, 1e4, high[0]) == pytest.approx(0.5 + level / 2, abs=2e-3)


def test_few_rows_and_rows_up_to_the_end():
    early, done = outlooks([cut(3), cut(100)], [1e4, 1e4], [0.6, 0.6])
    assert (early.advice, early.forecast) == (WAIT, None)
    assert np.isnan(early.median)
    assert (done.chance, done.advice) == (float(done.y <= 0.6), GO_ON if done.y <= 0.6 else STOP)
    assert done.median == done.y
    [bare] = outlooks([cut(3)], [1e4])
    assert bare.advice == ""


@pytest.mark.slow
def test_the_callback_forecasts_when_rows_have_grown():
    watch, made = Watch(end=1e4, target=0.9, growth=3.0), []
    for x, y in zip(X[:20], cut(20).y, strict=True):
        outlook = watch.update(x, y)
        if not made or outlook is not made[-1]:
            made.append(outlook)
    assert [o.rows for o in made] == [1, 2, 3, 4, 5, 15]
    assert watch.update(float("nan"), 1.0) is made[-1]
    assert watch.update(1e4, 0.6).median == 0.6


@pytest.mark.slow
def test_accuracies_are_watched_as_they_are_written():
    watch = Watch(end=1e4, target=0.4, bound=1.0, growth=30.0)
    for x in X[:5]:
        outlook = watch.update(x, 1 - loss(x) / 2)
    assert outlook.low < outlook.median < outlook.high < 1
    assert outlook.y == pytest.approx(1 - loss(500) / 2)
    assert watch.scale == Scale(1.0, True)


def test_what_is_rejected():
    with rejects("risk", 2):
        outlooks([cut(10)], [1e4], [0.5], 2)
    with rejects("end", 0):
        outlooks([cut(10)], [0])
    with rejects("target", -1):
        outlooks([cut(10)], [1e4], [-1.0])
    with rejects("growth"):
        Watch(1e4, growth=0.5)


@pytest.mark.slow
def test_whole_curves_are_cut_and_scored():
    curves = [laws.Curve(X, scale * loss(X), f"c{i}") for i, scale in enumerate((1.0, 0.9, 1.2, 1.1))]
    [early, later] = measure(curves, ["a"] * 4, (0.01, 0.25))
    assert (early.curves, later.curves) == (0, 4)
    assert later.groups == 1
    assert later.regret == later.regret_median == later.regret_one == 0
    assert later.error < later.error_now
    assert later.stopped >= 0.5


def write(path, rows):
    lines = ["step,loss", *(f"{x:g},{y:.6f}" for x, y in zip(X[:rows], cut(100).y, strict=False))]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.slow
def test_the_command(tmp_path, capsys):
    path = write(tmp_path / "run.csv", 25)
    options = ["--end", "10000", "--once", "--out", str(tmp_path / "o")]
    assert main(["watch", path, "--target", "0.5", *options]) == 0
    [made] = json.loads((tmp_path / "o" / "watch.json").read_text())
    assert made["advice"] == STOP
    assert "stop" in capsys.readouterr().out
    assert len(list((tmp_path / "o" / "figures").glob("*.png"))) == 1
    done = write(tmp_path / "done.csv", 100)
    assert main(["watch", path, done, "--best", *options]) == 0
    both = json.loads((tmp_path / "o" / "watch.json").read_text())
    assert both[0]["target"] == both[1]["y"]


def test_the_callback_waits_and_ends_without_a_forecast():
    watch = Watch(end=1e4, target=0.9)
    assert watch.update(0, 1.0).rows == 0
    assert [watch.update(x, loss(x)).advice for x in X[:4]] == [WAIT] * 4
    assert watch.update(1e4, 0.6).median == 0.6
    assert not watch.last.stop


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["FILE"], ["--end"]),
        (["FILE", "--end", "-1"], ["--end", -1]),
        (["FILE", "--end", "1e4", "--best", "--target", "1"], ["--best", "--target"]),
        (["FILE", "--end", "1e4", "--every", "0"], ["--every", 0]),
        (["FILE", "--end", "1e4", "--every", "1e300"], ["--every", "1e+300"]),
        (["FILE", "--end", "1e4", "--every", "inf"], ["--every", "inf"]),
        (["FILE", "--end", "1e4", "--risk", "7"], ["--risk", 7]),
        (["nowhere"], ["nowhere"]),
    ],
)
def test_what_the_command_rejects(words, names, tmp_path, capsys):
    path = write(tmp_path / "run.csv", 25)
    words = [path if word == "FILE" else word for word in words]
    assert main(["watch", *words, "--once", "--out", str(tmp_path / "o")]) == 2
    rejected(capsys, *names)


@pytest.mark.parametrize("end", [[], ["--end", "2e10"]])
def test_our_own_runs_have_ended_when_they_are_finished(tmp_path, end):
    """Their last whole step comes short of the budget; what is asked of beyond will not come."""
    study = small_study(tmp_path / "study")
    for name in ("c", "d"):
        shutil.rmtree(study / "runs" / name)
    for path in study.glob("runs/*/run.json"):
        info = json.loads(path.read_text())
        info["schedule"]["stages"][0]["until_flops"] = 9.5e9
        path.write_text(json.dumps(info))
    assert main(["watch", str(study), "--best", "--every", "1e4", *end, "--out", str(tmp_path / "o")]) == 0
    made = json.loads((tmp_path / "o" / "watch.json").read_text())
    assert [(one["x"], one["end"]) for one in made] == [(9e9, 9e9)] * 2
    assert {one["target"] for one in made} == {min(one["y"] for one in made)}


def test_offline_runs_of_weights_and_biases(tmp_path):
    rows = [{"_step": i, "_runtime": 0.1 * i, "val/loss": loss(i), "text": "x" * 90} for i in range(1, 401)]
    raw = offline_run(rows)
    assert len(raw) > 32768
    place = tmp_path / "wandb" / "offline-run-20260101_000000-id1"
    place.mkdir(parents=True)
    (place / "run-id1.wandb").write_bytes(raw)
    (tmp_path / "wandb" / "latest-run").symlink_to(place)
    [curve] = laws.read_curves(tmp_path / "wandb")
    assert curve.labels == ("step", "val/loss")
    assert curve.name == "first"
    assert curve.y == pytest.approx(loss(np.arange(1, 401.0)))
    for end in (20000, len(raw) - 3):  # a run that is still going
        (place / "run-id1.wandb").write_bytes(raw[:end])
        [part] = laws.read_curves(place)
        assert 50 < len(part.x) < 400
    with rejects("row"):
        wandb_run.read(place, offline_run([]))


def test_damaged_runs_of_weights_and_biases_are_refused_with_the_place():
    """One bit after another; where it is of a length, the file may end within that record, and is cut."""
    path, raw = Path("a.wandb"), offline_run([{"_step": i, "loss": 3 / i} for i in (1, 2)])
    starts = [at := 7, *(at := at + 7 + int.from_bytes(raw[at + 4 : at + 6], "little") for _ in range(2))]
    for bit in range(8 * starts[0], 8 * len(raw)):
        start = max(at for at in starts if at <= bit // 8)
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            [table] = wandb_run.read(path, bytes(damaged))
        except UserError as e:
            is_length = bit // 8 - start in (4, 5)
            check_line(str(e), path, *([] if is_length else [f"byte {start}"]))
        else:
            assert table.remarks[0].kind == "cut"
            assert table.columns["loss"] == [3.0]


def test_a_run_past_its_end_has_no_outlook():
    with rejects("end", 100):
        outlooks([laws.Curve([1, 10, 100, 200.0], [4, 3, 2, 1.9])], [100])
