"""A run that is asked to end (scalax.signals) saves first, and asks to be started again."""

import contextlib
from collections.abc import Iterator

import jax
from jax.experimental import multihost_utils

from scalax import signals

_calls = 0


class Preempted(BaseException):
    """Raised where the process was asked to end, and all that was done is on disk. No Exception: what passes
    over a file that cannot be read must not pass over this."""


@contextlib.contextmanager
def saved_before() -> Iterator[None]:
    """A run. Once it holds work (signals.hold), the end waits until the code asks `asked` and has saved.

    To be passed through by all processes alike. Several processes hold on from the beginning to the end: one
    that ended by itself between two runs would leave the others to wait for it.
    """
    try:
        yield
    finally:
        if not jax.distributed.is_initialized():
            signals.release()
    if asked():
        raise Preempted


def asked() -> bool:
    """Whether to save now and end. To be called after every step and every run, by all processes alike."""
    global _calls
    if jax.distributed.is_initialized():
        _calls += 1
        return multihost_utils.reached_preemption_sync_point(_calls)
    return signals.asked()
