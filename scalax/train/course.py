"""Which way a run goes: its schedule in steps, and how it plans anew as it goes, if it does."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from scalax import data, records
from scalax.errors import UserError
from scalax.evals import evaluations
from scalax.records import RunRecord
from scalax.schedule import Schedule
from scalax.train import distributed
from scalax.train.experiment import Experiment
from scalax.train.saved import Saved
from scalax.train.timeline import Span, Timeline, plan

Replan = Callable[[list[RunRecord], Schedule], Schedule]  # from a run's records and schedule to the next


def check(experiment: Experiment, schedule: Schedule) -> Timeline:
    """The run's steps; raises UserError, before anything compiles, for what could not be trained."""
    config, programs = experiment.config, experiment.programs
    layers = {layer for each in evaluations(config) for layer in each.layers} - {"pre_logits"}  # all have it
    for stage in schedule.stages:
        programs.build(stage.shape)  # says what is wrong with a shape
        data.check_batch(experiment.splits.train, stage.batch_size or config.batch_size)
        if layers:
            programs.check_layers(stage.shape, config.eval.batch_size, tuple(sorted(layers)))
    for before, after in itertools.pairwise(stage.shape for stage in schedule.stages):
        programs.check_change(before, after)
    return plan(schedule, lambda work: experiment.cost(*work).step, config.batch_size, config.eval)


class Course:
    """The schedule and timeline of a run, now.

    - experiment: that the run is of.
    - schedule: that it begins with.
    - replan: asked after each evaluation, where the run plans as it goes.
    - begins: updates that were taken over from another run (Timeline.begins).
    - keep: FLOPs at which checkpoints stay for good.
    """

    def __init__(
        self,
        experiment: Experiment,
        schedule: Schedule,
        replan: Replan | None = None,
        begins: int = 0,
        keep: Sequence[float] = (),
    ):
        self._experiment, self._replan = experiment, replan
        self._first = experiment.plain(schedule)
        self._begins, self._keep = begins, keep
        self._follow(self._first)

    @property
    def budget_flops(self) -> float:
        return self._first.budget_flops

    def restart(self) -> None:
        """As it was before the first step."""
        self._follow(self._first)

    def restore(self, saved: Saved) -> None:
        """As it was when a checkpoint was made: a schedule made on the way was saved with it. Raises
        UserError where it was not."""
        if self._replan is None:
            return
        if saved.schedule is None or saved.schedule.budget_flops != self.budget_flops:
            raise UserError("progress: has not the schedule that the run follows")
        self._follow(saved.schedule)

    def advance(self, step: int, metrics_file: Any) -> bool:
        """Plan anew by the records up to `step`, if this run does so; whether the schedule is another now."""
        if self._replan is None or step == self.timeline.steps:
            return False
        distributed.barrier("records")  # one process writes them, all plan by them
        try:
            found = records.read(metrics_file)
        except OSError as e:
            raise UserError(f"{metrics_file}: cannot read it ({e.strerror or e}); restore it") from None
        schedule = self._experiment.plain(self._replan(found, self.schedule))
        return schedule != self.schedule and self._follow(schedule)

    def later(self, span: Span) -> list[tuple[Span, Span]]:
        """The changes that come after a span has begun: (before, after)."""
        spans = self.timeline.spans
        return list(itertools.pairwise(spans[spans.index(span) :]))

    def evaluation(self, step: int) -> tuple[int, bool]:
        """Number, from 0, of the evaluation after `step` updates, and whether it is the run's last."""
        return sum(each < step for each in self.timeline.evals), step == self.timeline.steps

    def _follow(self, schedule: Schedule) -> bool:
        self.schedule = schedule
        self.timeline = check(self._experiment, schedule)._replace(begins=self._begins)
        self.kept_steps = frozenset(map(self.timeline.last_before, self._keep))
        return True
