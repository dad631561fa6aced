"""Records survive torn lines, and a schedule comes back as it was written."""

import json

import pytest

from scalax import records
from scalax.schedule import Schedule, Shape, Stage
from tests.rejects import check_line, rejects


def record(step: int, **metrics) -> records.RunRecord:
    return records.RunRecord("p8", step, step * 4, step * 1e9, step * 0.9e9, 0.5 * step, 8, 64, 4, metrics)


def test_records_come_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    written = [record(step, val_error=0.5 / step, val_loss=1.0) for step in (1, 2, 3)]
    for one in written:
        records.append(path, one)
    assert records.read(path) == written


def test_torn_line_is_passed_over_and_closed(tmp_path):
    path = tmp_path / "metrics.jsonl"
    records.append(path, record(1, val_error=0.5))
    with path.open("a") as file:
        file.write('{"run": "p8", "st')
    assert [r.step for r in records.read(path)] == [1]
    records.append(path, record(2, val_error=0.4))
    assert [r.step for r in records.read(path)] == [1, 2]


def test_keep_until_drops_what_a_resumed_run_writes_again(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for step in (1, 2, 3):
        records.append(path, record(step))
    assert [r.step for r in records.keep_until(path, 2)] == [1, 2] == [r.step for r in records.read(path)]
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_foreign_line_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"loss": 3}\n')
    with rejects(path, "line 1"):
        records.read(path)


@pytest.mark.parametrize("name", ["val_error", "pets/fewshot_error", "val_answer_error"])
@pytest.mark.parametrize("value", [7.867, -0.2, 1e300])
def test_a_share_lies_between_0_and_1(tmp_path, name, value):
    path = tmp_path / "metrics.jsonl"
    for step, share in enumerate((0.0, 1.0, 1 + 1e-7), 1):  # a mean of float32 may be off so much
        records.append(path, record(step, **{name: share, "val_loss": 7.867}))
    bad = record(4, **{name: value})
    with rejects(name, value):
        records.append(path, bad)
    with path.open("a") as file:
        file.write(json.dumps(bad.to_json()) + "\n")
    found = records.scan(path)
    assert len(found.records) == 3
    check_line(found.problem, path, name, value)


def test_a_key_that_stands_twice_is_refused_and_no_torn_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    line = json.dumps(record(1, val_error=0.5).to_json())
    path.write_text(line[:-1] + ', "val_error": 0.1}')
    with rejects(path, "line 1", "'val_error'"):
        records.read(path)
    for file, read in (
        ("run.json", records.read_info),
        ("s.json", lambda tmp: Schedule.load(tmp / "s.json")),
    ):
        (tmp_path / file).write_text('{"stages": [], "inner": {"a": 1, "b": [{"c\\u0064": 1, "cd": 2}]}}')
        with rejects(tmp_path / file, "'cd'"):
            read(tmp_path)


def test_json_stays_strict():
    assert json.loads(records.dumps({"a": float("nan"), "b": [float("inf"), 1.0]})) == {
        "a": None,
        "b": [None, 1.0],
    }


def test_schedule_round_trip(tmp_path):
    schedule = Schedule((Stage(Shape(8, 64, 4), 1e9), Stage(Shape(4, 64, 4), 3e9)))
    schedule.save(tmp_path / "plan.json")
    assert Schedule.load(tmp_path / "plan.json") == schedule
    assert schedule.budget_flops == 3e9


@pytest.mark.parametrize(
    "text",
    ["{", "{}", '{"stages": []}', '{"stages": [{"patch": 4, "width": 8, "depth": 1, "until_flops": -1}]}'],
)
def test_bad_schedule_is_one_line(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with rejects("schedule"):
        Schedule.load(tmp_path / "plan.json")
