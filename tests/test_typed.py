"""Plain records to JSON and back, and what is said of a file that holds something else."""

import dataclasses
import json
import math
from typing import Literal, NamedTuple

import numpy as np
import pytest

from scalax import typed
from scalax.registry import Registry
from scalax.schedule import Schedule, Shape, Stage
from tests.rejects import rejects


class Row(NamedTuple):
    name: str
    values: list[float]
    best: float | None = None


@dataclasses.dataclass(frozen=True)
class Table:
    rows: dict[str, Row]
    pair: tuple[int, float]
    schedule: Schedule | None
    kind: Literal["a", "b"] = "a"
    words: tuple[str, ...] = ()


TABLE = Table(
    {"one": Row("x", [1.0, 2.5], 0.5)}, (3, 0.25), Schedule((Stage(Shape(4, 8, 1), 1e9),)), "b", ("p", "q")
)


def test_records_come_back():
    text = json.dumps(typed.to_json(TABLE))
    assert typed.from_json(Table, json.loads(text), "f") == TABLE
    assert typed.from_json(Row, {"name": "x", "values": [], "more": 1}, "f") == Row("x", [])
    found = typed.from_json(Row, typed.to_json(Row("x", np.array([1.0, 2.0]))), "f")  # type: ignore[arg-type]
    assert found.values == [1.0, 2.0]


def test_null_is_no_number():
    assert math.isnan(typed.from_json(Row, {"name": "x", "values": [None]}, "f").values[0])


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"rows": []}, ["f, rows:", "[]"]),
        ({"rows": {"one": {"name": "x"}}}, ["f:", "'rows.one.values'"]),
        ({"rows": {"one": {"name": 5, "values": []}}}, ["f, rows.one.name:", 5]),
        ({"rows": {"one": {"name": "x", "values": ["1"]}}}, ["f, rows.one.values[0]:", "'1'"]),
        ({"pair": [1]}, ["f, pair:", 2, "[1]"]),
        ({"pair": [True, 1.0]}, ["f, pair[0]:", True]),
        ({"pair": [10**400, 1.0]}, ["f, pair[0]:"]),
        ({"pair": [1, 10**400]}, ["f, pair[1]:"]),
        ({"rows": {"a\nb": 5}}, ["f, rows.a\\nb:", 5]),
        ({"schedule": "abc"}, ["f, schedule:"]),
        ({"kind": "c"}, ["f, kind:", "'a', 'b'", "'c'"]),
        ({"schedule": {"stages": []}}, ["f, schedule:"]),
    ],
)
def test_what_is_wrong_is_named_by_its_place(change, names):
    with rejects(*names):
        typed.from_json(Table, {**json.loads(json.dumps(typed.to_json(TABLE))), **change}, "f")


def test_a_registry_holds_what_a_package_has_and_what_is_added(tmp_path, monkeypatch):
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms" / "__init__.py").write_text("")
    (tmp_path / "rooms" / "hall.py").write_text("class ROOM:\n    name = 'hall'\n")
    (tmp_path / "rooms" / "_hidden.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(tmp_path)
    rooms: Registry = Registry("room", "rooms", "ROOM")

    class Attic:
        name = "attic"

    assert rooms.register(Attic) is Attic
    assert sorted(rooms.names()) == ["attic", "hall"]
    assert rooms.get("attic") is Attic
    assert "hall" in rooms
    with rejects("'hal'", "'hall'"):
        rooms.get("hal")
    with pytest.raises(ValueError, match="registered already"):
        rooms.register(type("Other", (), {"name": "hall"}))
