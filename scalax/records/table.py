"""Rows of a CSV or JSONL file that somebody else made, whole or rejected with file, row and column."""

import csv
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

from scalax.errors import UserError


class Table(NamedTuple):
    """rows: a cell by column; lines: the line of the file that each ends at; columns: in the file's order."""

    rows: list[dict[str, Any]]
    lines: list[int]
    columns: list[str]


def read_table(path: str | Path, holds: str) -> Table:
    """The rows of a file.

    - path: a CSV file (commas, semicolons or tabs) or one JSON object a line.
    - holds: what the file should hold, for messages: 'curves'.

    Raises UserError with file, row and column for what it cannot read.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as e:
        raise UserError(f"{path}: {e.strerror or e}; give a file of {holds}") from None
    text = text_of(path, raw, "a CSV or JSONL file")
    return _json_lines(path, text) if text.lstrip()[0] in "{[" else _csv(path, text)


def text_of(path: Path, raw: bytes, wanted: str) -> str:
    """The text in a file of a table.

    - path: of the file, for errors; raw: its bytes.
    - wanted: what to give instead, in errors.

    Raises UserError, with the row, where it is no text in UTF-8, holds a null byte, or is empty.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = raw[: e.start].count(b"\n") + 1
        raise UserError(f"{path}, row {line}, column 1: not text in UTF-8; give {wanted}") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise UserError(f"{path}, row {line}, column 1: holds a null byte; give {wanted}")
    if not text.strip():
        raise UserError(f"{path}, row 1, column 1: the file is empty")
    return text


def _csv(path: Path, text: str) -> Table:
    head = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, lines, columns = [], [], []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = [cell.strip() for cell in cells]
                if len(set(columns)) < len(columns):
                    twice = next(c for c in columns if columns.count(c) > 1)
                    raise UserError(
                        f"{path}, row {reader.line_num}: column {twice!r} occurs twice; rename one"
                    )
                continue
            if len(cells) != len(columns):
                at = min(len(cells), len(columns))
                raise UserError(
                    f"{path}, row {reader.line_num}, column {at + 1}: the row has {len(cells)} cells where"
                    f" the header has {len(columns)}; complete or remove it"
                )
            rows.append(dict(zip(columns, cells, strict=True)))
            lines.append(reader.line_num)
    except csv.Error as e:
        raise UserError(
            f"{path}, row {reader.line_num}, column 1: {e}; check quotes and delimiters"
        ) from None
    if not rows:
        raise UserError(f"{path}, row 1, column 1: no row follows the header")
    return Table(rows, lines, columns)


def _json_lines(path: Path, text: str) -> Table:
    found = json_lines(path, text)
    if not found.rows:
        raise UserError(f"{path}, row 1, column 1: no complete JSON object")
    columns = dict.fromkeys(column for row in found.rows for column in row)
    return Table(found.rows, found.lines, list(columns))


class JsonLines(NamedTuple):
    """rows: the objects; lines: of the file; torn: the line that a killed run left unfinished at the end."""

    rows: list[dict[str, Any]]
    lines: list[int]
    torn: int | None


def json_lines(path: Path, text: str) -> JsonLines:
    """The JSON objects of a text that has one a line; empty lines are passed over.

    - path: names the file in errors.
    - text: of the file.

    Raises UserError with row and column for a line that is no object, unless it is the last of many.
    """
    rows, lines = [], []
    whole = text.split("\n")
    for number, line in enumerate(whole, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as e:
            if number == len(whole) and rows:
                return JsonLines(rows, lines, number)
            at = getattr(e, "colno", 1)
            raise UserError(
                f"{path}, row {number}, column {at}: not a JSON object; repair or remove it"
            ) from None
        if not isinstance(row, dict):
            raise UserError(
                f"{path}, row {number}, column 1: want a JSON object per line, got {type(row).__name__}"
            )
        rows.append(row)
        lines.append(number)
    return JsonLines(rows, lines, None)


def cell_text(row: dict[str, Any], column: str) -> str:
    """The whole cell as text, so that names which begin alike stay apart."""
    value = row.get(column, "")
    return "" if value is None else str(value)
