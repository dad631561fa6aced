"""How far a study is: a bar on a terminal, a plain line now and then elsewhere."""

import math
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from scalax.names import printable, printable_lines
from scalax.train import Hook
from scalax.train import Progress as RunProgress
from scalax.units import flops_text, seconds_text

PLAIN_EVERY_S = 15.0
FORETOLD = 0.1  # of a study: its first runs compile, and are the cheapest or those of a search


class Display(Hook):
    """A context in which the run, its shape, FLOPs spent, images/s and time left are shown."""

    def __init__(self):
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[spent]}"),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            disable=not sys.stderr.isatty(),
            console=Console(stderr=True),
        )
        self.task = self.bar.add_task("starting", total=1.0, spent="", speed="", left="")
        self.printed = self.began = time.monotonic()
        self.first_flops: float | None = None
        self.expected_flops = self.study_flops = 0.0
        self.study_s = float("nan")
        self.spent: dict[str, float] = {}  # FLOPs of each run seen so far, without those of its trunk

    def __enter__(self) -> "Display":
        self.bar.start()
        return self

    def __exit__(self, *_) -> None:
        self.bar.stop()

    def say(self, line: str) -> None:
        """Print a line beside the bar."""
        self.bar.console.print(printable_lines(line), highlight=False, markup=False, soft_wrap=True)

    def study(self, flops: float, seconds: float) -> None:
        self.study_flops, self.study_s = flops, seconds

    def expect(self, flops: float) -> None:
        self.expected_flops += flops

    def progress(self, progress: RunProgress) -> None:
        self.spent[progress.run] = progress.flops - progress.begun_flops
        if progress.rest:
            return  # shown with the last of those that train together
        done_flops = sum(self.spent.values())
        total_flops = max(self.study_flops, self.expected_flops, done_flops)
        now = time.monotonic()
        if self.first_flops is None:  # what an earlier launch did says nothing of the speed of this one
            self.first_flops, self.began = done_flops, now
        gained = done_flops - self.first_flops
        left = (total_flops - done_flops) * self._seconds_per_flop(gained, now - self.began)
        what = printable(f"{progress.run} {progress.shape}")
        spent = f"{flops_text(progress.flops)} of {flops_text(progress.budget_flops)}"
        speed = f"{progress.examples_per_s:,.0f} {progress.unit}/s"
        remaining = f"{seconds_text(left)} left"
        self.bar.update(
            self.task,
            completed=done_flops,
            total=total_flops,
            description=what,
            spent=spent,
            speed=speed,
            left=remaining,
        )
        if self.bar.disable and now - self.printed > PLAIN_EVERY_S:
            self.printed = now
            line = f"{done_flops / total_flops:4.0%} {what}: {spent}, {speed}, {remaining}"
            print(line, file=sys.stderr, flush=True)

    def _seconds_per_flop(self, gained: float, took: float) -> float:
        """By what this launch has gained and the time that it took; what was said of the study beforehand
        counts as if a share FORETOLD of it were done already. nan where nothing is known."""
        if math.isfinite(self.study_s):
            gained, took = gained + FORETOLD * self.study_flops, took + FORETOLD * self.study_s
        return took / gained if gained > 0 else math.nan
