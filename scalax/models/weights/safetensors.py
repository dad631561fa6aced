"""Arrays of a .safetensors file, by the rules of its format (github.com/huggingface/safetensors)."""

import math
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from scalax import untrusted

TYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "I64": np.int64,
    "I32": np.int32,
}
LONGEST_HEADER = 100_000_000  # bytes, by the format


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The arrays by name.

    Raises ValueError where the file is none, is torn, or its arrays overlap, leave bytes out or lie outside.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        entries = _header(file.read(min(length, size, LONGEST_HEADER)))
        if length > min(size - 8, LONGEST_HEADER):
            raise ValueError(f"a header of {length:,} bytes in a file of {size:,}")
        entries.sort(key=lambda entry: entry[3:])
        size, end = size - 8 - length, 0
        for name, kind, shape, start, stop in entries:
            if start != end:
                raise ValueError(f"{name!r} begins at {start:,}, the array before it ends at {end:,}")
            if stop - start != kind.itemsize * math.prod(shape) or stop > size:
                raise ValueError(f"{name!r} has bytes {start:,} to {stop:,}, of shape {shape} and {kind}")
            end = stop
        if end != size:
            raise ValueError(f"{size - end:,} bytes belong to no array")
        data = file.read()
    return {
        name: np.frombuffer(data[start:stop], kind).reshape(shape)
        for name, kind, shape, start, stop in entries
    }


def _header(text: bytes) -> list[tuple[str, np.dtype, tuple[int, ...], int, int]]:
    """(name, type, shape, first byte, byte after the last) of each array."""
    try:
        header = untrusted.parse_json(text)
    except ValueError as e:
        raise ValueError(f"its header: {e}") from None
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    header.pop("__metadata__", None)
    return [(name, *_entry(name, entry)) for name, entry in header.items()]


def _entry(name: str, entry: Any) -> tuple[np.dtype, tuple[int, ...], int, int]:
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        raise ValueError(f"{name!r} has no type, shape and place")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in TYPES:
        raise ValueError(f"{name!r} is of type {str(kind)[:40]!r}, not one of {', '.join(TYPES)}")
    if not _whole(shape) or not _whole(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"{name!r} has shape {str(shape)[:80]} and place {str(offsets)[:80]}")
    return np.dtype(TYPES[kind]), tuple(shape), offsets[0], offsets[1]


def _whole(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)
