"""Reading of files that nobody vouches for: none of them hangs, fills the memory, or ends in a traceback."""

import errno
import json
import os
import stat
from typing import Any, NoReturn

from etils import epath

from scalax.errors import UserError
from scalax.files import note_table
from scalax.names import printable

DEPTH = 64  # of lists and objects inside each other; scalax writes no more than ten
MOST_BYTES = 64 * 2**20  # of a small file
MOST_TABLE, MOST_PIPED = 4 * 2**30, 2**28  # bytes of a table in a file, and out of a pipe
CHUNK = 2**20
WORD = 40  # characters of a file that a message shows


class NotJSON(ValueError):
    """Text that is no JSON; `line` and `column`, from 1, say where."""

    def __init__(self, message: str, line: int, column: int):
        super().__init__(message)
        self.line, self.column = line, column


class RepeatedKey(ValueError):
    """A key that stands twice in one object: which value counts, nobody can tell."""


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


def read_table_bytes(path: Any, holds: str) -> bytes:
    """What a file of a table holds, or a pipe to its end.

    - path: local.
    - holds: what the table should hold, for messages: 'curves'.

    Raises UserError where it cannot be read, is a device or a socket, or holds more than MOST_TABLE bytes, or
    MOST_PIPED out of a pipe.
    """
    try:
        found = os.stat(path)
        kind = found.st_mode
        if stat.S_ISREG(kind):
            note_table(found)
            return read_bytes(path, MOST_TABLE)
        if not stat.S_ISFIFO(kind) and not stat.S_ISDIR(kind):
            raise UserError(f"{path}: is a device; give a file of {holds}")
        raw = bytearray()
        with open(path, "rb") as file:
            while part := file.read(CHUNK):
                raw += part
                if len(raw) > MOST_PIPED:
                    raise UserError(
                        f"{path}: over {MOST_PIPED:,} bytes come out of this pipe; write them to a file"
                    )
        return bytes(raw)
    except OSError as e:
        raise UserError(f"{path}: {e.strerror or e}; give a file of {holds}") from None


def parse_json(raw: bytes | str, strict: bool = True) -> Any:
    """The JSON in a file.

    - raw: all of it.
    - strict: as scalax writes it. Else as other programs do: NaN and Infinity are numbers, and text may hold
      half a character.

    Raises RepeatedKey where an object has a key twice, and another ValueError, which says why, for what is no
    JSON in UTF-8 or is nested deeper than DEPTH.
    """
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
    except UnicodeDecodeError as e:
        raise ValueError(f"not text in UTF-8 at byte {e.start}") from None
    try:
        data = (_STRICT if strict else _LENIENT).decode(text)
    except json.JSONDecodeError as e:
        where = f" in line {e.lineno}" if "\n" in text.strip() else ""
        raise NotJSON(f"not JSON{where}" if text.strip() else "empty", e.lineno, e.colno) from None
    except RepeatedKey:
        raise
    except RecursionError:
        raise ValueError(f"nested deeper than {DEPTH}") from None
    except ValueError as e:  # a number of thousands of digits
        raise ValueError(f"not JSON ({shown(str(e))})") from None
    if text.count("[") + text.count("{") > DEPTH:
        _check_depth(data)
    if strict and "\\u" in text:
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


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        key = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise RepeatedKey(f"key {shown(repr(key))} stands twice in one object")
    return found


_STRICT = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_once)
_LENIENT = json.JSONDecoder(object_pairs_hook=_once)


def _check_depth(data: Any) -> None:
    level, depth = [data], 0
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        if depth > DEPTH:
            raise ValueError(f"nested deeper than {DEPTH}")
        level = [item for each in level for item in (each.values() if isinstance(each, dict) else each)]
