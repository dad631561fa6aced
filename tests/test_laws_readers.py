"""Files of curves: the known kinds, what is wrong with a file in one line, and thousands of broken ones."""

import json
import random

import numpy as np
import pytest

from scalax import laws
from scalax.errors import UserError
from scalax.laws.curves import clean
from scalax.records import RunRecord, append
from tests.rejects import check_line, rejects

BENCHMARK = "Domain,Task,Model,Seen Examples,Loss,Training\n" + "".join(
    f"IC,task,{model},{1000 * 2**i},{0.9 * 0.8**i},{int(i < 8)}\n" for model in "ab" for i in range(10)
)


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_benchmark_columns_need_no_flags(tmp_path):
    a, b = laws.read_curves(write(tmp_path / "c.csv", BENCHMARK))
    assert (a.name, b.name) == ("IC/task/a", "IC/task/b")
    assert a.fit.sum() == 8
    np.testing.assert_allclose(a.y, 0.9 * 0.8 ** np.arange(10))


def test_own_records_need_no_flags(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for i in range(6):
        append(path, RunRecord("r", i, i, 1e9 * (i + 1), 1e9, 1.0, 4, 16, 1, {"val_error": 0.9 / (i + 1)}))
    [curve] = laws.read_curves(path)
    assert curve.name == "r"
    np.testing.assert_allclose(curve.x, 1e9 * np.arange(1, 7))


def test_wandb_export(tmp_path):
    text = (
        'Step,"run-1 - val/loss","run-1 - val/loss__MIN","run-2 - val/loss"\n1,2.0,1,3\n2,1.5,1,\n4,1.2,1,2\n'
    )
    one, two = laws.read_curves(write(tmp_path / "w.csv", text), x="Step", y="val/loss")
    assert (one.name, two.name) == ("run-1", "run-2")
    assert two.x.tolist() == [1, 4]
    [note] = two.notes
    check_line(note, "row 3, column 'val/loss'")


def test_accuracy_becomes_error(tmp_path):
    text = "n,val_acc\n" + "".join(f"{10 * 2**i},{1 - 0.5 * 0.7**i}\n" for i in range(6))
    curves = laws.read_curves(write(tmp_path / "a.csv", text), x="n", y="val_acc")
    np.testing.assert_allclose(curves[0].y, 0.5 * 0.7 ** np.arange(6))
    np.testing.assert_allclose(curves[0].scale.shown(curves[0].y), 1 - 0.5 * 0.7 ** np.arange(6))
    [remark] = curves.remarks
    assert (remark.kind, remark.values["bound"]) == ("bounded", 1)


def test_example_is_real_curves():
    curves = laws.example_curves()
    assert len(curves) == 3
    assert all((~c.fit).any() for c in curves)


BROKEN = {
    "": ["row 1, column 1"],
    "x,y\n": ["row 1, column 1"],
    "x,y\n1,2\n3\n": ["row 3, column 2", "1 cells"],
    "x,y\n1,2\n3,4,5\n": ["row 3, column 3"],
    "x,y\n1,two\n": ["row 2, column 'y'", "'two'"],
    "x,y,fit\n1,2,maybe\n": ["row 2, column 'fit'", "'maybe'"],
    "x;y\n1,2\n": ["row 2"],
    "x,x\n1,2\n": ["column 'x'"],
    "a,b\n1,2\n": ["one row"],
    "a,b\n1,2\n3,4\n": ["`x`='a' `y`='b'", "'a', 'b'"],
    "x,y\n1,nan\n2,-1\n": ["column 'y'"],
    'x,y\n1,"2\n': ["row"],
    '{"x": 1, "y": 2}\n[1]\n': ["row 2, column 1", "list"],
    '{"x": 1, "y": 2}\nnonsense\n{"x": 2, "y": 1}\n': ["row 2, column 1"],
    '{"x": 1, "y": true}\n': ["row 1, column 'y'", "bool"],
    b"\xff\xfe\x00\x01": ["row 1, column 1", "UTF-8"],
    b"x,y\n1,\x002\n": ["row 2, column 1"],
    "x,y\n1," + "9" * 20000 + "\n": ["row 2, column 'y'", "20,000"],
}


@pytest.mark.parametrize("text", BROKEN, ids=lambda t: repr(t)[:20])
def test_one_line_says_what_is_wrong(tmp_path, text):
    path = write(tmp_path / "bad.csv", text)
    with rejects(path, *BROKEN[text]):
        laws.read_curves(path)


def test_wrong_columns_are_suggested(tmp_path):
    path = write(tmp_path / "c.csv", "steps,loss\n1,2\n2,1\n")
    with rejects(path, "'step'", "'steps'"):
        laws.read_curves(path, x="step", y="loss")
    with rejects(tmp_path / "absent.csv"):
        laws.read_curves(tmp_path / "absent.csv")


ODD = ["nan", "inf", "-inf", "-1", "0", "1e300", "1e999", "-0.0", "", " ", "abc", "1,5", "1;2", '"', "1_000",
       "0x10", "9" * 400, "é", "\x00", "\n", "\r", "true", "null", "[]", "1e-320", "١٢"]  # fmt: skip


def mutate(rng: random.Random, text: str) -> bytes:
    """The text, broken in one to three ways."""
    raw = text.encode()
    for _ in range(rng.randint(1, 3)):
        way, at = rng.randrange(8), rng.randrange(len(raw) + 1)
        if way == 0:
            raw = raw[:at]
        elif way == 1:
            raw = raw[:at] + bytes(rng.randrange(256) for _ in range(rng.randint(1, 30))) + raw[at:]
        elif way == 2:
            raw = raw.replace(b",", rng.choice([b";", b"\t", b"|", b" "]), rng.choice([-1, 1, 5]))
        elif way in (3, 4, 5):
            lines = raw.split(b"\n")
            i = rng.randrange(len(lines))
            cells = lines[i].split(b",")
            cells[rng.randrange(len(cells))] = rng.choice(ODD).encode()
            lines[i] = b",".join(cells)
            raw = b"\n".join(lines)
        elif way == 6:
            lines = raw.split(b"\n")
            raw = b"\n".join(lines[: rng.randint(0, 3)])
        else:
            raw = raw[:at] + raw[at + rng.randint(1, 40) :]
    return raw


def complaint(path, number) -> str:
    """What the reader says against a file; where it says nothing, its curves hold only usable numbers."""
    try:
        for curve in laws.read_curves(path):
            assert len(curve.x) == len(curve.y) == len(curve.fit)
            usable = np.isfinite(curve.x) & (curve.x > 0) & np.isfinite(curve.y) & (curve.y > 0)
            assert usable.all(), number
            clean(curve)
    except UserError as e:
        return str(e)
    return ""


def test_thousands_of_malformed_files(tmp_path):
    rng = random.Random(0)
    plain = "x,y,fit\n" + "".join(f"{2**i},{0.9 * 0.9**i:.6f},{int(i < 9)}\n" for i in range(12))
    rows = [{"x": 2**i, "y": 0.9 * 0.9**i} for i in range(12)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    rejected = 0
    for number in range(2400):
        path = write(tmp_path / "fuzz.csv", mutate(rng, rng.choice([BENCHMARK, plain, lines])))
        said = complaint(path, number)
        rejected += bool(said)
        assert "\n" not in said, number
        assert not said or str(path) in said, number
    assert rejected > 1000


def test_constant_and_extreme_curves_are_fitted_without_a_fault():
    x = np.geomspace(1, 1e6, 12)
    curves = [laws.Curve(x, np.full(12, 0.5), "flat"), laws.Curve(x, 1e250 * x**-0.3, "huge")]
    for fits in laws.fit(curves, ["m1", "m2"]):
        assert all(np.isfinite(f.rmsle) and f.rmsle < 1e-4 for f in fits.values())
