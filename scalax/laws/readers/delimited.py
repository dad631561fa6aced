"""Tables in text: CSV, semicolons, tabs, bars or spaces, with or without a header."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from scalax.errors import UserError
from scalax.laws.readers.numbers import is_cut, is_numeric
from scalax.laws.readers.table import Table
from scalax.records.remark import Remark, more

NAME = "a table"
DELIMITERS = "\t;|,"  # in this order where a file could be split by two
SAMPLE = 60  # lines that are looked at to tell the delimiter
FEW = 0.1  # of the rows may have another number of cells than the header


def is_delimited(text: str) -> bool:
    """Whether the first lines split into one number of cells, at least two."""
    return bool(_delimiter(text))


def read(path: Path, text: str) -> list[Table]:
    """The one table of a text. Raises UserError with row and column."""
    delimiter = _delimiter(text, least=0.0) or ","
    rows, lines = _rows(path, text, delimiter)
    if not rows:
        raise UserError(f"{path}, row 1, column 1: the file is empty")
    remarks = []
    if skipped := _preamble([delimiter.join(cells) for cells in rows[:SAMPLE]]) if delimiter != " " else 0:
        remarks.append(Remark("preamble", str(path), values={"count": skipped}))
        rows, lines = rows[skipped:], lines[skipped:]
    header = _header(path, text, rows, lines, delimiter)
    if not rows:
        raise UserError(f"{path}, row 1, column 1: no row follows the header")
    source = str(path)
    whole = text.endswith(("\n", "\r"))
    if not whole and len(rows) > 1 and _is_torn(rows, len(header)):
        rows.pop()
        remarks.append(Remark("torn", source, values={"row": lines.pop()}))
    if again := [i for i, row in enumerate(rows) if [cell.strip() for cell in row] == header]:
        values = {"row": lines[again[0]], "more": more(len(again))}
        remarks.append(Remark("header_again", source, values=values))
        gone = set(again)
        rows, lines = ([v for i, v in enumerate(kept) if i not in gone] for kept in (rows, lines))
    rows, lines, remark = _of_one_length(path, header, rows, lines)
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    columns = {}
    for place, (name, column) in enumerate(zip(header, cells, strict=True), start=1):
        if name or any(cell.strip() for cell in column):
            columns[name or f"column {place}"] = list(column)
    return [Table(source, columns, lines, format=NAME, remarks=(*remarks, *remark))]


def _delimiter(text: str, least: float = 0.8) -> str:
    """The one by which most lines have as many cells as the first, '' for none; ' ' stands for spaces."""
    lines = [line for line in text[: 400 * SAMPLE].splitlines()[:SAMPLE] if _has_cells(line)]
    lines = lines[_preamble(lines) :]
    best, share = "", least
    for delimiter in (*DELIMITERS, " "):
        counts = [len(_cells(line, delimiter)) for line in lines]
        if counts and counts[0] > 1:
            alike = sum(abs(count - counts[0]) <= (delimiter != " ") for count in counts) / len(counts)
            exact = sum(count == counts[0] for count in counts) / len(counts)
            if max(alike - 0.05, exact) > share or (not best and alike >= share):
                best, share = delimiter, max(alike - 0.05, exact)
    return best


def _preamble(lines: Sequence[str]) -> int:
    """How many lines before the first with a delimiter are words on the table that follows; 0 where most of
    them have none."""
    bare = [not any(mark in line for mark in DELIMITERS) for line in lines]
    first = bare.index(False) if False in bare else 0
    return first if len(lines) - first >= max(first, 3) and not any(bare[first:]) else 0


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _has_cells(line: str) -> bool:
    """Whether it is no comment, no blank, no rule of a Markdown table and no 'sep=;'."""
    return bool(line.strip()) and not re.match(r"\s*#|[\s|:+-]*$|sep=.$", line)


def _rows(path: Path, text: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    """Cells and number of every line that has some."""
    rows, lines = [], []
    if delimiter == " ":
        for number, line in enumerate(text.splitlines(), start=1):
            if _has_cells(line):
                rows.append(line.split())
                lines.append(number)
        return rows, lines
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells) and _has_cells(delimiter.join(cells)):
                rows.append(cells)
                lines.append(reader.line_num)
    except csv.Error as e:
        raise UserError(
            f"{path}, row {reader.line_num}, column 1: {e}; check quotes and delimiters"
        ) from None
    return rows, lines


def _header(path: Path, text: str, rows: list[list[str]], lines: list[int], delimiter: str) -> list[str]:
    """Names of the columns, taken off the rows; numbers from 1 where the file gives none."""
    if is_numeric(rows[0]) and all(cell.strip() for cell in rows[0]):
        comments = [line.lstrip("# \t") for line in text.splitlines()[: lines[0] - 1] if "#" in line[:1]]
        named = [cell.strip() for cell in _cells(comments[-1], delimiter)] if comments else []
        if len(named) == len(rows[0]):
            return named
        return [str(place) for place in range(1, len(rows[0]) + 1)]
    header = [cell.strip() for cell in rows.pop(0)]
    line = lines.pop(0)
    if rows and all(len(row) == len(header) + 1 for row in rows):
        header = ["", *header]  # row names without a head
    counts = Counter(header)
    for place, name in enumerate(header):
        if name and counts[name] > 1:
            if " - " not in name:
                raise UserError(f"{path}, row {line}: column {name!r} occurs twice; rename one")
            if (before := header[:place].count(name)) > 0:  # two runs of one name
                header[place] = name.replace(" - ", f" ({before + 1}) - ", 1)
    return header


def _is_torn(rows: list[list[str]], columns: int) -> bool:
    """Whether the last row, which no line break ends, stops within a row or a number."""
    last = rows[-1]
    before = [row[-1].strip() for row in rows[-21:-1] if len(row) == len(last) and row[-1].strip()]
    return len(last) < columns or is_cut(last[-1].strip(), before)


def _of_one_length(path, header, rows, lines):
    """Rows with as many cells as the header: blank cells too many are dropped, missing ones filled up where
    rows of that length are common; other rows are left out, at most FEW of them."""
    width = len(header)
    if all(len(row) == width for row in rows):
        return rows, lines, []
    rows = [
        row[:width] if len(row) > width and not any(cell.strip() for cell in row[width:]) else row
        for row in rows
    ]
    counts = Counter(len(row) for row in rows)
    common = {n for n, count in counts.items() if n < width and count > max(FEW * len(rows), 2)}
    rows = [row + [""] * (width - len(row)) if len(row) in common else row for row in rows]
    odd = [i for i, row in enumerate(rows) if len(row) != width]
    if not odd:
        return rows, lines, []
    first = odd[0]
    if len(odd) > max(1, FEW * len(rows)) or len(rows) - len(odd) < 2:
        at = min(len(rows[first]), width)
        raise UserError(
            f"{path}, row {lines[first]}, column {at + 1}: the row has {len(rows[first])} cells where the"
            f" header has {width}; complete or remove it, and quote numbers that hold a comma"
        )
    values = {"row": lines[first], "cells": len(rows[first]), "columns": width, "more": more(len(odd))}
    gone = set(odd)
    rows, lines = ([v for i, v in enumerate(kept) if i not in gone] for kept in (rows, lines))
    return rows, lines, [Remark("short_rows", str(path), values=values)]
