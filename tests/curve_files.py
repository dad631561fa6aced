"""Files of curves in formats of bytes, made without the programs that write them."""

import json
import struct
import zlib
from collections.abc import Mapping, Sequence

from scalax.laws.readers import events


def tensor_events(values: Sequence[float]) -> bytes:
    """Events of TensorBoard as TensorFlow 2 writes them, with the scalar `loss` at steps 1, 2, ... up to 127:
    a TensorProto of one float in place of a simple value."""

    def field(number: int, payload: bytes) -> bytes:
        return bytes([number << 3 | 2, len(payload)]) + payload

    raw = b""
    for step, value in enumerate(values, start=1):
        tensor = b"\x08\x01" + field(5, struct.pack("<f", value))  # dtype 1, float_val packed
        summary = field(1, field(1, b"loss") + field(8, tensor))
        data = b"\x09" + struct.pack("<d", 1e9) + b"\x10" + bytes([step]) + field(5, summary)
        raw += event_record(data)
    return raw


def event_record(data: bytes) -> bytes:
    """A record of TensorBoard's, with its checksums."""
    length = struct.pack("<Q", len(data))
    checks = (struct.pack("<I", int(events._masked_crc([part])[0])) for part in (length, data))
    return length + next(checks) + data + next(checks)


def offline_run(rows: Sequence[Mapping]) -> bytes:
    """The bytes of an offline run of Weights & Biases, in blocks as LevelDB lays them out."""

    def varint(value):
        out = b""
        while value > 127:
            out, value = out + bytes([value & 127 | 128]), value >> 7
        return out + bytes([value])

    def message(field, body):
        return varint(field << 3 | 2) + varint(len(body)) + body

    records = [message(17, message(1, b"id1") + message(8, b"first"))]
    for row in rows:
        items = b""
        for key, value in row.items():
            keys = b"".join(message(2, part.encode()) for part in key.split("/"))
            items += message(1, keys + message(16, json.dumps(value).encode()))
        records.append(
            varint(1 << 3) + varint(7) + message(2, items + message(2, varint(1 << 3) + varint(3)))
        )
    out = bytearray(b":W&B\xe1\xbe\x00")
    for record in records:
        first = True
        while True:
            left = 32768 - len(out) % 32768
            if left < 7:
                out += bytes(left)
                continue
            part, record = record[: left - 7], record[left - 7 :]
            kind = (1 if not record else 2) if first else (4 if not record else 3)
            checksum = zlib.crc32(part, zlib.crc32(bytes([kind])))
            out += struct.pack("<IHB", checksum, len(part), kind) + part
            first = False
            if not record:
                break
    return bytes(out)
