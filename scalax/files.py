"""Files that a reader, or a kill, never sees half written."""

import contextlib
import errno
import json
import math
import os
import stat
import uuid
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from etils import epath

from scalax import signals
from scalax.errors import UserError

_tables: ContextVar[Any] = ContextVar("tables")  # (device, inode) of those that a command has read
NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}  # as file systems without say


def write_atomically(path: Any, content: str | bytes) -> None:
    """Replace a file's content so that a reader, or a kill, sees the old content or the new one."""
    path = epath.Path(path)
    raw = content if isinstance(content, bytes) else content.encode(errors="backslashreplace")
    with replacing(path) as beside:
        if beside is path:
            path.write_bytes(raw)
        else:
            _write_synced(beside, raw)


@contextlib.contextmanager
def replacing(path: Any) -> Iterator[Any]:
    """A path to write to that takes the place of `path` once the context ends; an error removes it.

    For libraries that write files themselves; it has the same suffix. An object store replaces whole objects
    by itself, so that there it is `path`.

    Raises UserError where `path` may not be replaced (check_replaceable).
    """
    if "://" in str(path):
        yield path
        return
    path = Path(path)
    check_replaceable(path)
    beside = path.parent / f".{uuid.uuid4().hex}{path.suffix}"  # several workers may write the same file
    signals.unfinished.add(str(beside))
    try:
        yield beside
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    finally:
        signals.unfinished.discard(str(beside))


def check_replaceable(path: Any, what: str = "") -> None:
    """Raises UserError where there is something at a local path that a file may not take the place of.

    - path: to be written to.
    - what: names it in errors.
    """
    lead = f"{what} {path}".strip()
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as e:
        raise UserError(
            f"{lead[:120]}: cannot write it ({getattr(e, 'strerror', e)}); give another name"
        ) from None
    if stat.S_ISDIR(found.st_mode):
        raise UserError(f"{lead}: is a directory, where a file is to go; move it away, or give another name")
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"{lead}: is a pipe or a device, where a file is to go; give another name")
    if (found.st_dev, found.st_ino) in _tables.get(()):
        raise UserError(f"{lead}: is the table that was read; choose another place for the results")


@contextlib.contextmanager
def tables_kept() -> Iterator[None]:
    """Within it, no table that was read is replaced by a result."""
    token = _tables.set(set())
    try:
        yield
    finally:
        _tables.reset(token)


def note_table(found: os.stat_result) -> None:
    """This file is a table that was read (`tables_kept`)."""
    _tables.get(set()).add((found.st_dev, found.st_ino))


def is_same(path: Any, other: Any) -> bool:
    """Whether two local paths lead to one file that is there: who writes the one loses the other."""
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):  # one of them is not there
        return False


def create_atomically(path: Any, text: str, beside: Any = None) -> bool:
    """Make a file that holds `text` from its first moment on; False where there is a file of that name.

    - path: of the file.
    - text: what it holds.
    - beside: the file that is written first, then linked to the name, and removed. A kill may leave it; by
      default it has a name of its own beside `path`.

    Raises OSError where it cannot be written.
    """
    path = epath.Path(path)
    if "://" in str(path):
        if path.exists():
            return False
        path.write_text(text)
        return True
    beside = beside or path.parent / f".{path.name}.{uuid.uuid4().hex}"
    try:
        _write_synced(beside, text.encode())
        try:
            os.link(beside, path)
        except FileExistsError:
            # A network file system may repeat a request whose answer was lost; the count of links tells.
            return os.stat(beside).st_nlink == 2
        except OSError as e:
            if e.errno not in NO_HARD_LINKS:
                raise
            return _create_then_fill(path, beside)
        return True
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)


def _create_then_fill(path: Any, beside: Any) -> bool:
    """Where there are no hard links: one process creates the empty file, then puts `beside` in its place."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    os.replace(beside, path)
    return True


def _write_synced(path: Any, raw: bytes) -> None:
    with open(path, "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def dumps(data: Any, **options: Any) -> str:
    """Strict JSON: a number that is not finite becomes null, so that every reader can parse the file."""
    return json.dumps(_finite(data), allow_nan=False, **options)


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
