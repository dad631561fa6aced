"""Files that trainers leave, each read without a flag, or with those that the error names."""

import json
import os
import random
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalax import laws, untrusted
from scalax.errors import UserError
from scalax.laws.readers import events, formats, numbers
from scalax.laws.readers.files import labels
from tests.bad_inputs import in_time
from tests.curve_files import event_record, tensor_events
from tests.rejects import rejects
from tests.small_study import small_study

STEPS = np.arange(100, 2500, 100)
LOSS = 2 + 30 * STEPS**-0.5
POINTS = list(zip(STEPS.tolist(), LOSS.tolist(), strict=True))


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def lines(make):
    return "".join(make(step, loss) for step, loss in zip(STEPS.tolist(), LOSS.tolist(), strict=True))


def assert_is_loss(curve, x=STEPS, y=LOSS, rtol=1e-12):
    np.testing.assert_allclose(curve.x, x)
    np.testing.assert_allclose(curve.y, y, rtol=rtol)


def rows(*extra):
    return [{"step": s, "loss": v, **dict(extra)} for s, v in zip(STEPS.tolist(), LOSS.tolist(), strict=True)]


NESTED = "".join(json.dumps({"step": r["step"], "metrics": {"loss": r["loss"]}}) + "\n" for r in rows())
TORN = "".join(json.dumps(row) + "\n" for row in rows()) + '{"step": 2500, "lo'
CASES = {
    "plain": ("a.csv", "step,loss\n" + lines(lambda s, v: f"{s},{v!r}\n")),
    "no header": ("a.csv", lines(lambda s, v: f"{s},{v!r}\n")),
    "spaces": ("a.txt", lines(lambda s, v: f"{s:8d}   {v!r}\n")),
    "savetxt": ("a.txt", "# step loss\n" + lines(lambda s, v: f"{s:.18e} {v:.18e}\n")),
    "markdown": ("a.md", "| step | loss |\n|---|---|\n" + lines(lambda s, v: f"| {s} | {v!r} |\n")),
    "byte order mark": ("a.csv", "\ufeffstep\tloss\r\n" + lines(lambda s, v: f"{s}\t{v!r}\r\n")),
    "UTF-16": ("a.csv", ("step\tloss\n" + lines(lambda s, v: f"{s}\t{v!r}\n")).encode("utf-16")),
    "spreadsheet": ("a.csv", "step;loss\n" + lines(lambda s, v: f"{s};{v!r}\n".replace(".", ","))),
    "thousands": ("a.csv", "step,loss\n" + lines(lambda s, v: f'"{s:,}",{v!r}\n')),
    "missing words": (
        "a.csv",
        "step,loss,acc\n" + lines(lambda s, v: f"{s},{v!r},NA\n") + "2500,null,0.5\n2600,None,\n",
    ),
    "blank columns": ("a.csv", "step,loss,,\n" + lines(lambda s, v: f"{s},{v!r},,\n")),
    "row names": ("a.csv", "step,loss\n" + lines(lambda s, v: f'"r{s}",{s},{v!r}\n')),
    "unnamed index": ("a.csv", ",step,loss\n" + lines(lambda s, v: f"{s // 100},{s},{v!r}\n")),
    "a row too long": ("a.csv", "step,loss\n" + lines(lambda s, v: f"{s},{v!r}\n") + "9,9,9\n"),
    "header again": ("a.csv", "step,loss\n" + lines(lambda s, v: f"{s},{v!r}\n") + "step,loss\n"),
    "cut after a decimal comma": (
        "a.csv",
        "step;loss\n" + lines(lambda s, v: f"{s};{v!r}\n".replace(".", ",")) + "2500;2,",
    ),
    "cut in its number": ("a.csv", "step,loss\n" + lines(lambda s, v: f"{s},{v!r}\n") + "2500,2."),
    "Lightning": (
        "metrics.csv",
        "epoch,step,train_loss,val_loss\n" + lines(lambda s, v: f"0,{s},{v + 1!r},\n0,{s},,{v!r}\n"),
    ),
    "TensorBoard CSV": ("run-a-tag-loss.csv", "Wall time,Step,Value\n" + lines(lambda s, v: f"9,{s},{v}\n")),
    "TensorBoard JSON": ("a.json", json.dumps([[9, r["step"], r["loss"]] for r in rows()])),
    "Hugging Face state": (
        "trainer_state.json",
        json.dumps({"global_step": 9, "log_history": [*rows(("epoch", 0.1)), {"step": 9, "train_loss": 3}]}),
    ),
    "log history": ("a.json", json.dumps([*rows(), {"step": 2400, "eval_loss": 2.6}])),
    "JSON by column": ("a.json", json.dumps({"step": STEPS.tolist(), "loss": LOSS.tolist()})),
    "pandas JSON": (
        "a.json",
        json.dumps({"step": dict(enumerate(STEPS.tolist())), "loss": dict(enumerate(LOSS))}),
    ),
    "pandas split": (
        "a.json",
        json.dumps({"columns": ["step", "loss"], "data": [[r["step"], r["loss"]] for r in rows()]}),
    ),
    "JSON lines": ("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows(("lr", 0.1)))),
    "nested JSON": ("a.jsonl", NESTED),
    "torn JSON": ("a.jsonl", TORN),
    "strings in JSON": ("a.jsonl", lines(lambda s, v: f'{{"num_updates": "{s}", "loss": "{v!r}"}}\n')),
    "detectron2": ("metrics.json", lines(lambda s, v: f'{{"iteration": {s}, "total_loss": {v!r}}}\n')),
    "mmengine": (
        "scalars.json",
        lines(lambda s, v: f'{{"lr": 0.1, "loss": {v!r}, "epoch": 1, "iter": {s}, "step": {s}}}\n'),
    ),
    "MLflow's table": ("a.csv", "key,value,step,timestamp\n" + lines(lambda s, v: f"loss,{v!r},{s},1\n")),
    "MLflow's answer": (
        "a.json",
        json.dumps({"metrics": [{"key": "loss", "value": r["loss"], "step": r["step"]} for r in rows()]}),
    ),
    "MLflow's file": ("run/metrics/loss", lines(lambda s, v: f"1700000000{s:03d} {v!r} {s}\n")),
    "nanoGPT": ("a.log", "loading\n" + lines(lambda s, v: f"iter {s}: loss {v!r}, time 12.3ms\n")),
    "modded": ("a.log", lines(lambda s, v: f"step:{s}/2400 val_loss:{v!r} train_time:{s}ms\n")),
    "Megatron": (
        "a.log",
        lines(lambda s, v: f" iteration {s:8d}/ 2400 | time per iteration (ms): 9 | lm loss: {v!r} |\n"),
    ),
    "detectron2's log": (
        "a.log",
        lines(lambda s, v: f"[01/02 10:11:12 d2.utils]: eta: 0:10:11 iter: {s}  total_loss: {v!r}\n"),
    ),
    "dictionaries in a log": ("a.log", "begin\n" + lines(lambda s, v: f"{{'loss': {v}, 'step': {s}}}\n")),
    "dates in a log": ("a.log", lines(lambda s, v: f"2024-01-02 10:11:12,345 - step {s} - loss = {v!r}\n")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_read_without_flags(tmp_path, case):
    name, text = CASES[case]
    [curve] = laws.read_curves(write(tmp_path / name, text))
    assert_is_loss(curve)


def test_training_by_epochs(tmp_path):
    """Keras, timm and Ultralytics count epochs from 0 and write a row at the end of each."""
    epochs = np.arange(24)
    loss = 0.5 + 2 / np.sqrt(epochs + 1)
    keras = "epoch,accuracy,loss,val_accuracy,val_loss\n" + "".join(
        f"{e},{1 - v / 4!r},{v / 2!r},{1 - v / 3!r},{v!r}\n"
        for e, v in zip(epochs, loss.tolist(), strict=True)
    )
    curves = laws.read_curves(write(tmp_path / "keras.csv", keras))
    assert_is_loss(curves[0], epochs + 1, loss)
    assert {remark.kind for remark in curves.remarks} == {"guessed", "epochs_from_zero"}
    [as_it_is] = laws.read_curves(tmp_path / "keras.csv", x="epoch+0")
    assert_is_loss(as_it_is, epochs[1:], loss[1:])
    yolo = "          epoch,   train/box_loss,   metrics/mAP50(B),   val/box_loss,  val/cls_loss\n" + "".join(
        f"  {e + 1},   {v + 1!r},   {1 - v / 4!r},   {v!r},   {v + 1!r}\n"
        for e, v in zip(epochs, loss.tolist(), strict=True)
    )
    path = write(tmp_path / "results.csv", yolo)
    with rejects(path, "`x`='epoch' `y`='val/box_loss'"):
        laws.read_curves(path)
    [curve] = laws.read_curves(path, x="epoch", y="val/box_loss")
    assert_is_loss(curve, epochs + 1, loss)
    [rising] = laws.read_curves(path, y="metrics/mAP50(B)")
    np.testing.assert_allclose(rising.scale.shown(rising.y), 1 - loss / 4)


def test_text_log_of_keras_goes_by_the_line_before(tmp_path):
    text = lines(lambda s, v: f"Epoch {s // 100}/24\n100/100 [====] - 3s 2ms/step - loss: {v!r}\n")
    [curve] = laws.read_curves(write(tmp_path / "a.log", text))
    assert_is_loss(curve, STEPS / 100)


def test_weights_and_biases(tmp_path):
    text = '"Step","ok - loss","ok - loss__MIN","two - a - loss","crashed - loss","empty - loss"\n' + lines(
        lambda s, v: f'"{s}","{v!r}","1","{2 * v!r}","{3 if s == 100 else ""}",""\n'
    )
    curves = laws.read_curves(write(tmp_path / "w.csv", text))
    assert [curve.name for curve in curves] == ["ok", "two - a"]
    assert_is_loss(curves[0])
    assert_is_loss(curves[1], y=2 * LOSS)
    out = [(r.values["run"], r.values["rows"]) for r in curves.remarks if r.kind == "left_out_run"]
    assert out == [("crashed", 1), ("empty", 0)]
    same = '"Step","run - loss","run - loss"\n' + lines(lambda s, v: f"{s},{v!r},{2 * v!r}\n")
    assert [c.name for c in laws.read_curves(write(tmp_path / "s.csv", same))] == ["run", "run (2)"]


def test_directories_name_runs(tmp_path):
    text = "step,loss\n" + lines(lambda s, v: f"{s},{v!r}\n")
    for version in (0, 1):
        write(tmp_path / "logs" / f"version_{version}" / "metrics.csv", text)
        write(tmp_path / "logs" / f"version_{version}" / "hparams.yaml", "lr: 0.1\n")
    assert [c.name for c in laws.read_curves(tmp_path / "logs")] == ["version_0", "version_1"]
    files = [tmp_path / "logs" / f"version_{v}" / "metrics.csv" for v in (0, 1)]
    assert [c.name for c in laws.read_curves(files)] == ["version_0", "version_1"]
    write(tmp_path / "empty" / "notes.md", "none")
    with rejects(tmp_path / "empty"):
        laws.read_curves(tmp_path / "empty")


def test_only_the_last_checkpoint_of_a_run_counts(tmp_path):
    for last in (5, 10, 24):
        state = {"log_history": rows()[:last]}
        write(tmp_path / f"checkpoint-{last}" / "trainer_state.json", json.dumps(state))
    curves = laws.read_curves(tmp_path)
    assert_is_loss(curves[0])
    assert [r.values["count"] for r in curves.remarks if r.kind == "other_checkpoints"] == [2]


def test_mlflow_directories(tmp_path):
    for run in ("r1", "r2"):
        for metric in ("train/loss", "val_loss"):
            text = lines(lambda s, v: f"1700000000000 {v!r} {s}\n")
            write(tmp_path / "mlruns" / "0" / run / "metrics" / metric, text)
        write(tmp_path / "mlruns" / "0" / run / "meta.yaml", f"run_id: x\nrun_name: good-{run}\n")
    one, two = laws.read_curves(tmp_path / "mlruns")
    assert (one.name, two.name, one.labels) == ("good-r1", "good-r2", ("step", "val_loss"))
    assert_is_loss(two)


METRIC = "".join(f"17000000{k:05d} {1 / k:.4f} {k}\n" for k in range(1, 13))


@pytest.mark.parametrize("has_meta", [True, False])
@pytest.mark.parametrize(
    ("raw", "is_read"),
    [
        (b"\xef\xbb\xbf" + METRIC.encode(), True),
        (METRIC.encode("utf-16"), True),
        (b"\n" + METRIC.encode(), True),
        (METRIC.replace("\n", " digits 1a2b\n").encode(), True),
        (b"", False),
        (b"garbage\n" + METRIC.encode(), False),
        (b"-" + METRIC.encode(), False),
        (b"1700000000001 1 1 1\n", False),
        (b"\x00\xff", False),
    ],
)
def test_no_run_of_mlflow_is_passed_over(tmp_path, raw, is_read, has_meta):
    for run, text in (("a", METRIC.encode()), ("b", raw)):
        path = tmp_path / run / "metrics" / "loss"
        path.parent.mkdir(parents=True)
        path.write_bytes(text)
        if has_meta:
            (path.parents[1] / "meta.yaml").write_text(f"run_id: {run}\nrun_name: {run}\n")
    if is_read:
        one, two = laws.read_curves(tmp_path, x="step", y="loss")
        assert one.y.tolist() == two.y.tolist()
    else:
        with rejects(tmp_path / "b"):
            laws.read_curves(tmp_path, x="step", y="loss")


def test_not_all_directories_of_metrics_are_runs_of_mlflow(tmp_path):
    """Its logged models have some of their own, with another line; so have the tables of others."""
    run, model = tmp_path / "1" / "r1", tmp_path / "1" / "models" / "m-1"
    for where, text in ((run, METRIC), (model, "1700000000000 0.5 1 r1 none none\n")):
        write(where / "metrics" / "loss", text)
    write(run / "meta.yaml", "run_id: r1\n")
    write(run / "metrics" / ".DS_Store", "\0")
    write(model / "meta.yaml", "model_id: m-1\n")
    assert [curve.name for curve in laws.read_curves(tmp_path, x="step", y="loss")] == ["r1"]
    other = tmp_path / "other"
    write(other / "meta.yaml", "author: me\n")
    for name in ("a", "b"):
        write(other / "metrics" / f"{name}.csv", "step,loss\n" + lines(lambda s, v: f"{s},{v!r}\n"))
    assert len(laws.read_curves(other / "metrics")) == 2


@pytest.mark.parametrize("name", ["step", "timestamp"])
def test_a_metric_of_the_name_of_a_column_of_mlflow(tmp_path, name):
    run = tmp_path / "run" / "metrics"
    write(run / name, lines(lambda s, v: f"1700000000000 7 {s}\n"))
    write(run / "loss", lines(lambda s, v: f"1700000000000 {v!r} {s}\n"))
    assert_is_loss(laws.read_curves(tmp_path, x="step", y="loss")[0])
    assert set(laws.read_curves(tmp_path, x="step", y=f"metrics/{name}")[0].y) == {7}


@pytest.mark.parametrize("part", ["a", "a1", "a b ", "a=", "(a.", "epoch"])
def test_a_long_line_without_numbers_in_a_log_takes_no_longer_than_it_is(tmp_path, part):
    log = lines(lambda s, v: f"step {s}: loss {v!r}\n")
    path = write(tmp_path / "a.log", log + part * (300_000 // len(part)) + "\n")
    with in_time():
        [curve] = laws.read_curves(path)
    assert_is_loss(curve)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/b.csv", "a/c.csv"], ["b", "c"]),
        (["v0/m.csv", "v1/m.csv"], ["v0", "v1"]),
        (["p/v0/m.csv", "q/v0/m.csv", "q/v1/m.csv"], ["p/v0", "q/v0", "q/v1"]),
        (["run-a-tag-loss.csv", "run-b-tag-loss.csv"], ["a", "b"]),
        (["x/events.out.tfevents.1.host"], ["x"]),
    ],
)
def test_labels_are_the_shortest_that_tell(paths, names):
    assert labels([Path(path) for path in paths]) == names


# TensorBoard's events


def write_events(directory, step_of=lambda i: int(STEPS[i]), tensors=False):
    writer = pytest.importorskip("tensorboardX").SummaryWriter(str(directory))
    for i, loss in enumerate(LOSS):
        writer.add_scalar("val/loss", loss, step_of(i))
        writer.add_scalar("lr", 0.1, step_of(i))
    writer.add_text("notes", "hello", 1)
    writer.add_histogram("weights", np.arange(100.0), 1)
    writer.close()
    return next(directory.glob("*.tfevents.*"))


def test_events_of_tensorboardx(tmp_path):
    path = write_events(tmp_path / "run")
    [curve] = laws.read_curves(tmp_path / "run")
    assert_is_loss(curve, rtol=1e-6)  # float32
    assert (curve.name, curve.labels) == ("run", ("step", "val/loss"))
    write_events(tmp_path / "other")
    assert [c.name for c in laws.read_curves(tmp_path)] == ["other", "run"]
    raw = path.read_bytes()
    [table] = events.read(path, raw[:-7])
    assert [remark.kind for remark in table.remarks] == ["cut"]
    at = raw.index(b"val/loss", 200) + 12  # within a scalar's bytes
    [table] = events.read(path, raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
    assert [remark.kind for remark in table.remarks] == ["damaged"]


def test_events_that_hold_tensors():
    """What TensorFlow 2 writes: a TensorProto of one float in place of a simple value."""
    raw = tensor_events([2 / step for step in range(1, 100)])
    [table] = events.read(Path("events"), raw)
    assert table.columns["step"] == list(range(1, 100))
    np.testing.assert_allclose(np.array(table.columns["loss"], float), 2 / np.arange(1, 100), rtol=1e-6)
    assert events.is_events(Path("no name"), raw)


def event(step: int, *tags: str) -> bytes:
    """One record of the scalar 0.5 under each tag, whose length takes two bytes."""
    values = b"".join(b"\x0a" + bytes([len(v)]) + v for v in (
        b"\x0a" + bytes([len(tag)]) + tag.encode() + b"\x15" + struct.pack("<f", 0.5) for tag in tags
    ))  # fmt: skip
    size = bytes([len(values) & 127 | 128, len(values) >> 7])
    return b"\x09" + struct.pack("<d", 1e9) + b"\x10" + bytes([step]) + b"\x2a" + size + values


def test_long_records_of_scalars_are_checked_too():
    tags = [f"tag{i}" for i in range(200)]
    raw = b"".join(event_record(event(step, *tags)) for step in (1, 2, 3))
    assert len(raw) / 3 > events.LARGEST_CHECKED
    [table] = events.read(Path("events"), raw)
    assert (table.columns["step"], table.remarks) == ([1, 2, 3], ())
    at = raw.index(b"tag7", len(raw) // 3) + 8
    [table] = events.read(Path("events"), raw[:at] + bytes([raw[at] ^ 64]) + raw[at + 1 :])
    assert table.columns["step"] == [1, 3]
    assert [remark.kind for remark in table.remarks] == ["damaged"]


def test_tags_named_as_columns_of_events():
    [table] = events.read(Path("events"), event_record(event(7, "step", "wall_time")))
    assert {name: cells[0] for name, cells in table.columns.items()} == {
        "step": 7, "wall_time": 1e9, "step (tag)": 0.5, "wall_time (tag)": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize("damage", [b"\x80" * 1_000_000, b"\x0a\x03abc", b"\xff" * 12])
def test_broken_messages_in_whole_records_are_passed_over(damage):
    """A number of a million bytes, a time of three, a key that never ends."""
    [table] = events.read(Path("events"), event_record(damage) + event_record(event(7, "loss")))
    assert table.columns["loss"] == [0.5]


def test_checksum_is_that_of_the_standard():
    """CRC-32C of '123456789' is E3069283, before its mask."""
    masked = int(events._masked_crc([b"123456789"])[0])
    plain = 0xE3069283
    assert masked == ((plain >> 15 | plain << 17) + 0xA282EAD8) & 0xFFFFFFFF


# In memory


def test_data_in_memory():
    class Frame:  # of pandas or polars, as far as it is used
        columns = ("step", "loss")

        def to_dict(self, orient):
            assert orient == "list"
            return {"step": STEPS.tolist(), "loss": LOSS.tolist()}

    table = np.column_stack([STEPS, LOSS])
    for data in ((STEPS, LOSS), table, {"a": (STEPS, LOSS)}, Frame(), rows(), {"step": STEPS, "loss": LOSS}):
        [curve] = laws.as_curves(data)
        assert_is_loss(curve)
    _, two = laws.as_curves([(STEPS, LOSS), laws.Curve(STEPS, LOSS, "mine")])
    assert two.name == "mine"
    assert [c.name for c in laws.as_curves({"b": (STEPS, LOSS), "a": (STEPS, LOSS)})] == ["b", "a"]
    for bad in (3, "text", ([1, 2], [1])):
        with pytest.raises(UserError):
            laws.as_curves(bad)


def test_pandas_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"step": STEPS, "loss": LOSS, "run": ["a"] * 12 + ["b"] * 12})
    assert [c.name for c in laws.as_curves(frame)] == ["a", "b"]


# Any dialect

NAMES = st.sampled_from(["step", "loss", "val loss", "a/b", "näme", "Wall time", 'quo"te', "x"])
VALUES = st.floats(1e-6, 1e15, allow_nan=False)


@given(
    table=st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=12),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    mark=st.sampled_from([".", ","]),
    quoted=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    start=st.sampled_from(["", "\ufeff", "# made by hand\n"]),
    names=st.lists(NAMES, min_size=2, max_size=2, unique=True),
    blank=st.booleans(),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_dialect_is_read_back(tmp_path, table, delimiter, mark, quoted, end, start, names, blank):
    import csv
    import io

    if mark == delimiter:
        quoted = True
    out = io.StringIO()
    out.write(start)
    writer = csv.writer(
        out,
        delimiter=delimiter,
        lineterminator=end,
        quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL,
    )
    writer.writerow(names + [""] * blank)
    for row in table:
        cells = [f"{value:.4f}" if value < 1e12 else f"{value:.6e}" for value in row]
        writer.writerow([cell.replace(".", mark) for cell in cells] + [""] * blank)
    path = write(tmp_path / "any.csv", out.getvalue())
    [read] = formats.read_tables(path)
    assert list(read.columns) == names
    decimal, _ = numbers.decimal_of(read, names)
    assert decimal == mark
    for i, name in enumerate(names):
        expected = [float(f"{r[i]:.4f}" if r[i] < 1e12 else f"{r[i]:.6e}") for r in table]
        np.testing.assert_allclose(numbers.numbers(read, name, decimal).values, expected)


@given(
    st.integers(0, 10**12),
    st.integers(0, 9999),
    st.sampled_from([(".", ","), (",", "."), (".", " "), (".", "'")]),
)
def test_grouped_numbers_are_read_back(whole, part, marks):
    mark, group = marks
    text = f"{whole:,}".replace(",", group) + f"{mark}{part:04d}"
    assert numbers.parse(text, mark)[0] == pytest.approx(float(f"{whole}.{part:04d}"), rel=1e-15)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64B", 64e9),
        ("1.5 M", 1.5e6),
        ("10k", 1e4),
        ("2T", 2e12),
        ("71.3%", 71.3),
        ("1_024", 1024),
        ("−3", -3),
    ],
)
def test_suffixes(text, value):
    assert numbers.parse(text)[0] == value


@pytest.mark.parametrize("text", ["5m", "0x10", "1,2,3", "1.2.3", "%", "k", "12,34", "1e", "1_0"])
def test_what_is_no_number(text):
    with pytest.raises(ValueError, match=re.escape(text)):
        numbers.parse(text)


TWICE = {
    "lines": ('{"step": 1, "loss": 3}\n{"step": 2, "loss": 2, "loss": 9}\n{"step": 3, "loss": 1}\n', "row 2"),
    "first line": ('{"step": 1, "loss": 3, "loss": 9}\n{"step": 2, "loss": 2}\n', "row 1"),
    "last line": ('{"step": 1, "loss": 3}\n{"step": 2, "loss": 2, "loss": 9}', "row 2"),
    "document": ('{"log_history": [\n{"step": 1, "loss": 3},\n{"step": 2, "loss": 2, "loss": 9}]}', "'loss'"),
    "text log": ('INFO {"step": 1, "loss": 3}\nINFO {"step": 2, "loss": 2, "loss": 9}\n', "row 2"),
}


@pytest.mark.parametrize("case", TWICE)
def test_a_key_that_stands_twice_is_refused(tmp_path, case):
    text, where = TWICE[case]
    with rejects(write(tmp_path / "a.txt", text), where, "'loss'"):
        laws.read_curves(tmp_path / "a.txt")


def test_what_other_programs_write_beside_strict_json_is_read(tmp_path):
    text = "".join(f'{{"step": {s}, "loss": {v!r}, "lr": NaN, "said": "\\ud83d"}}\n' for s, v in POINTS)
    [curve] = laws.read_curves(write(tmp_path / "a.jsonl", text))
    assert_is_loss(curve)


def test_a_pipe_is_read_to_its_end_and_a_device_refused(tmp_path, monkeypatch):
    text = "step,loss\n" + lines(lambda s, v: f"{s},{v!r}\n")
    for most in (10**6, 500):
        read, write_end = os.pipe()
        with os.fdopen(write_end, "w") as file:
            file.write(text)
        monkeypatch.setattr(untrusted, "MOST_PIPED", most)
        try:
            if most > len(text):
                assert_is_loss(laws.read_curves(f"/dev/fd/{read}")[0])
            else:
                with rejects(f"/dev/fd/{read}", most):
                    laws.read_curves(f"/dev/fd/{read}")
        finally:
            os.close(read)
    for device in ("/dev/zero", "/dev/null"):
        with rejects(device):
            laws.read_curves(device)
    os.mkfifo(tmp_path / "a.wandb")  # nobody writes to it
    os.mkfifo(tmp_path / "b.tfevents.1")
    with rejects(tmp_path):
        laws.read_curves(tmp_path)
    monkeypatch.setattr(untrusted, "MOST_TABLE", 500)
    with rejects(tmp_path / "a.csv", 500):
        laws.read_curves(write(tmp_path / "a.csv", text))


@pytest.mark.parametrize("header", ["flops,loss", "loss,flops", "flops,val_loss,loss", "flops,width"])
@pytest.mark.parametrize("bad", [{3}, set(range(24))], ids=["one", "all"])
def test_a_column_that_a_cell_spoils_is_named(tmp_path, header, bad):
    rows = (
        ",".join(hex(i) if n == "flops" and i in bad else f"{i + 1}.5" for n in header.split(","))
        for i in range(24)
    )
    path = write(tmp_path / "a.csv", "\n".join([header, *rows]))
    with rejects(path, f"row {min(bad) + 2}", "'flops'", f"'{hex(min(bad))}'"):
        laws.read_curves(path)


def test_ambiguous_numbers_are_refused_with_the_remedy(tmp_path):
    path = write(tmp_path / "a.csv", "step;loss\n" + "".join(f"{i};{9 - i},123\n" for i in range(1, 8)))
    with rejects(path, "row 2", "'loss'", "'8,123'", "8.123", "8123", "`decimal`=','", "`decimal`='.'"):
        laws.read_curves(path)
    [curve] = laws.read_curves(path, decimal=",")
    assert curve.y[0] == 8.123
    [curve] = laws.read_curves(path, decimal=".")
    assert curve.y[0] == 8123
    both = write(tmp_path / "b.csv", 'step;loss\n1;3,5\n2;"1,234.5"\n')
    with rejects(both, "row 2", "'3,5'", "'1,234.5'"):
        laws.read_curves(both)
    mixed = write(tmp_path / "c.csv", "step;loss\n1;3,5\n2;1.25\n")
    with rejects(mixed, "row 3", "'1.25'"):
        laws.read_curves(mixed)


def test_wide_tables(tmp_path):
    header = "step,epoch,lr,train_loss,eval_loss,eval_top1\n"
    text = header + lines(lambda s, v: f"{s},{s / 1e3},0.1,{v + 1!r},{v!r},{100 - 20 * v!r}\n")
    path = write(tmp_path / "wide.csv", text)
    assert [c.name for c in laws.read_curves(path, y="train_loss,eval_loss")] == ["train_loss", "eval_loss"]
    curves = laws.read_curves(path, y="*")
    assert [c.name for c in curves] == ["train_loss", "eval_loss", "eval_top1"]
    np.testing.assert_allclose(curves[2].scale.shown(curves[2].y), 100 - 20 * LOSS)
    assert [r.values["columns"] for r in curves.remarks if r.kind == "left_out_columns"] == ["'lr'"]
    assert [c.name for c in laws.read_curves(path, y="eval_*")] == ["eval_loss", "eval_top1"]


def test_tokens_and_flops_are_preferred_where_they_stand(tmp_path):
    text = "step,tokens,loss\n" + lines(lambda s, v: f"{s},{s / 1e3:.1f}B,{v!r}\n")
    [curve] = laws.read_curves(write(tmp_path / "a.csv", text))
    assert_is_loss(curve, STEPS * 1e6)
    constant = "step,tokens,flops,loss\n" + lines(lambda s, v: f"{s},4096,,{v!r}\n")
    [curve] = laws.read_curves(write(tmp_path / "b.csv", constant))
    assert_is_loss(curve)
    [curve] = laws.read_curves(tmp_path / "b.csv", x="step*4096")
    assert_is_loss(curve, STEPS * 4096)


def test_any_bytes_give_curves_or_one_line(tmp_path):
    rng = random.Random(1)
    texts = [text for _, text in CASES.values()]
    for number in range(600):
        text = rng.choice(texts)
        raw = bytearray(text if isinstance(text, bytes) else text.encode())
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(raw))
            way = rng.randrange(3)
            if way == 0:
                raw[at] = rng.randrange(256)
            elif way == 1:
                del raw[at : at + rng.randint(1, 60)]
            else:
                raw[at:at] = rng.choice([b",", b'"', b"{", b"}", b"nan", b"-", b"\n", b"1e999", b"[", b":"])
            raw = raw or bytearray(b"x")
        path = write(tmp_path / "fuzz", bytes(raw))
        said = str(path)
        try:
            for curve in laws.read_curves(path):
                assert np.isfinite(curve.x).all(), number
                assert (curve.y > 0).all(), number
        except UserError as e:
            said = str(e)
        assert "\n" not in said, number
        assert str(path) in said, number


def test_what_is_taken_of_our_own_runs_is_said(tmp_path):
    curves = laws.read_curves(small_study(tmp_path / "study") / "runs" / "a")
    assert curves[0].labels == ("flops", "val_error")
    [remark] = [remark for remark in curves.remarks if remark.kind == "guessed"]
    assert "'val_error'" in remark.values["columns"]
