"""Where the time of a run goes: into steps, and into what is no training."""

import time
from collections.abc import Callable
from typing import TypeVar

from scalax.train.saved import PARTS, Saved
from scalax.train.watch import Watcher

T = TypeVar("T")


class Clock:
    """wall_s: seconds spent in steps. timing: seconds of compilation, of changes of shape, and in which the
    device had nothing to do."""

    def __init__(self, watcher: Watcher):
        self._watcher = watcher
        self._started = 0.0
        self.wall_s = 0.0
        self.timing = dict.fromkeys(PARTS, 0.0)

    def restore(self, saved: Saved) -> None:
        """As it was when a checkpoint was made."""
        self.wall_s, self.timing = saved.wall_s, dict(saved.timing)

    def start(self) -> None:
        """No step may be under way."""
        self._watcher.restart()
        self._started = time.perf_counter()

    def stop(self) -> None:
        """Add the time since `start`; all its steps must have ended."""
        self.wall_s += time.perf_counter() - self._started
        self._add("idle_s", self._watcher.idle_s)

    def timed(self, part: str, work: Callable[[], T]) -> T:
        """Do work that is no step, and add its time to a part of `timing`."""
        started = time.perf_counter()
        result = work()
        self._add(part, time.perf_counter() - started)
        return result

    def _add(self, part: str, seconds: float) -> None:
        self.timing[part] = round(self.timing[part] + seconds, 4)
