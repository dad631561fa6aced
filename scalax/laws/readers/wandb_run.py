"""Runs of Weights & Biases that were logged offline: `offline-run-*/run-*.wandb`.

The file is a log in the format of LevelDB: after a header of 7 bytes, blocks of 32 KiB with records that may
go on over several blocks, each with a checksum, a length and a type. The checksum is the usual CRC-32 of the
type and what follows, where LevelDB has a masked CRC-32C. A record is a message of protocol buffers, of which
history (field 2) holds items (field 1) of key (1) or nested keys (2) and a value in JSON (16).
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from scalax import untrusted
from scalax.errors import UserError
from scalax.laws.readers.table import Cell, Table, flat, of_rows
from scalax.records.remark import Remark

NAME = "a run of Weights & Biases"
MAGIC, HEADER, BLOCK = b":W&B", 7, 32768
PART = 7  # bytes before each part of a record: checksum, length, type
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
HISTORY, RUN = 2, 17  # fields of a record
RUN_NAME = 8  # of a run: the name that is shown
ITEM, KEY, NESTED, VALUE = 1, 1, 2, 16


def is_wandb(head: bytes) -> bool:
    """Whether a file begins as such a run does."""
    return head[: len(MAGIC)] == MAGIC


def read(path: Path, raw: bytes) -> list[Table]:
    """One table, a row a step that was logged. Raises UserError without any, and for a damaged record."""
    rows: list[dict[str, Cell]] = []
    name, cut, start = "", False, HEADER
    try:
        for begin, record in _records(raw):
            start = begin
            for field, value in _fields(record):
                if field == HISTORY and isinstance(value, bytes):
                    rows.append(flat(_history(value)))
                elif field == RUN and isinstance(value, bytes):
                    name = _text(dict(_fields(value)).get(RUN_NAME, b"")) or name
    except EOFError:
        cut = True  # a run that is still going ends in the middle of a record
    except _Damaged as e:
        raise UserError(f"{path}: the record at byte {e.start:,} is damaged; copy the file again") from None
    except (ValueError, IndexError) as e:
        what = f"{e}; " if isinstance(e, untrusted.RepeatedKey) else ""
        raise UserError(
            f"{path}: the record at byte {start:,} cannot be read; {what}copy the file again"
        ) from None
    if not rows:
        raise UserError(f"{path}: holds no row of history yet; log a metric, or give another file")
    remarks = (Remark("cut", str(path), values={"row": len(rows)}),) if cut else ()
    columns = {key: cells for key, cells in of_rows(rows).items() if key not in ("_runtime", "_timestamp")}
    if "_step" in columns:
        columns = {"step": columns.pop("_step"), **columns} if "step" not in columns else columns
    lines = list(range(1, len(rows) + 1))
    return [Table(str(path), columns, lines, run=name, format=NAME, remarks=remarks)]


class _Damaged(Exception):
    """start: byte of the file where the record begins."""

    def __init__(self, start: int):
        super().__init__(start)
        self.start = start


def _records(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """(first byte in the file, content) of each record. Raises EOFError where the file ends within one, and
    _Damaged."""
    at, start, parts = HEADER, HEADER, []
    while at < len(raw):
        left = BLOCK - at % BLOCK
        if left < PART:
            at += left
            continue
        if at + PART > len(raw):
            raise EOFError
        checksum, length, kind = struct.unpack("<IHB", raw[at : at + PART])
        if kind == 0 and length == 0 and checksum == 0:
            at += PART  # room that was set aside, and not written yet
            continue
        begins = kind in (FULL, FIRST)
        if kind not in (FULL, FIRST, MIDDLE, LAST) or PART + length > left or begins == bool(parts):
            raise _Damaged(at)
        if at + PART + length > len(raw):
            raise EOFError
        body = raw[at + PART : at + PART + length]
        if zlib.crc32(body, zlib.crc32(bytes([kind]))) != checksum:
            raise _Damaged(at)
        start = at if begins else start
        parts.append(body)
        at += PART + length
        if kind in (FULL, LAST):
            yield start, b"".join(parts)
            parts = []
    if parts:
        raise EOFError


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """(number, value) of each field of a message; integers and bytes alone have a value."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        match tag & 7:
            case 0:
                value, at = _varint(message, at)
            case 1:
                value, at = message[at : at + 8], at + 8
            case 2:
                size, at = _varint(message, at)
                value, at = message[at : at + size], at + size
            case 5:
                value, at = message[at : at + 4], at + 4
            case kind:
                raise ValueError(f"wire type {kind}")
        yield tag >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while shift < 64:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("a number of over 64 bits")


def _history(message: bytes) -> dict:
    row: dict = {}
    for field, item in _fields(message):
        if field != ITEM or not isinstance(item, bytes):
            continue
        key, value = [], None
        for part, content in _fields(item):
            if part in (KEY, NESTED):
                key.append(_text(content))
            elif part == VALUE:
                value = _value(_text(content))
        if key and value is not None:
            row["/".join(key)] = value
    return row


def _value(text: str) -> object:
    try:
        return untrusted.parse_json(text, strict=False)
    except untrusted.RepeatedKey:
        raise
    except ValueError:
        return None


def _text(value: bytes | int) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
