"""A trace of some steps for TensorBoard's profiler, XProf or Perfetto."""

import re
from pathlib import Path
from typing import Any

import jax

from scalax.errors import UserError
from scalax.train.hooks import Hook


class Profile(Hook):
    """Trace steps START to STOP - 1 of the first run that gets there, into OUT/profile.

    Steps count from 0; the first one compiles. Raises UserError where `text` is not START:STOP.
    """

    def __init__(self, text: str, out: Any):
        match = re.fullmatch(r"(\d+):(\d+)", text)
        if not match or int(match[1]) >= int(match[2]):
            raise UserError(f"`profile` {text}: want START:STOP in steps with START < STOP, e.g. 10:20")
        self._start, self._stop = int(match[1]), int(match[2])
        self._directory = Path(out) / "profile"
        self._run: str | None = None  # the run that is traced
        self._done = False

    def step(self, run: str, step: int) -> None:
        if not self._done and self._run is None and self._start <= step < self._stop:
            jax.profiler.start_trace(str(self._directory))
            self._run = run
        elif run == self._run and step >= self._stop:
            self._end()

    def end(self, run: str) -> None:
        if run == self._run:
            self._end()

    def _end(self) -> None:
        jax.block_until_ready(jax.live_arrays())  # the last steps are still on their way
        jax.profiler.stop_trace()
        self._run, self._done = None, True
