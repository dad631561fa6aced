"""The standard streams of a process, where it was started without them."""

import os
import sys


def open_missing() -> None:
    """Open those that are closed on nothing: what the process opens next would else be written to in their
    place. To be called before anything is opened."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number that is free
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115
