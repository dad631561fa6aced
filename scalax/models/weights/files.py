"""Arrays by name from .npz and .safetensors files. Nothing is ever unpickled."""

import json
import math
import zipfile
import zlib
from os import PathLike
from pathlib import Path

import ml_dtypes
import numpy as np

from scalax.errors import UserError

# safetensors' names of types (github.com/huggingface/safetensors, "Format").
SAFETENSORS_TYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "I64": np.int64,
    "I32": np.int32,
}


def read_arrays(path: str | PathLike[str]) -> dict[str, np.ndarray]:
    """Arrays of a .npz or .safetensors file by their names there; half precisions come as float32.

    Raises UserError where the file is missing, is neither, is torn, or holds pickled objects.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            is_zip = file.read(4) == b"PK\x03\x04"
        arrays = _read_npz(path) if is_zip else _read_safetensors(path)
    except OSError as e:
        raise UserError(f"weights {path}: cannot read it ({e.strerror or e})") from None
    halves = (np.float16, ml_dtypes.bfloat16)
    return {key: x.astype(np.float32) if x.dtype in halves else x for key, x in arrays.items()}


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (ValueError, zipfile.BadZipFile, zlib.error, EOFError) as e:
        if "allow_pickle" in str(e):
            raise UserError(f"weights {path}: holds pickled objects, which are not read") from None
        raise UserError(f"weights {path}: not a whole .npz file ({e}); fetch it again") from None
    if not all(isinstance(x, np.ndarray) for x in arrays.values()):
        raise UserError(f"weights {path}: a PyTorch pickle, which is not read; save it as .safetensors")
    # numpy knows no bfloat16: saved, it is two raw bytes an element.
    return {k: x.view(ml_dtypes.bfloat16) if x.dtype == np.dtype("V2") else x for k, x in arrays.items()}


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length])
        header.pop("__metadata__", None)
        arrays = {}
        for key, entry in header.items():
            kind = np.dtype(SAFETENSORS_TYPES[entry["dtype"]])
            start, end = entry["data_offsets"]
            if end - start != kind.itemsize * math.prod(entry["shape"]):
                raise ValueError(f"{key} has {end - start} bytes")
            flat = np.frombuffer(data[8 + length + start : 8 + length + end], kind)
            arrays[key] = flat.reshape(entry["shape"])
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise UserError(
            f"weights {path}: neither .npz nor a whole .safetensors file ({type(e).__name__} {e})"
        ) from None
    return arrays
