"""What the commands about curves refuse, before they fit, print or write; and what their tables keep."""

import numpy as np
import pytest

from scalax.cli import main
from scalax.laws import Curve, as_curves, read_curves
from scalax.laws.annealing import LEAST_ROWS, forecast_annealed
from scalax.laws.excess import excess_risk
from scalax.laws.limit import Extrapolations
from scalax.laws.rates import from_words
from scalax.report.console import print_table
from tests.rejects import rejected, rejects

X = np.geomspace(1e3, 1e6, 12)


def written(path, rows=12, y=lambda x: 0.2 + 3 * x**-0.3, head="task,model,steps,loss"):
    """A CSV of two tasks' two models each."""
    names = [f"{task},{model}" for task in "ab" for model in "cd"]
    lines = [f"{name},{x:.8g},{y(x):.8g}" for name in names for x in X[:rows]]
    path.write_text("\n".join([head, *lines]))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["exponents", "--excess", "--profile"], ["--profile", "--split"]),
        (["bench"], ["--split", "--cut"]),
        (["bench", "--laws", "m2"], ["--split", "--cut"]),
        (["fit", "--bound", "5"], ["--bound", "'loss'"]),
        (["fit", "--laws", "m2,powers"], ["'powers'", "--x"]),
        (["fit", "--laws", "two_variables"], ["'two_variables'", "--x"]),
        (["fit", "--laws", "downstream"], ["'downstream'", "--laws"]),
        (["forecast", "--at", "-1e18"], ["--at", "'-1e18'"]),
        (["forecast", "--at", "1e9,-1e18"], ["--at", "'-1e18'"]),
        (["forecast", "--at", "-2,-3.5e+4"], ["--at", "'-2'"]),
        (["fit", "--example"], ["CURVES", "--example"]),
        (["bench", "--cut", "0.5", "--split", "task"], ["--split", "--cut"]),
        (["forecast", "--lr-schedule", "cosine:0:2e6", "--pool", "*"], ["--pool"]),
    ],
)
def test_nothing_is_printed_or_written_before_a_refusal(arguments, names, capsys, tmp_path):
    source, out = written(tmp_path / "curves.csv"), tmp_path / "out"
    assert main([arguments[0], source, *arguments[1:], "--out", str(out)]) == 2
    assert not out.exists()
    rejected(capsys, f"scalax {arguments[0]}", *names)


@pytest.mark.parametrize(
    ("arguments", "least"),
    [
        (["fit"], 2),
        (["fit", "--until-peak"], 8),
        (["fit", "--choose-breaks", "1", "--until-peak"], 10),
        (["limit"], 8),
        (["limit", "--law", "m2"], 5),
        (["forecast"], 5),
        (["forecast", "--lr-schedule", "constant:0"], LEAST_ROWS),
    ],
)
@pytest.mark.parametrize("rows", [1, 4])
def test_too_few_rows_are_told_at_once_how_many_are_needed(arguments, least, rows, capsys, tmp_path):
    if rows >= least:
        pytest.skip("enough")
    columns = ["--x", "steps", "--y", "loss", "--by", "task,model"]
    source = written(tmp_path / "curves.csv", rows)
    assert main([arguments[0], source, *arguments[1:], *columns, "--out", str(tmp_path / "out")]) == 2
    rejected(capsys, f"scalax {arguments[0]}", str(least))


def test_a_run_of_one_row_is_watched(tmp_path, capsys):
    (tmp_path / "log.csv").write_text("step,loss\n10,2.5\n")
    command = ["watch", str(tmp_path / "log.csv"), "--x", "step", "--y", "loss", "--end", "1e3", "--once"]
    assert main([*command, "--target", "1", "--out", str(tmp_path / "out")]) == 0
    assert "2.5" in capsys.readouterr().out


def test_a_bound_that_curves_go_away_from_is_refused():
    falls, rises = 0.2 + 3 * X**-0.3, 0.9 - X**-0.3
    with rejects("bound"):
        as_curves((X, falls), bound=5)
    with rejects("bound"):
        as_curves((X, rises), bound=-1)
    with rejects("bound"):
        as_curves((X, -falls), bound=-9)
    assert as_curves((X, rises), bound=0)[0].scale.plain  # as it is
    table = {"x": [*X, *X], "y": [*falls, *rises], "name": ["a"] * len(X) + ["b"] * len(X)}
    both = as_curves(table, "x", "y", ("name",), bound=5)
    assert all(curve.scale.below for curve in both)


def test_a_column_that_holds_rows_out_unasked_is_told(tmp_path):
    rows = [f"{x},{x**-0.3},{int(i < 9)}" for i, x in enumerate(X)]
    (tmp_path / "curves.csv").write_text("\n".join(["x,y,fit", *rows]))
    [remark] = read_curves(tmp_path / "curves.csv").remarks
    assert (remark.kind, dict(remark.values)) == ("held_out", {"column": "fit", "fit": 9, "rows": 12})
    assert not read_curves(tmp_path / "curves.csv", "x", "y", (), "fit").remarks


def test_curves_alike_in_all_but_the_last_column_compete(monkeypatch, tmp_path, capsys):
    seen = []
    measure = lambda curves, groups, *_, **__: seen.append(groups) or []  # noqa: E731
    monkeypatch.setattr("scalax.laws.pruning.measure", measure)
    command = ["bench", written(tmp_path / "curves.csv"), "--cut", "0.5", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert "'model'" in capsys.readouterr().out
    assert main([*command, "--rivals", "task,model"]) == 0
    assert seen == [["a", "a", "b", "b"], ["", "", "", ""]]


def test_a_threshold_may_be_the_first_x_that_was_tried():
    x, fitted = np.array([1.0, 2, 3]), np.array([3, 4, 5])
    for error, threshold, all_within in (
        ([0.01, 0.02, 0.01], 1.0, True),
        ([0.09, 0.02, 0.01], 2.0, False),
        ([np.nan, 0.02, 0.09], None, False),
    ):
        found = Extrapolations(x, fitted, np.array(error))
        assert (found.threshold(0.05), found.all_within(0.05)) == (threshold, all_within)


def test_a_table_in_a_file_keeps_every_name(capsys):
    names = [f"{'long-name/' * 12}{i}" for i in range(3)]
    print_table("title", ["curve", *"abcdefgh"], [[name, *["text of a cell, " * 2] * 8] for name in names])
    lines = capsys.readouterr().out.splitlines()
    assert all(sum(name in line for line in lines) == 1 for name in names)


def test_slopes_of_steps_are_said_to_be_bent():
    def slope(y):
        return excess_risk(Curve(x, y), "m2", 0.05).slope

    x, noise = np.geomspace(10, 1e5, 24), np.random.default_rng(0).standard_normal(24)
    assert slope(0.1 + 1 / (1 + (x / 3000) ** 5)).bent
    assert slope(np.where(x < 3000, 1.0, 0.1)).bent
    assert not slope(0.05 + 3 * x**-0.3 * np.exp(0.2 * noise)).bent
    assert not slope(0.05 + 3 * x**-0.3).bent


def test_forecasts_by_rates_check_every_curve_before_they_fit(monkeypatch):
    monkeypatch.setattr("scalax.laws.annealing._fit", lambda *_: pytest.fail("fitted"))
    constant, falling = from_words("constant:0"), from_words("cosine:0:2e6")
    curves = [Curve(X, 2 + X**-0.5, name) for name in "ab"]
    with rejects("'b'"):
        forecast_annealed(curves, [falling, constant], then=[falling, falling])
