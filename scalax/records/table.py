"""Rows of a CSV or JSONL file that somebody else made, whole or rejected with file, row and column."""

import codecs
import csv
import io
from pathlib import Path
from typing import Any, NamedTuple

from scalax import untrusted
from scalax.errors import UserError

MOSTLY_ASCII = 0.9  # of the characters of what is taken for UTF-16


class Table(NamedTuple):
    """Rows of a file.

    - rows: a cell by column.
    - lines: the line of the file that each ends at.
    - columns: in the file's order.
    - torn: the line that was left out, since a killed program left it unfinished at the end.
    """

    rows: list[dict[str, Any]]
    lines: list[int]
    columns: list[str]
    torn: int | None = None


def read_table(path: str | Path, holds: str) -> Table:
    """The rows of a file.

    - path: a CSV file (commas, semicolons or tabs) or one JSON object a line; a pipe will do.
    - holds: what the file should hold, for messages: 'curves'.

    Raises UserError with file, row and column for what it cannot read.
    """
    path = Path(path)
    text = text_of(path, untrusted.read_table_bytes(path, holds), "a CSV or JSONL file")
    return _json_lines(path, text) if text.lstrip()[0] in "{[" else _csv(path, text)


def text_of(path: Path, raw: bytes, wanted: str) -> str:
    """The text in a file of a table.

    - path: of the file, for errors; raw: its bytes.
    - wanted: what to give instead, in errors.

    UTF-16 is read where it says so in its first bytes and is ASCII for the most part, as Windows writes it.
    Raises UserError, with the row, where it is no such text, holds a null byte, or is empty.
    """
    try:
        text = _utf16(raw) or raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = raw[: e.start].count(b"\n") + 1
        raise UserError(f"{path}, row {line}, column 1: not text in UTF-8; give {wanted}") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise UserError(f"{path}, row {line}, column 1: holds a null byte; give {wanted}")
    if not text.strip():
        raise UserError(f"{path}, row 1, column 1: the file is empty")
    return text


def _utf16(raw: bytes) -> str:
    """The text, '' where it is none in UTF-16."""
    if raw[:2] not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return ""
    text = raw.decode("utf-16", errors="replace")
    ascii_ = sum(character < "\x80" for character in text)
    return text if ascii_ > MOSTLY_ASCII * len(text) and "\0" not in text else ""


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
    return Table(found.rows, found.lines, list(columns), found.torn)


class JsonLines(NamedTuple):
    """rows: the objects; lines: of the file; torn: the line that a killed run left unfinished at the end."""

    rows: list[dict[str, Any]]
    lines: list[int]
    torn: int | None


def json_lines(path: Path, text: str) -> JsonLines:
    """The JSON objects of a text that has one a line; empty lines are passed over.

    - path: names the file in errors.
    - text: of the file.

    Raises UserError with row and column for a line that is no object, unless it is the last of many, and for
    an object with a key twice.
    """
    rows, lines = [], []
    whole = text.split("\n")
    for number, line in enumerate(whole, start=1):
        if not line.strip():
            continue
        try:
            row = untrusted.parse_json(line, strict=False)
        except untrusted.RepeatedKey as e:
            raise UserError(f"{path}, row {number}: {e}; rename or remove one") from None
        except ValueError as e:
            if number == len(whole) and rows:
                return JsonLines(rows, lines, number)
            at = e.column if isinstance(e, untrusted.NotJSON) else 1
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
