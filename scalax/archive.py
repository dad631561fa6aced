"""Arrays of a .npz file, none of which is trusted: nothing is unpickled, and what does not add up is refused.

Read whole, or by rows from the file where they are stored as they are, so that a file may be larger than
memory.
"""

import math
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from etils import epath

from scalax.errors import UserError

# numpy writes bfloat16, which it does not know, as two raw bytes an element.
RAW_HALF = np.dtype("V2")
KINDS = "biufcUS"  # of numbers and text; what needs a program to be read, and records, are not taken
MOST_DIMENSIONS = 32
HELD_BYTES = 64 * 2**20  # arrays up to this size are read whole
# Deflate makes at most 1,032 bytes of one; drawn images of two colours reach 120.
MOST_UNPACKED, BOMB_BYTES = 500, 256 * 2**20
CHUNK = 2**20
LONGEST_END, MANY = (
    22 + 2**16,
    2**16 - 1,
)  # bytes of a zip's end with a comment; a count that stands elsewhere
UTF8 = 0x800  # a flag of a member: its name is so encoded
ENCRYPTED = 1  # the flag of a member


class Rows:
    """An array in a file, read by its first axis when asked: rows[3] or rows[3:5], by any thread."""

    def __init__(self, file: IO[bytes], start: int, shape: tuple[int, ...], dtype: np.dtype):
        self._file, self._start = file, start
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)
        self._row_bytes = dtype.itemsize * math.prod(shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, place: int | slice) -> np.ndarray:
        """Raises OSError where the file has become shorter."""
        first, last, step = (place if isinstance(place, slice) else slice(place, place + 1)).indices(
            len(self)
        )
        if step != 1 or (last <= first and not isinstance(place, slice)):
            raise IndexError(f"no rows {place} of {len(self)}")
        count = max(0, last - first)
        data = _read_at(self._file, self._start + first * self._row_bytes, count * self._row_bytes)
        rows = np.frombuffer(data, self.dtype).reshape(count, *self.shape[1:])
        return rows if isinstance(place, slice) else rows[0]


