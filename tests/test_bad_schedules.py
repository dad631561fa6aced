"""Files of schedules that are refused, each in one line (drawn ones: test_bad_inputs.py)."""

import json
import math

import pytest

from scalax.schedule import MOST, Schedule
from tests.rejects import rejects

GOOD = {"patch": 4, "width": 16, "depth": 2, "until_flops": 1e9}
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
