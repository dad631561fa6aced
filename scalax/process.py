"""What a program of ours does first, in a process of its own."""

import gc
import os
import sys

from scalax import signals


def begin(name: str) -> None:
    """Make the process ready: it has its three streams, draws to files alone, and ends as it is asked to.

    name: of the program. To be called before anything is opened, in the main thread.
    """
    open_missing()
    os.environ["MPLBACKEND"] = "agg"  # whatever the user's windows need
    gc.set_threshold(
        10_000, 10, 10
    )  # JAX's modules and programs stay: looking through them took 0.6 s of a start
    signals.listen(name)


def open_missing() -> None:
    """Open the standard streams that are closed on nothing: what the process opens next would else be written
    to in their place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number that is free
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115
