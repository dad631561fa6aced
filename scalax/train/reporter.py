"""How far a group is and how fast, told to hooks and to the claim's file now and then."""

import time
from collections.abc import Sequence

from scalax.jobs import Claim
from scalax.train.course import Course
from scalax.train.group import Group
from scalax.train.hooks import Hook, Progress
from scalax.train.timeline import Span

EVERY_S = 0.5


class Reporter:
    """claims: those of the group; the first of them carries the progress."""

    def __init__(self, group: Group, claims: Sequence[Claim], hooks: Sequence[Hook], unit: str):
        self._group, self._claims, self._hooks, self._unit = group, claims, hooks, unit
        self._reported, self._examples = 0.0, 0

    def restart(self) -> None:
        """Forget what came before, after work that was no training."""
        self._reported, self._examples = time.perf_counter(), 0

    def step(self, step: int, span: Span, course: Course) -> None:
        """After an update was handed to the device.

        - step: number of the update.
        - span: that it is of.
        - course: schedule and timeline.
        """
        self._examples += span.batch_size
        now = time.perf_counter()
        if now - self._reported < EVERY_S:
            return
        speed = self._examples / (now - self._reported)
        cost = course.timeline.costs[span.work(step - 1)]
        for i, member in enumerate(self._group.members):
            progress = Progress(
                run=member.path.name,
                step=step,
                shape=span.shape,
                flops=float(course.timeline.flops(step)),
                budget_flops=course.budget_flops,
                examples_per_s=speed,
                flops_per_s=speed / span.batch_size * cost.flops,
                unit=self._unit,
                begun_flops=float(course.timeline.flops(course.timeline.begins)),
                rest=self._group.size - 1 - i,
            )
            for hook in self._hooks:
                hook.progress(progress)
            for claim in self._claims if i == 0 else ():
                claim.note({**progress._asdict(), "shape": str(span.shape)})
        self._reported, self._examples = now, 0
