"""Small files of the kinds that people have, each read right or refused with a remedy: those that lie beside
a checkout, and the same kinds made here."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scalax import laws
from scalax.cli import main
from scalax.laws.curves import clean
from tests.rejects import rejected, rejects

STEPS = np.arange(100, 2401, 100)
LOSS = 2 + 30 * STEPS**-0.5
TWENTY = np.arange(100, 2001, 100)
GRID = np.geomspace(1e3, 1e6, 20)
DOUBLED = 100 * 2 ** np.arange(10)
SIMPLE = [("", 24, 100, 2400, 5, LOSS[-1])]
LONG = "x" * 200

# What reading a file gives: of each curve the end of its name, the rows to fit, and x and y of the first and
# the last of these, y in the user's units.
READ = {
    "accuracy_column_target_in_accuracy.csv": [("", 20, 100, 2000, 0.3, 0.7658)],
    "all_equal.csv": [("", 20, 1e3, 1e6, 0.7, 0.7)],
    "by_names_collide_slash.csv": [
        ("m=a/b, d=c", 24, 100, 2400, 5, LOSS[-1]),
        ("m=a, d=b/c", 24, 100, 2400, 10, 2 * LOSS[-1]),
    ],
    "epoch_counted_from_zero.csv": [("", 24, 1, 24, 2.3, 0.708248290463863)],
    "exact_duplicates_x1.csv": [("", 40, 1e3, 1e6, 3.041911, 0.653872)],
    "exact_duplicates_x10.csv": [("", 40, 1e3, 1e6, 3.041911, 0.653872)],
    "log_history.json": [("", 24, 100, 2400, 5, 2.6124)],
    "trainer_state.json": [("", 24, 100, 2400, 5, 2.6124)],
    "restart_two_runs_one_file.csv": [
        ("(run 1)", 24, 100, 2400, 5, LOSS[-1]),
        ("(run 2)", 24, 100, 2400, 7.5, 1.5 * LOSS[-1]),
    ],
    "rising_percent_top1.csv": [("", 60, 1, 60, 6.2, 1.6725660970337834)],
    "run_names_equal_first_200_chars.csv": [
        (LONG + "A", 20, 100, 2000, 2.1, 2.02236),
        (LONG + "B", 20, 100, 2000, 5.1, 5.02236),
    ],
    "semicolon_deccomma.csv": [("", 10, 100, 51200, 5, 2.13258)],
    "so57173036_b_is_inf.csv": [("", 6, 1987, 2019.4, 31, 1.875)],
    "torn_last_number.csv": [("", 20, 100, 2000, 5, 2.67082)],
    "two_trailing_all.csv": [("", 10, 100, 51200, 5, 2.13258)],
    "version_0": SIMPLE,
    "version_1/metrics.csv": SIMPLE,
    "wandb_one_crashed_run.csv": [("ok", *SIMPLE[0][1:])],
    "eight_seeds_per_x_noise.csv": [("", 120, 1e3, 1e6, None, None)],
    "outlier_last_row_x10.csv": [("", 30, 1e3, 1e6, 3.0255823211577626, 6.592428682213988)],
    "pure_power_law_forecast_biased.csv": [("", 40, 1e6, 1e9, 1.5848932, 0.19952623)],
    "target_above_first_row.csv": [("", 30, 1e3, 1e6, 3.0013722483212035, 0.6665163413850905)],
}
# What the refusal of a file holds, the remedy among it, and what this remedy gives.
REFUSED = {
    "negative_loss.csv": (["'y'", "`bound`=0"], {"bound": 0}, (1e3, 1e6, -3.0238293779, -0.6592428682)),
    "percent_accuracy_below_one.csv": (
        ["'acc_pct'", "`bound`=1", "`bound`=100"],
        {"bound": 1},
        (100, 2000, 0.1, 0.7211),
    ),
    "unix_seconds_as_x.csv": (
        ["'time'", "`x`='time-1700000000'"],
        {"x": "time-1700000000"},
        (6e3, 120e3, 5, 2.670820393249937),
    ),
}


def written(folder: Path) -> Path:
    """The kinds of files, as far as a formula makes them."""

    def table(name, header, *columns, mark=",", end="\n"):
        lines = [mark.join(map(str, row)) for row in zip(*columns, strict=True)]
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([header, *lines]) + end)

    accuracy = [f"{0.9 - 6 * x**-0.5:.4f}" for x in TWENTY.tolist()]
    table("accuracy_column_target_in_accuracy.csv", "step,acc", TWENTY, accuracy, end="")
    table("all_equal.csv", "x,y", GRID, [0.7] * 20)
    names = ["a/b"] * 24 + ["a"] * 24, ["c"] * 24 + ["b/c"] * 24
    table("by_names_collide_slash.csv", "m,d,step,loss", *names, [*STEPS, *STEPS], [*LOSS, *2 * LOSS])
    loss = 0.3 + 2 * np.arange(1, 25) ** -0.5
    epochs = "epoch,accuracy,loss,val_accuracy,val_loss"
    table("epoch_counted_from_zero.csv", epochs, range(24), 1 - loss / 4, loss - 0.3, 1 - loss / 4, loss)
    history = [
        {"epoch": 0.1, "loss": round(y, 4), "step": x} for x, y in zip(STEPS.tolist(), LOSS, strict=True)
    ]
    history += [{"eval_loss": 3.0 - i / 9, "step": 400 * i} for i in range(1, 7)]
    history.append({"step": 2400, "total_flos": 1e17, "train_loss": 2.9})
    (folder / "log_history.json").write_text(json.dumps(history))
    (folder / "trainer_state.json").write_text(
        json.dumps({"best_metric": None, "log_history": history}, indent=1)
    )
    table("restart_two_runs_one_file.csv", "step,loss", [*STEPS, *STEPS], [*LOSS, *1.5 * LOSS], end="")
    names = [LONG + "A"] * 20 + [LONG + "B"] * 20
    loss = 2 + TWENTY**-0.5
    table(
        "run_names_equal_first_200_chars.csv", "m,step,loss", names, [*TWENTY, *TWENTY], [*loss, *(loss + 3)]
    )
    commas = [f"{2 + 30 * x**-0.5:.5f}".replace(".", ",") for x in DOUBLED.tolist()]
    table("semicolon_deccomma.csv", "step;loss", DOUBLED, commas, mark=";")
    years = [1987, 1993.85, 2003, 2010.45, 2009.3, 2019.4]
    table("so57173036_b_is_inf.csv", "x,t", years, [31, 8.6, 4.84, 1.96, 3.9, 1.875], end="")
    digits = [f"{2 + 30 * x**-0.5:.6f}" for x in TWENTY.tolist()]
    table("torn_last_number.csv", "x,y", [*TWENTY, 2100], [*digits, "2."], end="")
    table("two_trailing_all.csv", "step,loss,,", DOUBLED, [c.replace(",", ".") + ",," for c in commas])
    for version in (0, 1):
        table(f"version_{version}/metrics.csv", "step,loss", STEPS, LOSS, end="")
    cells = [f'"{y}"' for y in LOSS], ['"3"', *['""'] * 23], ['""'] * 24
    header = '"Step","ok - loss","crashed - loss","empty - loss"'
    table("wandb_one_crashed_run.csv", header, [f'"{x}"' for x in STEPS], *cells)
    table(
        "negative_loss.csv",
        "x,y",
        GRID,
        np.interp(np.log(GRID), np.log([1e3, 1e6]), [-3.0238293779, -0.6592428682]),
    )
    table(
        "percent_accuracy_below_one.csv",
        "step,acc_pct",
        TWENTY,
        [f"{0.9 - 8 * x**-0.5:.4f}" for x in TWENTY.tolist()],
    )
    table("unix_seconds_as_x.csv", "time,loss", 1.7e9 + 60 * TWENTY, 2 + 30 * TWENTY**-0.5)
    return folder


@pytest.fixture(params=["made here", "shared"], scope="module")
def folder(request, tmp_path_factory):
    if request.param == "made here":
        return written(tmp_path_factory.mktemp("odd"))
    shared = Path(__file__).parents[2] / "shared" / "data" / "odd_curves"
    if not shared.is_dir():
        pytest.skip(f"needs {shared}, which is absent")
    assert {path.name for path in shared.iterdir()} == {name.split("/")[0] for name in (*READ, *REFUSED)}
    return shared


def ends(curve):
    """x and y of the first and the last row, in the order of x and as the user writes them."""
    order = np.argsort(curve.x, kind="stable")
    x, y = curve.x[order], curve.scale.shown(curve.y)[order]
    return x[0], x[-1], y[0], y[-1]


@pytest.mark.parametrize("name", READ)
def test_read_right(folder, name):
    if not (folder / name).exists():
        pytest.skip("only beside a checkout")
    curves = laws.read_curves(folder / name)
    assert len(curves) == len(READ[name])
    for curve, (ending, rows, *wanted) in zip(curves, READ[name], strict=True):
        assert curve.name.endswith(ending)
        points, _ = clean(curve)
        assert len(points.log_x) == rows
        for found, value in zip(ends(curve), wanted, strict=True):
            assert value is None or found == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_remedy_that_works(folder, name):
    said, remedy, wanted = REFUSED[name]
    with rejects(folder / name, *said):
        laws.read_curves(folder / name)
    [curve] = laws.read_curves(folder / name, **remedy)
    assert ends(curve) == pytest.approx(wanted, rel=1e-4)


def test_what_was_guessed_and_left_out_is_data(folder):
    def kinds(name):
        return [remark.kind for remark in laws.read_curves(folder / name).remarks]

    assert kinds("torn_last_number.csv") == ["torn"]
    assert kinds("semicolon_deccomma.csv") == ["guessed", "decimal_comma"]
    assert kinds("wandb_one_crashed_run.csv") == ["guessed", "left_out_run", "left_out_run"]
    assert kinds("epoch_counted_from_zero.csv") == ["guessed", "epochs_from_zero"]
    assert kinds("accuracy_column_target_in_accuracy.csv") == ["guessed", "bounded"]


def test_two_versions_are_told_apart_by_directory(folder):
    files = [folder / f"version_{v}" / "metrics.csv" for v in (0, 1)]
    assert [curve.name for curve in laws.read_curves(files)] == ["version_0", "version_1"]


def write(path, rows, header="step,loss"):
    path.write_text(header + "\n" + "".join(f"{x},{y}\n" for x, y in rows))
    return path


def test_a_restart_from_a_checkpoint_goes_on(tmp_path):
    first, then = (
        list(zip(STEPS[:15], LOSS[:15], strict=True)),
        list(zip(STEPS[10:], LOSS[10:] + 0.001, strict=True)),
    )
    curves = laws.read_curves(write(tmp_path / "a.csv", [*first, *then]))
    np.testing.assert_array_equal(curves[0].x, STEPS)
    np.testing.assert_allclose(curves[0].y[10:], LOSS[10:] + 0.001)
    assert "row 17" in str(curves[0].notes)


def test_rows_in_no_order_that_share_x_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        (x, y * (1 + 0.01 * rng.standard_normal()))
        for x, y in zip(STEPS, LOSS, strict=True)
        for _ in range(3)
    ]
    rng.shuffle(rows)
    path = write(tmp_path / "a.csv", rows)
    with rejects(path, "`by`", "`repeats`", 3):
        laws.read_curves(path)
    [curve] = laws.read_curves(path, repeats=True)
    assert len(curve.x) == len(rows)
    distinct = list(zip(STEPS, LOSS, strict=True))
    rng.shuffle(distinct)
    [curve] = laws.read_curves(write(tmp_path / "b.csv", distinct))
    assert len(curve.x) == 24


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("score", 1 - 0.1 * LOSS, ["`bound`=1", "`bound`=0"]),
        ("accumulated_regret", STEPS**0.5, ["`bound`=0"]),
        ("acc", LOSS / 10, ["`bound`=0"]),
        ("acc", 1000 - LOSS, ["`bound`=1000"]),
        ("nll", LOSS - 3, ["`bound`"]),
    ],
)
def test_directions_that_names_do_not_tell_are_refused(tmp_path, column, values, said):
    path = write(tmp_path / "a.csv", zip(STEPS, values, strict=True), f"step,{column}")
    with rejects(path, repr(column), *said):
        laws.read_curves(path)
    [curve] = laws.read_curves(path, bound=0 if values.min() > 0 else -10)
    np.testing.assert_allclose(curve.scale.shown(curve.y), values)


def test_curves_that_disagree_in_direction_are_refused(tmp_path):
    lines = [
        f"{run},{x},{y}"
        for run, s in (("a", 1), ("b", -1))
        for x, y in zip(STEPS, 4 + s * LOSS / 4, strict=True)
    ]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["run,step,score", *lines]))
    with rejects(path, "'score'", "`bound`=0"):
        laws.read_curves(path)
    lines = [
        f"{run},{x},{y}"
        for run, s in (("a", 1), ("b", -1))
        for x, y in zip(STEPS, 0.5 + s * LOSS / 40, strict=True)
    ]
    path.write_text("\n".join(["run,step,accuracy", *lines]))
    falling, rising = laws.read_curves(path)
    assert falling.scale == rising.scale == laws.Scale(1, True)


def test_forecasts_are_in_the_units_of_the_file(tmp_path, capsys):
    """A target of accuracy, one that the first row has, and one of a flat curve."""
    folder, out = written(tmp_path), tmp_path / "out"

    def target(name, value):
        flags = ["--members", "m4", "--target", str(value), "--out", str(out)]
        assert main(["forecast", str(folder / name), *flags]) == 0
        capsys.readouterr()
        return json.loads((out / "forecast.json").read_text())[0]

    risen = target("accuracy_column_target_in_accuracy.csv", 0.8)
    assert risen["target"]["target"] == pytest.approx(0.8)
    assert 2000 < risen["target"]["x"] < 1e4  # 0.9 - 6 x^-0.5 is there at 3600
    assert 0.7658 < risen["median"][0] < risen["intervals"]["0.8"][1][0] < 1
    assert risen["intervals"]["0.8"][0][0] < risen["median"][0]
    already = target("accuracy_column_target_in_accuracy.csv", 0.2)["target"]
    assert (already["already"], already["x"]) == (True, pytest.approx(100))
    flat = target("all_equal.csv", 0.5)
    assert flat["limit"] == pytest.approx(0.7)
    assert "flat" in flat["target"]["why_not"]
    file = str(folder / "accuracy_column_target_in_accuracy.csv")
    assert main(["forecast", file, "--target", "75", "--out", str(out)]) == 2
    rejected(capsys, "--target", 75.0, 1)


def test_a_file_that_is_not_there_is_said_before_jax_is_imported():
    code = (
        "import sys; from scalax.cli import main; code = main(['forecast', 'nowhere.csv']);"
        " assert code == 2 and 'jax' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "nowhere.csv" in done.stderr


def test_files_that_disagree_on_the_unit_are_refused(tmp_path):
    accuracy = 0.9 - 6 * STEPS**-0.5
    files = [
        write(tmp_path / "share.csv", zip(STEPS, accuracy, strict=True), "step,acc"),
        write(tmp_path / "percent.csv", zip(STEPS, 100 * accuracy, strict=True), "step,acc"),
    ]
    with rejects(files[1], "'acc'", 100, 1, "`bound`"):
        laws.read_curves(files)


def test_a_tag_in_the_name_of_a_file_says_what_its_value_is(tmp_path):
    rows = [f"{9},{x}" for x in STEPS], 0.9 - 6 * STEPS**-0.5
    path = write(tmp_path / "run-a-tag-val_accuracy.csv", zip(*rows, strict=True), "Wall time,Step,Value")
    [curve] = laws.read_curves(path)
    assert (curve.name, curve.scale) == ("a", laws.Scale(1, True))


def test_stray_rows_of_one_curve_are_its_own(tmp_path):
    rows = [
        *zip(STEPS[5::6] + 50, 2 + 30 * (STEPS[5::6] + 50.0) ** -0.5, strict=True),
        *zip(STEPS, LOSS, strict=True),
    ]
    [curve] = laws.read_curves(write(tmp_path / "a.csv", rows))
    assert len(curve.x) == len(rows)
    apart = [*zip(STEPS + 50, 2 * LOSS, strict=True), *zip(STEPS, LOSS, strict=True)]
    assert len(laws.read_curves(write(tmp_path / "b.csv", apart))) == 2


def test_repeats_of_one_x_are_no_warm_up():
    rng = np.random.default_rng(0)
    x = np.repeat(GRID, 8)
    _, notes = clean(laws.Curve(x, (1 + 20 * x**-0.5) * np.exp(0.03 * rng.standard_normal(len(x)))))
    assert not notes


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ([(1, "0.5", 0.3), (2, "o.4", 0.4), (3, "0.3", 0.5)], ("row 3", "loss", "o.4")),
        ([(1, "0.5", 0.3), ("2step", "0.4", 0.4), (3, "0.3", 0.5)], ("row 3", "step", "2step")),
    ],
)
def test_a_spoilt_column_is_not_passed_over_for_another(tmp_path, rows, names):
    """Without the cell it would have been chosen."""
    path = tmp_path / "log.csv"
    lines = [",".join(map(str, [*row, place])) for place, row in enumerate(rows)]
    path.write_text("\n".join(["step,loss,acc,epoch", *lines]))
    with rejects(*names):
        laws.read_curves(path)
    [named] = laws.read_curves(path, x="epoch", y="acc")
    assert named.y == pytest.approx([0.7, 0.6, 0.5])  # errors
