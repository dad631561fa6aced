"""What is wrong with a checkpoint, in our words; what libraries print of it is kept off the terminal."""

import functools
import inspect
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import jax
from etils import epath

from scalax import untrusted
from scalax.errors import UserError, one_line

PARTS = ("state", "state/_METADATA", "state/manifest.ocdbt")  # files of Orbax without which there is no state
REPORT = "call_soon_threadsafe"  # of event loops, asyncio's and others
SPEC = "tensorstore_spec="  # tensorstore ends each of its errors with what it was asked to open


@contextmanager
def reading(path: epath.Path) -> Iterator[None]:
    """Raises UserError where what is done inside fails to read the checkpoint `path`."""
    try:
        with quietly():
            yield
    except Exception as e:  # a damaged file can fail in any layer of the reader
        raise UserError(f"checkpoint {path} cannot be read ({reason(path, e)})") from e


@contextmanager
def quietly() -> Iterator[None]:
    """Keep what libraries say of a damaged checkpoint off the terminal: the error says it."""
    ignore_late_reports()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def reason(path: epath.Path, error: Exception) -> str:
    """Why a checkpoint could not be read, in one line."""
    if isinstance(error, UserError | MemoryError | jax.errors.JaxRuntimeError):
        return line_of(error)
    if not path.exists():
        return "there is no such directory"
    if missing := [name for name in PARTS if not (path / name).exists()]:
        return f"{missing[0]} is missing in it"
    if isinstance(error, OSError) and error.strerror:
        return untrusted.shown(f"{error.filename}: {error.strerror}" if error.filename else error.strerror)
    return "a file in it is damaged, or it is of another model"


def line_of(error: Exception) -> str:
    """The error in one line; its class too, where it is none of ours."""
    if isinstance(error, UserError):
        return untrusted.shown(str(error), most=300)
    return untrusted.shown(one_line(error), most=300)


@functools.cache
def ignore_late_reports() -> None:
    """Keep Python from printing a traceback for each array whose write or read ends after its save or load
    has failed.

    Orbax closes the event loop of a save or load at the first array that fails. The others go on in threads
    of tensorstore, which then find the loop closed when they report to it, and leave coroutines and tasks
    that nobody awaits any more. The error itself is raised by the call, or by the next one of Checkpoints.
    """
    before = sys.unraisablehook

    def hook(unraisable) -> None:
        first = unraisable.exc_traceback
        called = "" if first is None else first.tb_frame.f_code.co_name
        # Python code would be the first frame; only a thread of a library calls this without one.
        if unraisable.exc_type is RuntimeError and called.rpartition(".")[2] == REPORT:
            return
        if inspect.iscoroutine(unraisable.object) and "orbax" in unraisable.object.cr_code.co_filename:
            return
        before(unraisable)

    def is_news(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not (isinstance(error, ValueError) and SPEC in str(error))

    sys.unraisablehook = hook
    logging.getLogger("asyncio").addFilter(is_news)