class Archive:
    """The arrays of a .npz file by name.

    - path: of the file, in a bucket too. To be closed, or used in a `with`; `Rows` of it live on.
    - where: begins every message.

    Raises UserError, here and where an array is read, for what is no regular file or no .npz, is torn,
    damaged or encrypted, holds an array twice, or claims sizes that it does not have or no memory holds.
    """

    def __init__(self, path: Any, where: str):
        self._where, self._path = where, epath.Path(path)
        self._local = "://" not in os.fspath(path)
        try:
            if self._local and not stat.S_ISREG(os.stat(path).st_mode):
                raise UserError(f"{where}: no regular file; give a .npz")
            self._file = open(path, "rb") if self._local else self._path.open("rb")  # noqa: SIM115
        except OSError as e:
            raise UserError(f"{where}: cannot read it ({e.strerror or e})") from None
        try:
            with self._refused("it"):
                if self._file.read(6) == b"\x93NUMPY":
                    raise UserError(f"{where}: a .npy of one array; want a .npz of several (numpy.savez)")
                self._bytes = self._file.seek(0, os.SEEK_END)
                self._zip = zipfile.ZipFile(self._file)
                self._check_count()
                self._check_others()
        except UserError:
            self._file.close()
            raise
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in self._zip.infolist():
            if member.filename in self._members:
                raise UserError(f"{where}: {member.filename!r} is in it twice; make it anew")
            self._members[member.filename] = member
        self.names = tuple(name.removesuffix(".npy") for name in self._members if name.endswith(".npy"))
        self.others = tuple(name for name in self._members if not name.endswith(".npy"))

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._zip.close()
        self._file.close()

    def read(self, name: str) -> np.ndarray:
        """The array. Raises KeyError where there is none of that name."""
        member = self._member(name)
        with self._refused(repr(name)), self._zip.open(member) as file:
            shape, dtype, fortran, _ = self._header(name, file)
            if member.file_size > memory_bytes():
                raise MemoryError
            array = np.empty(math.prod(shape), dtype)
            into, at = array.view(np.uint8), 0
            while at < len(into):
                part = file.read(min(CHUNK, len(into) - at))
                if not part:
                    raise ValueError("it ends early")
                into[at : at + len(part)] = np.frombuffer(part, np.uint8)
                at += len(part)
            if file.read(1):  # reads to the end, where its checksum is compared
                raise ValueError("it is longer than it claims")
        return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)

    def rows(self, name: str) -> "np.ndarray | Rows":
        """The array, left in the file where it is large, local and stored as it is; its checksum is compared.

        Raises KeyError where there is none of that name.
        """
        member = self._member(name)
        stored = member.compress_type == zipfile.ZIP_STORED and self._local
        if not stored or member.file_size <= HELD_BYTES:
            return self.read(name)
        with self._refused(repr(name)):
            with self._zip.open(member) as file:
                shape, dtype, fortran, before = self._header(name, file)
            if fortran or not shape:
                return self.read(name)
            start = self._start(member)
            checksum = 0
            for at in range(0, member.file_size, CHUNK):
                part = _read_at(self._file, start + at, min(CHUNK, member.file_size - at))
                checksum = zlib.crc32(part, checksum)
            if checksum != member.CRC:
                raise ValueError("its checksum is wrong")
        return Rows(self._path.open("rb"), start + before, shape, dtype)

    def _check_count(self) -> None:
        """zipfile passes over what its directory lacks: damage to one entry hides those after it."""
        self._file.seek(max(0, self._bytes - LONGEST_END))
        end = self._file.read()
        at = end.rfind(b"PK\5\6")
        (count,) = struct.unpack("<H", end[at + 10 : at + 12])
        found = len(self._zip.infolist())
        if count != min(found, MANY):
            raise ValueError(f"its directory lists {found} of {count} members")

    def _check_others(self) -> None:
        """zipfile compares a member's two names when it is opened; of those that nobody opens, damage to the
        one would hide an array."""
        for member in self._zip.infolist():
            if member.filename.endswith(".npy"):
                continue
            self._file.seek(member.header_offset + 26)
            (length,) = struct.unpack("<H", self._file.read(2))
            self._file.seek(member.header_offset + 30)
            name = member.orig_filename.encode("utf-8" if member.flag_bits & UTF8 else "cp437")
            if self._file.read(length) != name:
                raise ValueError(f"a member is called {member.filename!r} in its directory alone")

    def _member(self, name: str) -> zipfile.ZipInfo:
        member = self._members[f"{name}.npy"]
        if member.flag_bits & ENCRYPTED:
            raise UserError(
                f"{self._where}: {name!r} is encrypted; unpack it, and save it without a password"
            )
        if member.header_offset + member.compress_size > self._bytes:
            raise UserError(
                f"{self._where}: {name!r} claims {member.compress_size:,} of {self._bytes:,} bytes; make or"
                " fetch it again"
            )
        if member.file_size > max(BOMB_BYTES, MOST_UNPACKED * member.compress_size):
            raise UserError(
                f"{self._where}: {name!r} would unpack to {member.file_size:,} bytes from"
                f" {member.compress_size:,}; save it uncompressed (numpy.savez)"
            )
        return member

    def _header(self, name: str, file: Any) -> tuple[tuple[int, ...], np.dtype, bool, int]:
        """Shape, type, whether the first axis is the fastest, and the bytes before the numbers."""
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read is None:
            raise ValueError(f"version {version} is unknown")
        shape, fortran, dtype = read(file)
        if dtype.hasobject:
            raise UserError(f"{self._where}: {name!r} holds pickled objects, which are not read")
        if (dtype.kind not in KINDS and dtype != RAW_HALF) or dtype.itemsize == 0:
            raise ValueError(f"its type {dtype} holds no numbers")
        if len(shape) > MOST_DIMENSIONS or any(type(side) is not int or side < 0 for side in shape):
            raise ValueError(f"shape {str(shape)[:80]}")
        member, before = self._members[f"{name}.npy"], file.tell()
        size = math.prod(shape) * dtype.itemsize
        if size != member.file_size - before:
            raise ValueError(
                f"its shape {shape} of {dtype} wants {size:,} bytes, it has {member.file_size:,}"
            )
        return shape, dtype, fortran, before

    def _start(self, member: zipfile.ZipInfo) -> int:
        """Where its bytes begin: after a header of 30 bytes, its name and more fields."""
        header = _read_at(self._file, member.header_offset, 30)
        return member.header_offset + 30 + sum(struct.unpack("<2H", header[26:30]))

    @contextmanager
    def _refused(self, what: str) -> Iterator[None]:
        try:
            yield
        except UserError:
            raise
        except MemoryError:
            raise UserError(f"{self._where}: {what} is larger than memory") from None
        except Exception as e:  # what a foreign or damaged file raises in the layers of zipfile and numpy
            raise UserError(
                f"{self._where}: cannot read {what} as .npz ({type(e).__name__}: {_first_line(e)}); make or"
                " fetch it again"
            ) from None


def memory_bytes() -> int:
    """Of this machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _read_at(file: IO[bytes], start: int, count: int) -> bytes:
    parts = []
    while count:
        part = os.pread(file.fileno(), count, start)
        if not part:
            raise OSError("the file has become shorter")
        parts.append(part)
        start, count = start + len(part), count - len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:160]
