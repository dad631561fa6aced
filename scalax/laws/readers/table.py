"""What every reader makes of a file: columns by name, and remarks on what it left out or took for granted."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from scalax.records.remark import Remark

Cell = str | float | int | bool | list | None  # as the file has it; None: empty


class Table(NamedTuple):
    """Rows of one file, or of one run in it.

    - source: what messages call it.
    - columns: cells by name, all of one length.
    - lines: of each row in the file (records and items where it has no lines), from 1.
    - run: the name that the place gives to it, e.g. by a directory; "" for none.
    - by: columns that the format itself says name a run.
    - format: of the file, in words.
    - remarks: what was left out.
    """

    source: str
    columns: dict[str, list[Cell]]
    lines: list[int]
    run: str = ""
    by: tuple[str, ...] = ()
    format: str = ""
    remarks: tuple[Remark, ...] = ()


def of_rows(rows: Iterable[Mapping[str, Cell]]) -> dict[str, list[Cell]]:
    """Columns, in order of first appearance, of rows that may each lack some."""
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def flat(row: Mapping[str, Any], depth: int = 4) -> dict[str, Cell]:
    """Nested objects as one, their keys joined by '/'."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping) and depth:
            out |= {f"{name}/{key}": cell for key, cell in flat(value, depth - 1).items()}
        else:
            out[str(name)] = value
    return out
