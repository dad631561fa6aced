"""What a process says to a terminal: errors in one line, and nothing where nobody reads any more."""

import contextlib
import os
import select
import sys
from collections.abc import Callable, Mapping

from scalax.distribution import other_package
from scalax.errors import with_flags
from scalax.names import printable

EXIT_CLOSED = 141  # as of a program that SIGPIPE ends


def print_error(program: str, message: object, flags: Mapping[str, str]) -> None:
    """An error in one line.

    - program: what the user started.
    - message: of a library, or an error with one.
    - flags: the flag that sets an argument, by the argument's name.
    """
    print(printable(f"{program}: error: {with_flags(str(message), flags)}"), file=sys.stderr)


def warn_of_other_package(program: str) -> None:
    """A warning where another package has the name of this one. program: what the user started."""
    if line := other_package():
        print(printable(f"{program}: warning: {line}"), file=sys.stderr)


def ended_quietly(program: str, command: Callable[[], int]) -> int:
    """The exit code of a command; no traceback where the reader of its output has gone, as `head` does, nor
    where a file or a device is not to be had.

    - program: what the user started.
    - command: returns its exit code.

    Raises what the command raises else.
    """
    code: object = EXIT_CLOSED
    try:
        code = command()
        _flush()
    except SystemExit as e:
        code = e.code or 0
        try:
            _flush()
        except BrokenPipeError:
            _write_nowhere()
        raise
    except BrokenPipeError:
        if not _closed():  # a pipe to another program
            raise
        _write_nowhere()
    except OSError as e:
        code = 2
        named = e.filename2 or e.filename  # of what was to be replaced, the file itself
        where = os.fsdecode(named) if isinstance(named, str | bytes | os.PathLike) else "cannot read or write"
        _end_with(program, f"{where}: {e.strerror or e}; check the path and the disk")
    except (RuntimeError, MemoryError) as e:
        if not (why := _lacking(e)):
            raise
        code = 2
        _end_with(program, why)
    return code if isinstance(code, int) else EXIT_CLOSED


def _end_with(program: str, message: str) -> None:
    with contextlib.suppress(OSError):
        print_error(program, message, {})
        _flush()
        return
    _write_nowhere()  # what cannot be written is standard output, or error


def _lacking(error: RuntimeError | MemoryError) -> str:
    """What the machine lacks, memory or a device; empty for an error of another kind."""
    first = (str(error).splitlines() or [""])[0]
    if isinstance(error, MemoryError) or first.startswith("RESOURCE_EXHAUSTED"):  # a status of XLA
        told = f" ({first.removeprefix('RESOURCE_EXHAUSTED: ')})" if first else ""
        return f"out of memory{told}; lower batch_size, or raise accumulate and keep it"
    jax = sys.modules.get("jax")
    try:
        if jax is not None:
            jax.devices()
    except RuntimeError as e:
        why = str(e).splitlines()[0]
        return f"JAX has no device: {why}; set JAX_PLATFORMS to what is here, e.g. cpu"
    return ""


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _closed() -> bool:
    """Whether nobody reads what this process writes."""
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            poll.register(stream.fileno(), select.POLLERR)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _write_nowhere() -> None:
    """What the streams still hold would be written, in vain and with a traceback, as the process ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
