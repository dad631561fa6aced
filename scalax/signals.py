"""How a process is asked to end: SIGTERM, as a cluster sends it ahead of taking a machine away, and Ctrl-C.

A thread of its own acts on them. An exception raised in the main thread, as Python does by default, is lost
where it falls into a callback of a library, and waits while the main thread is in one, e.g. compiling.
"""

import contextlib
import os
import signal
import sys
import threading
from typing import NoReturn

EXIT_PREEMPTED = 75  # EX_TEMPFAIL of sysexits.h: start the same command again
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
GOES_ON = "stopped, and all is saved; start the same command to go on from the last checkpoint"

unfinished: set[str] = set()  # files that are being written, to be removed where the process ends before

_lock = threading.Lock()
_asked: list[int] = []  # signals so far
_holding = False  # there is work that is not on disk yet, whose owner looks at `asked`
_name = ""


def listen(name: str) -> None:
    """From here on, end the process when it is asked to: at once where all its work is on disk, else when the
    owner of the work has saved it. A second Ctrl-C ends it at once.

    name: of the program, for the line that says so. To be called in the main thread, as the first thing.
    """
    global _name
    _name = name
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _noted)
    os.register_at_fork(after_in_child=_forget)
    threading.Thread(target=_work, args=(reading,), name="signals", daemon=True).start()


def hold() -> None:
    """There is work from here on that is not on disk: its owner looks at `asked` now and then."""
    global _holding
    with _lock:
        _holding = True


def release() -> None:
    """All work is on disk."""
    global _holding
    with _lock:
        _holding = False


def asked() -> bool:
    """Whether the process was asked to end."""
    return bool(_asked)


def exit_code() -> int:
    """Of a process that was asked to end, and has saved."""
    return EXIT_INTERRUPTED if signal.SIGINT in _asked else EXIT_PREEMPTED


def say(why: str = GOES_ON) -> None:
    """Print that the process ends. why: by default, of one that has saved its work."""
    show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # a bar of progress hides it
    with contextlib.suppress(OSError):  # nobody reads it any more
        sys.stderr.write(f"{show_cursor}{_name}: {why}\n")
        sys.stderr.flush()


def _noted(number: int, frame: object) -> None:
    """The thread has been told by then."""


def _forget() -> None:
    """In a forked child, whose signals are its own."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _work(reading: int) -> None:
    while numbers := os.read(reading, 64):
        for number in numbers:
            _act(number)


def _end(code: int) -> NoReturn:
    for path in list(unfinished):
        with contextlib.suppress(OSError):
            os.unlink(path)
    os._exit(code)


def _act(number: int) -> None:
    with _lock:
        again = bool(_asked)
        _asked.append(number)
        if not _holding:
            say("stopped; start the same command again")
            _end(exit_code())
        if again and number == signal.SIGINT:
            _end(EXIT_INTERRUPTED)
    jax = sys.modules.get("jax")
    if number == signal.SIGINT and jax is not None and jax.distributed.is_initialized():
        os.kill(os.getpid(), signal.SIGTERM)  # JAX tells the other processes, so that all save at one step
