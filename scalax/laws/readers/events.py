"""TensorBoard's event files, read without TensorFlow.

A file is a chain of records: length (8 bytes, little-endian), its checksum (4), the bytes of one `Event`
(protocol buffer), their checksum (4). Checksums are masked CRC-32C (tensorflow/core/lib/io/record_writer).
"""

import math
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scalax.errors import UserError
from scalax.laws.readers.table import Table
from scalax.records.remark import Remark, more

NAME = "TensorBoard events"
LARGEST_CHECKED = 2048  # bytes of a record that is checked though no scalar is found in it
OWN = ("step", "wall_time")  # columns of the events themselves
FEW = 32  # records: their checksums are made one by one, and those of more together
LONGEST_VARINT = 10  # bytes of a number of 64 bits
_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}  # of a tensor, as TensorFlow numbers them


class NoScalar(UserError):
    """A file of events is whole and has no scalar."""


def is_events(path: Path, head: bytes) -> bool:
    """By name, or by the checksum of the first record's length."""
    if ".tfevents." in path.name:
        return True
    return len(head) >= 12 and struct.unpack("<I", head[8:12])[0] == int(_masked_crc([head[:8]])[0])


def read(path: Path, raw: bytes) -> list[Table]:
    """A column for each scalar's tag, a row for each step in the order written."""
    spans, cut = _spans(raw)
    found = [_event(raw[start:end]) for start, end in spans]
    short = [end - start <= LARGEST_CHECKED for start, end in spans]
    checked = [i for i, (_, _, scalars) in enumerate(found) if scalars or short[i]]
    damaged = _damaged(raw, spans, checked)
    rows: list[dict] = []
    lines: list[int] = []
    for number, (wall, step, scalars) in enumerate(found, start=1):
        if number - 1 in damaged or not scalars:
            continue
        if rows and rows[-1]["step"] == step and not rows[-1].keys() & scalars.keys():
            rows[-1] |= scalars
        else:
            rows.append({"step": step, "wall_time": wall, **scalars})
            lines.append(number)
    remarks = []
    if damaged:
        values = {"row": min(damaged) + 1, "more": more(len(damaged))}
        remarks.append(Remark("damaged", str(path), values=values))
    if cut:
        remarks.append(Remark("cut", str(path), values={"row": len(spans)}))
    if not rows:
        raise NoScalar(f"{path}: no scalar in {len(spans)} records of events; give a file with some")
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    return [Table(str(path), columns, lines, format=NAME, remarks=tuple(remarks))]


def _spans(raw: bytes) -> tuple[list[tuple[int, int]], bool]:
    """(start, end) of each record's bytes, and whether the file ends within one, or is damaged there."""
    spans, stored, at = [], [], 0
    while at + 12 <= len(raw):
        length, checksum = struct.unpack("<QI", raw[at : at + 12])
        if at + 16 + length > len(raw):
            break
        spans.append((at + 12, at + 12 + length))
        stored.append(checksum)
        at += 16 + length
    found = _masked_crc([raw[start - 12 : start - 4] for start, _ in spans])
    wrong = np.flatnonzero(found != np.array(stored, np.uint32))
    good = int(wrong[0]) if len(wrong) else len(spans)
    return spans[:good], good < len(spans) or at < len(raw)


def _damaged(raw: bytes, spans: list[tuple[int, int]], checked: list[int]) -> set[int]:
    """Those of the indices `checked` whose records fail their checksum; records of one length are checked
    together."""
    by_length = defaultdict(list)
    for i in checked:
        start, end = spans[i]
        by_length[end - start].append(i)
    wrong: set[int] = set()
    for indices in by_length.values():
        data = [raw[spans[i][0] : spans[i][1]] for i in indices]
        stored = [struct.unpack("<I", raw[spans[i][1] : spans[i][1] + 4])[0] for i in indices]
        found = _masked_crc(data)
        wrong |= {i for i, a, b in zip(indices, stored, found, strict=True) if a != int(b)}
    return wrong


def _crc_table() -> np.ndarray:
    value = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        value = np.where(value & 1, (value >> 1) ^ np.uint32(0x82F63B78), value >> 1)
    return value


_CRC = _crc_table()
_CRC_INTS = _CRC.tolist()


def _masked_crc(data: list[bytes]) -> np.ndarray:
    """Of byte strings of one length, [n] uint32."""
    if len(data) < FEW:
        return _mask(np.array([_crc(each) for each in data], np.uint32))
    table = np.frombuffer(b"".join(data), np.uint8).reshape(len(data), -1)
    crc = np.full(len(data), 0xFFFFFFFF, np.uint32)
    for column in table.T:
        crc = _CRC[(crc ^ column) & 0xFF] ^ (crc >> 8)
    return _mask(crc ^ np.uint32(0xFFFFFFFF))


def _crc(data: bytes) -> int:
    crc, table = 0xFFFFFFFF, _CRC_INTS
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _mask(crc: np.ndarray) -> np.ndarray:
    rotated = (crc >> 15) | (crc << 17)
    with np.errstate(over="ignore"):
        return (rotated + np.uint32(0xA282EAD8)).astype(np.uint32)


def _event(record: bytes) -> tuple[float, int, dict[str, float]]:
    """Wall time, step and scalars by tag of one Event."""
    wall, step, scalars = math.nan, 0, {}
    for number, value in _fields(record):
        if number == 1 and isinstance(value, bytes) and len(value) == 8:
            wall = struct.unpack("<d", value)[0]
        elif number == 2 and isinstance(value, int):
            step = value - (1 << 64) if value >> 63 else value
        elif number == 5 and isinstance(value, bytes):
            for inner, each in _fields(value):
                if inner == 1 and isinstance(each, bytes):
                    tag, scalar = _summary_value(each)
                    if scalar is not None:
                        scalars[f"{tag} (tag)" if tag in OWN else tag] = scalar
    return wall, step, scalars


def _summary_value(message: bytes) -> tuple[str, float | None]:
    """Tag and scalar of one value of a Summary; None where it is an image, a text, ..."""
    tag, scalar = "", None
    for number, value in _fields(message):
        if number == 1 and isinstance(value, bytes):
            tag = value.decode(errors="replace")
        elif number == 2 and isinstance(value, bytes) and len(value) == 4:
            scalar = struct.unpack("<f", value)[0]
        elif number == 8 and isinstance(value, bytes):
            scalar = _tensor(value)
    return tag, scalar


def _tensor(message: bytes) -> float | None:
    """The number of a TensorProto that holds just one."""
    dtype, content = 0, b""
    for number, value in _fields(message):
        if number == 1 and isinstance(value, int):
            dtype = value
        elif number in (4, 5, 6) and isinstance(value, bytes):  # content, or floats, or doubles
            content += value
    kind = _DTYPES.get(dtype)
    if not kind or len(content) != np.dtype(kind).itemsize:
        return None
    return float(np.frombuffer(content, kind)[0])


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field: an int of a varint, else its bytes. Stops where it is broken."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(message, at)
        else:
            length = {1: 8, 5: 4}.get(wire, -1)
        if length < 0 or at + length > len(message):
            return
        yield number, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    end = min(len(message), at + LONGEST_VARINT)
    while at < end:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    return value & 0xFFFFFFFFFFFFFFFF, at
