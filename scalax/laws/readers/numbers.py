"""Cells to numbers: decimal points and commas, thousands, per cent, '64B', and words for 'none'."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.laws.readers.table import Cell, Table

MISSING = {"", "na", "n/a", "#n/a", "<na>", "null", "none", "nil", "-", "--", "?", "."}
LARGEST_CELL = 10_000  # characters; a longer one is not a number
SCALES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
_GROUPS = r"\d{{1,3}}(?:[{0}\u00a0\u202f\u2009 '’_]\d{{3}})+"
_NUMBER = {
    mark: re.compile(
        rf"([+-]?)({_GROUPS.format(other)}|\d*)(?:{re.escape(mark)}(\d*))?(?:[eE]([+-]?\d+))?\s?(%|[{''.join(SCALES)}])?"
    )
    for mark, other in ((".", ","), (",", "."))
}
_SIGNED = re.compile(r"[+-]?([\d.,]*\d[\d.,]*)(?:[eE][+-]?\d+)?\s?[%kKMBGT]?")


class Numbers(NamedTuple):
    """values: [n], nan where a cell is empty. empty: [n] bool. per_cent: whether cells carry the sign."""

    values: np.ndarray
    empty: np.ndarray
    per_cent: bool


def is_missing(cell: Cell) -> bool:
    if not isinstance(cell, str):
        return cell is None
    return not cell[:1].isdigit() and cell.strip().lower() in MISSING


def numbers(table: Table, column: str, decimal: str = ".") -> Numbers:
    """Cells of a column as numbers. Raises UserError with the row of one that is none.

    decimal: '.' or ','; the other may set off thousands.
    """
    cells, values, per_cent = table.columns[column], [], 0
    if (plain := _plain(cells, decimal)) is not None:
        return Numbers(plain, np.zeros(len(cells), bool), False)
    for row, cell in enumerate(cells):
        if is_missing(cell):
            values.append(math.nan)
            continue
        value, signed = _number(table, row, column, cell, decimal)
        values.append(value)
        per_cent += signed
    empty = np.array([is_missing(cell) for cell in cells], bool)
    if 0 < per_cent < len(cells) - empty.sum():
        raise UserError(
            f"{table.source}, column {column!r}: {per_cent} cells have a per cent sign and others have none;"
            " write all in one way"
        )
    return Numbers(np.array(values, float), empty, per_cent > 0)


def _plain(cells: Sequence[Cell], decimal: str) -> np.ndarray | None:
    """Cells that are all plain numbers, at once; None where some are not."""
    kinds = set(map(type, cells))
    if kinds != {str} and not kinds <= {int, float}:
        return None
    if kinds == {str} and (decimal != "." or any("_" in cell for cell in cells)):  # type: ignore[operator]
        return None
    try:
        values = np.array([float(cell) for cell in cells])  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        return None
    return None if np.isinf(values).any() else values


def _number(table: Table, row: int, column: str, cell: Cell, decimal: str) -> tuple[float, bool]:
    where = f"{table.source}, row {table.lines[row]}, column {column!r}"
    if isinstance(cell, bool | list | dict):
        raise UserError(f"{where}: want a number, got {type(cell).__name__}")
    try:
        if not isinstance(cell, str):
            return float(cell), False  # type: ignore[arg-type]
        if len(cell) > LARGEST_CELL:
            raise UserError(f"{where}: a cell of {len(cell):,} characters is no number")
        return parse(cell, decimal)
    except OverflowError:
        return math.inf, False
    except UserError:
        raise
    except (TypeError, ValueError):
        raise UserError(f"{where}: {str(cell)[:30]!r} is not a number") from None


def parse(text: str, decimal: str = ".") -> tuple[float, bool]:
    """(number, whether it has a per cent sign) of a cell. Raises ValueError.

    >>> parse("64B"), parse("1,024.5"), parse("1.024,5", ","), parse("71.3 %")
    ((64000000000.0, False), (1024.5, False), (1024.5, False), (71.3, True))
    """
    text = text.strip().replace("\u2212", "-")
    if decimal == "." and "_" not in text:
        try:
            return float(text), False
        except ValueError:
            pass
    elif text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return float(text), False
    found = _NUMBER[decimal].fullmatch(text)
    if not found or not (found[2] or found[3]):
        raise ValueError(text)
    sign, whole, part, power, suffix = found.groups()
    value = float(f"{sign}{re.sub(r'[^0-9]', '', whole) or 0}.{part or 0}e{power or 0}")
    return value * SCALES.get(suffix or "", 1.0), suffix == "%"


def is_cut(cell: str, before: Sequence[str]) -> bool:
    """Whether a number at the end of a file, which no line break ends, may lack digits that those before it
    have."""
    if cell[-1:] in tuple(".,eE+-"):
        return True
    digits = [_digits(number) for number in before]
    return len(digits) >= 3 and _digits(cell) < min(digits)


def _digits(cell: str) -> int:
    """Characters after the decimal mark."""
    return len(cell.replace(",", ".").partition(".")[2])


def is_numeric(cells: Sequence[Cell], most: int = 200) -> bool:
    """Whether the first cells that are not empty are all numbers, however written, and there is one."""
    seen = 0
    for cell in cells:
        if is_missing(cell):
            continue
        if isinstance(cell, str):
            if len(cell) > 400 or not any(_is_number(cell, mark) for mark in ".,"):
                return False
        elif isinstance(cell, bool) or not isinstance(cell, int | float | np.number):
            return False
        seen += 1
        if seen >= most:
            break
    return seen > 0


def _is_number(cell: str, decimal: str) -> bool:
    try:
        parse(cell, decimal)
    except ValueError:
        return False
    return True


def decimal_of(table: Table, columns: Iterable[str]) -> tuple[str, str]:
    """('.' or ',', kind of remark or "") of numbers in these columns; the file's others help where they
    could be either. Raises UserError where they still could, or where two cells disagree."""
    votes: dict[str, tuple[int, str, str]] = {}
    unsure = None
    chosen = list(dict.fromkeys(columns))
    if not any(_has_marks(cell) for column in chosen for cell in table.columns[column]):
        return ".", ""
    for column in (*chosen, *(c for c in table.columns if c not in chosen)):
        if column not in chosen and votes:
            break
        for row, cell in enumerate(table.columns[column]):
            mark = _decimal_mark(cell) if isinstance(cell, str) else ""
            if mark == "either" and column in chosen and "," in str(cell):
                unsure = unsure or (row, column, str(cell))
            elif mark in (".", ","):
                votes.setdefault(mark, (row, column, str(cell)))
    if len(votes) == 2:
        (row, column, cell), (other_row, _, other) = votes.values()
        raise UserError(
            f"{table.source}, row {table.lines[row]}, column {column!r}: {cell.strip()[:30]!r} and"
            f" {other.strip()[:30]!r} of row {table.lines[other_row]} do not write numbers in one way; say"
            " which mark is the decimal one by `decimal`=',' or `decimal`='.'"
        )
    if unsure and not votes:
        row, column, cell = unsure
        text = cell.strip()[:30]
        raise UserError(
            f"{table.source}, row {table.lines[row]}, column {column!r}: {text!r} may be"
            f" {text.replace(',', '.')} or {text.replace(',', '')}; say which by `decimal`=',' or"
            " `decimal`='.'"
        )
    mark = next(iter(votes), ".")
    if mark == ",":
        _reject_points(table, chosen)
        return ",", "decimal_comma"
    return ".", "thousands"


def _has_marks(cell: Cell) -> bool:
    """Whether a number may hold a decimal comma, or marks of thousands."""
    return isinstance(cell, str) and ("," in cell or cell.count(".") > 1)


def _decimal_mark(cell: str) -> str:
    """'.', ',', 'either', or '' for a cell that is no number with marks."""
    found = _SIGNED.fullmatch(cell.strip())
    if not found:
        return ""
    digits = found[1]
    commas, points = digits.count(","), digits.count(".")
    if commas and points:
        return max(",.", key=digits.rindex) if min(commas, points) == 1 else ""
    mark, other = (",", ".") if commas else (".", ",")
    if commas + points > 1:
        return other if re.fullmatch(rf"\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+", digits) else ""
    if not commas + points:
        return ""
    return "either" if re.fullmatch(r"[1-9]\d{0,2}[,.]\d{3}", digits) else mark


def _reject_points(table: Table, columns: Sequence[str]) -> None:
    """In a file of decimal commas a point must set off thousands."""
    for column in columns:
        for row, cell in enumerate(table.columns[column]):
            if (
                isinstance(cell, str)
                and re.fullmatch(r"\s*[+-]?\d+\.\d+\s*", cell)
                and not _is_number(cell, ",")
            ):
                raise UserError(
                    f"{table.source}, row {table.lines[row]}, column {column!r}: {cell.strip()[:30]!r} has a"
                    " decimal point where other numbers have a comma; write all in one way"
                )
