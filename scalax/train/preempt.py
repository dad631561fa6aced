"""SIGTERM, as a cluster sends it ahead of taking a machine away: save, and ask to be started again."""

import contextlib
import signal
import threading
from collections.abc import Iterator

import jax
from jax.experimental import multihost_utils

_asked = threading.Event()
_saving = False  # a run is in its loop, and will save before it goes
_calls = 0


class Preempted(Exception):
    """Raised where the process was asked to end; all that was done is on disk."""


@contextlib.contextmanager
def watch() -> Iterator[None]:
    """Turn SIGTERM into Preempted: at the next step inside a run, at once outside of one.

    With several processes JAX's own service listens, since all must save at the same step.
    """
    global _saving
    _asked.clear()
    _saving = False
    if jax.distributed.is_initialized() or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(signum, frame) -> None:
        _asked.set()
        if not _saving:
            raise Preempted

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def saved_before() -> Iterator[None]:
    """Within it the end waits until the code asks `asked`."""
    global _saving
    _saving = True
    try:
        yield
    finally:
        _saving = False
    if _asked.is_set():
        raise Preempted


def asked() -> bool:
    """Whether to save now and end. To be called after every step, by all processes alike."""
    global _calls
    if jax.distributed.is_initialized():
        _calls += 1
        return multihost_utils.reached_preemption_sync_point(_calls)
    return _asked.is_set()
