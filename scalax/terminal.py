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


def ended_quietly(command: Callable[[], int]) -> int:
    """The exit code of a command; no traceback where the reader of its output has gone, as `head` does.

    Raises what the command raises.
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
    return code if isinstance(code, int) else EXIT_CLOSED


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
