"""The cells of a table of models: which are numbers, of which unit, accuracies or errors."""

import contextlib
import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.records.table import Table, cell_text

MISSING = {"", "nan", "na", "n/a", "none", "null", "-", "–", "—", "?"}
ERROR_WORD = re.compile(r"(?<![a-z])(err|error|errors)(?![a-z])")
LOSS_WORD = re.compile(r"(?<![a-z])(loss|losses|nll|perplexity|ppl|entropy)(?![a-z])")
SIZE_WORD = re.compile(r"(?<![a-z])(params?|parameters|[gmt]?flops?|[gmt]?macs|epochs?|lr|seed)(?![a-z])")
MOSTLY = 0.9  # share of the cells of a column that say what it is


class Reading(NamedTuple):
    """What the user says of the columns.

    - errors, accuracies: columns that hold errors, or accuracies; of others the name says so, if it speaks
      of errors, and else they hold accuracies.
    - unit: 'share' or 'percent' of every column; None: percent where a number is above 1.
    """

    errors: tuple[str, ...] = ()
    accuracies: tuple[str, ...] = ()
    unit: str | None = None


class Cells(NamedTuple):
    """The numbers of one task, as they stand: values [m] (nan: missing), the line of each, and how many end
    in a per cent sign."""

    values: np.ndarray
    lines: list[int]
    signs: int


def number_in(path: Path, table: Table, row: int, column: str) -> tuple[float, bool]:
    """The number in a cell (nan: missing) and whether it ends in a per cent sign."""
    cell = table.rows[row].get(column)
    text = "" if cell is None else str(cell).strip()
    if text.lower() in MISSING:
        return math.nan, False
    sign = text.endswith("%")
    try:
        if isinstance(cell, bool | list | dict) or "_" in text:
            raise ValueError
        number = float(text.removesuffix("%"))
        if not math.isfinite(number):
            raise ValueError
    except ValueError:
        raise UserError(
            f"{path}, row {table.lines[row]}, column {column!r}: {text[:30]!r} is not a number"
        ) from None
    return number, sign


def cells_of(path: Path, table: Table, rows: list[int], column: str) -> Cells:
    """The numbers of a column in some rows."""
    numbers = [number_in(path, table, row, column) for row in rows]
    lines = [table.lines[row] for row in rows]
    return Cells(np.array([n for n, _ in numbers]), lines, sum(sign for _, sign in numbers))


def is_text(path: Path, table: Table, column: str) -> bool:
    """Whether a tenth or more of the cells are no numbers, or all are missing."""
    bad = 0
    for row in range(len(table.rows)):
        try:
            bad += math.isnan(number_in(path, table, row, column)[0]) and bool(
                cell_text(table.rows[row], column).strip()
            )
        except UserError:
            bad += 1
    return bad > (1 - MOSTLY) * len(table.rows)


def may_be_task(table: Table, column: str, top: float) -> bool:
    """Whether the column looks as if it held accuracies or errors in 0..top, or both shares and per cent. A
    few of its cells may be bad: they are reported when it is read."""
    if LOSS_WORD.search(_words(column)) or SIZE_WORD.search(_words(column)):
        return False
    numbers, cells = [], 0
    for row in table.rows:
        text = str("" if row.get(column) is None else row[column]).strip()
        if text.lower() not in MISSING:
            cells += 1
            with contextlib.suppress(ValueError):
                numbers.append(float(text.removesuffix("%")))
    values = np.array(numbers)
    if len(values) < max(1.0, MOSTLY * cells) or not np.any(values % 1):
        return False
    inside = np.mean((values >= 0) & (values <= top)) >= MOSTLY
    both = values.min() >= 0 and values.max() <= 100 and np.mean((values > 0) & (values < 1)) > 1 - MOSTLY
    return bool(inside or both)


def _words(name: str) -> str:
    """'topError' as 'top error', to be searched for words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def holds_of(path: Path, name: str, value: str | None, said: Reading) -> tuple[str, str]:
    """'error' or 'accuracy' of a task, and why."""
    own = {name, value, "all"}
    if own & {*said.errors}:
        return "error", "asked"
    if own & {*said.accuracies}:
        return "accuracy", "asked"
    words = [_words(word) for word in (name, value or "")]
    if any(ERROR_WORD.search(word) for word in words):
        return "error", "name"
    if any(LOSS_WORD.search(word) for word in words):
        raise UserError(
            f"{path}: column {value or name!r} speaks of a loss; if it holds shares of wrong answers, name it"
            " in `errors`"
        )
    return "accuracy", "default"


def units_of(
    path: Path, cells: dict[str, Cells], tasks: set[str], value: str, asked: str | None
) -> dict[str, str]:
    """'share' or 'percent' of each; the tasks of a long table are one column, of one unit."""
    units = {name: unit_of(path, name, own, asked) for name, own in cells.items() if name not in tasks}
    if whole := [own for name, own in cells.items() if name in tasks]:
        values = np.concatenate([own.values for own in whole])
        lines = [line for own in whole for line in own.lines]
        unit = unit_of(path, value, Cells(values, lines, sum(own.signs for own in whole)), asked)
        units |= dict.fromkeys((name for name in cells if name in tasks), unit)
    return units


def unit_of(path: Path, name: str, cells: Cells, asked: str | None) -> str:
    """'share' or 'percent'. Raises UserError where both may be in one column, or a number is outside."""
    values = cells.values
    seen = np.isfinite(values)

    def at(i: int) -> str:
        return f"{path}, row {cells.lines[i]}, column {name!r}: {values[i]:g}"

    top = 1.0 if asked == "share" else 100.0
    if (bad := np.flatnonzero(seen & ((values < 0) | (values > top)))).size:
        want = "0 to 1" if top == 1 else "0 to 1 (shares) or 0 to 100 (per cent)"
        raise UserError(f"{at(bad[0])} is no accuracy or error, which lie in {want}; correct it")
    if asked:
        return asked
    if cells.signs:
        if cells.signs < seen.sum():
            raise UserError(
                f"{path}, column {name!r}: {cells.signs} of {seen.sum()} numbers have a per cent sign; write"
                " all in one unit, or say `unit`"
            )
        return "percent"
    high, low = seen & (values > 1), seen & (values <= 1) & (values > 0)
    if not high.any():
        return "share"
    most, least = values[high].max(), values[high].min()
    if high.sum() <= low.sum() and most < 2:
        raise UserError(
            f"{at(int(np.flatnonzero(high)[0]))} is no share (0 to 1) as most others are; correct it, or say"
            " `unit` percent"
        )
    mixed = np.flatnonzero(low & (100 * values >= least / 2) & (100 * values <= min(100.0, 2 * most)))
    if mixed.size:
        line = cells.lines[int(np.nanargmax(values))]
        raise UserError(
            f"{at(mixed[0])} beside {most:g} in row {line}: shares and per cent mixed? write all in one unit,"
            " or say `unit` percent if they are per cent"
        )
    return "percent"
