"""Metrics of steps under way, brought to the host by a thread of their own, and how long the device waits."""

import queue
import threading
import time

import jax
import numpy as np


class Watcher:
    """Takes each step's metrics as it is handed to the device, and gives them back when they are computed.

    idle_s: seconds since `restart` in which the device had finished every step it was given and had no next
    one.
    """

    def __init__(self):
        self._given: queue.Queue = queue.Queue()
        self._done: queue.Queue = queue.Queue()
        self._taken = self._last = 0
        self.restart()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def restart(self) -> None:
        """Forget the clock, after work that was no training; no step may be under way."""
        self.idle_s, self._ended = 0.0, time.perf_counter()

    def put(self, step: int, metrics: dict, handed_s: float) -> None:
        """Take in a step that was handed to the device.

        - step: its number.
        - metrics: device arrays of the step.
        - handed_s: time.perf_counter() when its program was called.
        """
        self._given.put((step, metrics, handed_s))
        self._last = step

    def take(self, step: int) -> list[tuple[int, dict[str, np.ndarray]]]:
        """Metrics not yet taken, up to `step`; waits for them."""
        taken = []
        while self._taken < step:
            number, metrics = self._done.get()
            if isinstance(metrics, Exception):
                raise metrics
            self._taken = number
            taken.append((number, metrics))
        return taken

    def begin(self, step: int) -> None:
        """Start anew after `step` updates; what is still under way belongs to a past that is undone."""
        while self._taken < self._last:
            self._taken, _ = self._done.get()
        self._taken = self._last = step

    def close(self) -> None:
        self._given.put(None)

    def _work(self) -> None:
        while (given := self._given.get()) is not None:
            step, metrics, handed_s = given
            try:
                jax.block_until_ready(metrics)
                ended = time.perf_counter()
                self.idle_s += max(0.0, handed_s - self._ended)
                self._ended = ended
                self._done.put((step, {name: np.asarray(value) for name, value in metrics.items()}))
            except Exception as e:  # what went wrong on the device belongs to the thread that trains
                self._done.put((step, e))
