"""Files of schedules that hold anything: read as they were meant, or refused in one line."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalax.errors import UserError
from scalax.schedule import MOST, Schedule, Shape, Stage
from tests.rejects import check_line, rejects

GOOD = {"patch": 4, "width": 16, "depth": 2, "until_flops": 1e9}
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=6), inside, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([*GOOD, "family", "patches", "batch_size", "lr", "weight_decay"])
BAD = [
    *(b"[5]", b'"abc"', b"5", b"null", b"{}", b"", b"\xff\xfe", b"[" * 100_000, b"1" * 5000),
    *(json.dumps({"stages": each}).encode() for each in (5, [], [5], [[]], [GOOD, GOOD], [GOOD] * 2000)),
]
BAD_STAGES = [
    *({"depth": depth} for depth in (0, -1, 10**6, 1e30, 10**30, 1.0, True, "2", None)),
    *({"patch": patch} for patch in (0, 4.7, True, "4", MOST["patch"] + 1)),
    *({"until_flops": flops} for flops in (0, -1, math.inf, math.nan, 10**400, 1e300, "1e9", None)),
    *({"batch_size": size} for size in (0, -8, True, 8.0, "8")),
    *({"lr": lr} for lr in (0, -1e-3, math.nan, math.inf, "1e-3")),
    *({"weight_decay": decay} for decay in (-1, math.nan, math.inf)),
    *({"patches": patches} for patches in ([2], [4, 4], [0, 4], [True, 4], ["4"], [4.0], 4, [4, 10**9])),
    *({"family": family} for family in ("", "v", "V\n", "../X", 5, "V" * 300)),
]


def refused(path, content: bytes) -> None:
    path.write_bytes(content)
    with rejects(path):
        Schedule.load(path)


@pytest.mark.parametrize("content", BAD, ids=lambda content: repr(content[:20]))
def test_what_is_no_schedule(tmp_path, content):
    refused(tmp_path / "s.json", content)


@pytest.mark.parametrize("changes", BAD_STAGES, ids=repr)
def test_what_is_no_stage(tmp_path, changes):
    refused(tmp_path / "s.json", json.dumps({"stages": [{**GOOD, **changes}]}).encode())


def test_where_there_is_no_file(tmp_path):
    for path in (tmp_path, tmp_path / "none", tmp_path / ("x" * 300), "foo://x/y", "http://h/s.json"):
        with rejects(path):
            Schedule.load(path)


def read(text: bytes, path) -> None:
    """The file gives a schedule that is itself again when written, or a UserError in one line."""
    path.write_bytes(text)
    try:
        schedule = Schedule.load(path)
    except UserError as e:
        check_line(str(e))
        return
    for stage in schedule.stages:
        assert all(type(value) is int for value in stage.shape[:3])
        assert 0 < stage.until_flops < math.inf
    assert Schedule.from_json(json.loads(json.dumps(schedule.to_json()))) == schedule


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("schedules") / "s.json"


@given(JUNK)
@settings(max_examples=150, deadline=2000)
def test_any_json(file, data):
    read(json.dumps(data).encode(), file)


@given(st.lists(st.dictionaries(KEYS, JUNK, max_size=3), min_size=1, max_size=3))
@settings(max_examples=150, deadline=2000)
def test_any_values_in_stages(file, changes):
    read(json.dumps({"stages": [{**GOOD, **each} for each in changes]}).encode(), file)


@given(st.data())
@settings(max_examples=100, deadline=2000)
def test_a_damaged_file(file, data):
    schedule = Schedule((Stage(Shape(4, 16, 2), 1e9), Stage(Shape(2, 16, 2), 3e9)))
    raw = bytearray(json.dumps(schedule.to_json()).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    read(bytes(raw[: data.draw(st.integers(0, len(raw)))]), file)


@pytest.mark.slow
@given(st.lists(st.dictionaries(KEYS, JUNK, max_size=4), min_size=1, max_size=4))
@settings(max_examples=2000, deadline=None)
def test_many_values_in_stages(file, changes):
    read(json.dumps({"stages": [{**GOOD, **each} for each in changes]}).encode(), file)
