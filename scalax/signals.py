"""How a process is asked to end: SIGTERM, as a cluster sends it ahead of taking a machine away, and Ctrl-C.

A thread of its own acts on them. An exception raised in the main thread, as Python does by default, is lost
where it falls into a callback of a library, and waits while the main thread is in one, e.g. compiling.
"""

import os
import signal
import sys
import threading

EXIT_PREEMPTED = 75  # EX_TEMPFAIL of sysexits.h: start the same command again
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
AGAIN = "start the same command to go on from the last checkpoint"

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


def say() -> None:
    """Print why the process ends."""
    why = "stopped" if signal.SIGINT in _asked else "stopped as asked, and everything is saved"
    show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # a bar of progress hides it
    sys.stderr.write(f"{show_cursor}{_name}: {why}; {AGAIN}\n")
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


def _act(number: int) -> None:
    with _lock:
        again = bool(_asked)
        _asked.append(number)
        if not _holding:
            say()
            os._exit(exit_code())
        if again and number == signal.SIGINT:
            os._exit(EXIT_INTERRUPTED)
    jax = sys.modules.get("jax")
    if number == signal.SIGINT and jax is not None and jax.distributed.is_initialized():
        os.kill(os.getpid(), signal.SIGTERM)  # JAX tells the other processes, so that all save at one step
