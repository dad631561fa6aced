"""Reading of files that nobody vouches for: none of them hangs, fills the memory, or ends in a traceback."""

import errno
import json
import os
import stat
from typing import Any, NoReturn

from etils import epath

from scalax.errors import UserError
from scalax.names import printable

DEPTH = 64  # of lists and objects inside each other; scalax writes no more than ten
MOST_BYTES = 64 * 2**20  # of a small file
WORD = 40  # characters of a file that a message shows


def read_bytes(path: Any, most_bytes: int = MOST_BYTES) -> bytes:
    """What a regular file holds.

    - path: local or in an object store.
    - most_bytes: more is refused before it is read.

    Raises FileNotFoundError where there is none, another OSError where it cannot be read, and UserError where
    it is no regular file (opening a pipe or a device might never end) or too large.
    """
    if "://" in str(path):
        return epath.Path(path).read_bytes()
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(found.st_mode):
            raise UserError(f"{path}: is a pipe or a device; put a file in its place")
        if found.st_size > most_bytes:
            raise UserError(f"{path}: has {found.st_size:,} bytes, more than {most_bytes:,}; remove it")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def parse_json(raw: bytes | str) -> Any:
    """The JSON in a file, as scalax writes it.

    Raises ValueError, which says why, for what is no strict JSON in UTF-8, is nested deeper than DEPTH, or
    holds text that cannot be written again.
    """
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
    except UnicodeDecodeError as e:
        raise ValueError(f"not text in UTF-8 at byte {e.start}") from None
    try:
        data = _DECODER.decode(text)
    except json.JSONDecodeError as e:
        where = f" in line {e.lineno}" if "\n" in text.strip() else ""
        raise ValueError(f"not JSON{where}" if text.strip() else "empty") from None
    except RecursionError:
        raise ValueError(f"nested deeper than {DEPTH}") from None
    except ValueError as e:  # a number of thousands of digits
        raise ValueError(f"not JSON ({shown(str(e))})") from None
    if text.count("[") + text.count("{") > DEPTH:
        _check_depth(data)
    if "\\u" in text:
        try:
            json.dumps(data, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("text with half a character") from None
    return data


def shown(text: str, most: int = WORD) -> str:
    """Text of a file inside a message: one line, and not too long."""
    return printable(text if len(text) <= most else f"{text[:most]}...")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _check_depth(data: Any) -> None:
    level, depth = [data], 0
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        if depth > DEPTH:
            raise ValueError(f"nested deeper than {DEPTH}")
        level = [item for each in level for item in (each.values() if isinstance(each, dict) else each)]
