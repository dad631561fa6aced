"""Arrays by name from .npz and .safetensors files. Nothing is unpickled; what is no weight is refused."""

import stat
from os import PathLike
from pathlib import Path

import ml_dtypes
import numpy as np

from scalax.archive import RAW_HALF, Archive
from scalax.errors import UserError
from scalax.models.weights.safetensors import read_safetensors

HALVES = (np.float16, ml_dtypes.bfloat16)

LONGEST_NAME = 1000  # of an array; numbers in it are read as such


def read_arrays(path: str | PathLike[str]) -> dict[str, np.ndarray]:
    """Arrays of a .npz or .safetensors file by their names there; half precisions come as float32.

    Raises UserError where the file is missing, is neither, is torn or damaged, holds nothing, pickled objects
    or what is no number, or numbers that are not finite.
    """
    path = Path(path)
    where = f"weights {path}"
    if path.suffix == ".npy":
        raise UserError(f"{where}: a .npy file holds one array alone; save all by name: np.savez")
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{where}: no regular file; give a .npz or .safetensors file")
        with path.open("rb") as file:
            is_zip = file.read(4) == b"PK\x03\x04"
        arrays = _read_npz(path, where) if is_zip else read_safetensors(path)
        if not arrays:
            raise UserError(f"{where}: holds no arrays; fetch it again")
        for name in arrays:
            if len(name) > LONGEST_NAME:
                raise UserError(f"{where}: no array has so long a name, {name[:40]!r}...; fetch it again")
        return {name: _numbers(name, x, where) for name, x in arrays.items()}
    except OSError as e:
        raise UserError(f"{where}: cannot read it ({e.strerror or e})") from None
    except MemoryError:
        raise UserError(f"{where}: larger than memory; use a machine with more") from None
    except UserError:
        raise
    except ValueError as e:
        raise UserError(
            f"{where}: neither .npz nor a whole .safetensors file ({type(e).__name__} {e})"
        ) from None


def _read_npz(path: Path, where: str) -> dict[str, np.ndarray]:
    with Archive(path, where) as archive:
        if any(name.endswith("data.pkl") for name in archive.others):
            raise UserError(f"{where}: a PyTorch pickle, which is not read; save it as .safetensors")
        if archive.others:
            raise UserError(f"{where}: {archive.others[0]!r} in it is no array; fetch it again")
        return {name: archive.read(name) for name in archive.names}


def _numbers(name: str, x: np.ndarray, where: str) -> np.ndarray:
    """The array, in float32 where it was in half of that."""
    x = x.view(ml_dtypes.bfloat16) if x.dtype == RAW_HALF else x
    x = x.astype(np.float32) if x.dtype in HALVES else x
    if x.dtype.kind not in "fiu":
        raise UserError(f"{where}: {name!r} holds {x.dtype}, no real numbers; fetch it again")
    with np.errstate(over="ignore"):
        if x.dtype.kind == "f" and not np.isfinite(x.astype(np.float32, copy=False)).all():
            raise UserError(f"{where}: {name!r} holds numbers that are not finite in float32; fetch it again")
    return x
