"""Paths that users name, local or in an object store."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from etils import epath

from scalax.distribution import install
from scalax.errors import UserError, one_line
from scalax.files import check_replaceable


def place(path: Any, what: str) -> epath.Path:
    """The path as one of files.

    - path: local, or such as gs://BUCKET/DIR.
    - what: names it in errors: a setting, or an argument in backticks.

    Raises UserError where no file system of ours takes it.
    """
    try:
        found = epath.Path(path)
        os.fspath(found)  # asks what the scheme stands for
    except KeyError:
        scheme = str(path).partition("://")[0]
        raise UserError(f"{what} {path}: {scheme}:// is no file system; give a local path or gs://") from None
    return found


def existing(path: Any, what: str) -> epath.Path:
    """The same of what is to be read. Raises UserError, too, where it cannot be looked at."""
    found = place(path, what)
    try:
        found.exists()
    except ImportError as e:
        raise _not_installed(path, what, e) from None
    except OSError as e:
        raise UserError(f"{what} {str(path)[:80]}: cannot read it ({e.strerror or e})") from None
    except Exception as e:  # a zero byte; whatever an object store's client raises
        reason = (str(e).splitlines() or [""])[0][:200]
        raise UserError(
            f"{what} {str(path)[:80]}: cannot read it ({type(e).__name__}: {reason}); check the path"
        ) from None
    return found


def _not_installed(path: Any, what: str, missing: ImportError) -> UserError:
    remedy = install("gcs") if str(path).startswith("gs://") else "give a local path or gs://"
    return UserError(f"{what} {path}: {missing} ({remedy})")


def make_directory(path: Any, what: str) -> list[Path]:
    """Make a directory. Raises UserError where it cannot be made.

    - path: of the directory.
    - what: names it in errors.

    Returns the directories that were not there before, the innermost first; none in an object store.
    """
    where = place(path, what)
    local = [] if "://" in str(path) else [Path(path), *Path(path).parents]
    try:
        missing = [each for each in local if not each.exists()]
        where.mkdir(parents=True, exist_ok=True)
    except ImportError as e:
        raise _not_installed(path, what, e) from None
    except OSError as e:
        raise UserError(f"{what} {path}: cannot make it ({e.strerror or e}); choose another") from None
    except Exception as e:
        if "://" not in str(path):
            raise
        # What an object store's client raises depends on the store.
        raise UserError(f"{what} {path}: cannot make it ({one_line(e)}); choose another") from None
    return missing


def on_this_machine(path: Any, what: str) -> Path:
    """The path as one of local files.

    - path: as a user named it.
    - what: names it in errors.

    Raises UserError for an address: a local path of its letters would lead into a directory `gs:`.
    """
    if "://" in str(path):
        raise UserError(f"{what} {path}: is an address, and only local files will do here; give a local path")
    return Path(path)


def check_results(path: Any, what: str) -> None:
    """Raises UserError where results cannot be written to the directory: before they are made.

    - path: of the directory; what is missing is made, and removed again.
    - what: names it in errors.
    """
    if path.exists() and not path.is_dir():
        raise UserError(f"{what} {path}: is a file, want a directory")
    remove_empty(make_directory(path, what))


def check_result(path: Any, what: str) -> epath.Path:
    """The path of a file that results go to. Raises UserError, before they are made, where they cannot.

    - path: as a user named it.
    - what: names it in errors.
    """
    found = place(path, what)
    check_results(found.parent, what)
    if "://" not in str(path):
        check_replaceable(found, what)
    return found


def remove_empty(directories: Iterable[Path]) -> None:
    """Remove those of the directories that hold nothing, in their order."""
    for each in directories:
        with contextlib.suppress(OSError):  # it holds something, or another process was faster
            each.rmdir()


def no_directory(path: epath.Path) -> str:
    """What is wrong with a path that is no directory: nothing is there, or a file."""
    return "is a file, want a directory" if path.exists() else "no such directory"
