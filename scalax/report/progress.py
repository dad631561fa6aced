"""How far a study is: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from scalax.report.units import flops_text, seconds_text
from scalax.train import Progress as RunProgress

PLAIN_EVERY_S = 15.0


class Display:
    """A context in which `update` shows the run, its stage, FLOPs spent, images/s and time left."""

    def __init__(self):
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[spent]}"),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            disable=not sys.stderr.isatty(),
        )
        self.task = self.bar.add_task("starting", total=1.0, spent="", speed="", left="")
        self.printed = self.began = time.monotonic()
        self.first_flops: float | None = None

    def __enter__(self) -> "Display":
        self.bar.start()
        return self

    def __exit__(self, *_) -> None:
        self.bar.stop()

    def update(self, run: RunProgress, done_flops: float, total_flops: float) -> None:
        """done_flops and total_flops are the study's, including the run's."""
        now = time.monotonic()
        if self.first_flops is None:  # what an earlier launch did says nothing of the speed of this one
            self.first_flops, self.began = done_flops, now
        gained = done_flops - self.first_flops
        left = (total_flops - done_flops) * (now - self.began) / gained if gained > 0 else float("nan")
        what = f"{run.run} {run.shape}"
        spent = f"{flops_text(run.flops)} of {flops_text(run.budget_flops)}"
        speed = f"{run.images_per_s:,.0f} images/s"
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
