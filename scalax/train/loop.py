"""Runs of one schedule through its stages: steps, evaluations, records, checkpoints, resumption.

A group of runs (seeds, learning rates, weight decays) trains as one program; a single run is a group of one.
"""

import contextlib
import dataclasses
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import optax

from scalax import signals
from scalax.errors import UserError
from scalax.evals import Evaluator
from scalax.jobs import Claim, Lost, claim
from scalax.names import printable
from scalax.records import METRICS_FILE
from scalax.schedule import Schedule
from scalax.train import distributed, preempt, rundir
from scalax.train.branch import take_over
from scalax.train.checkpoint import Checkpoints
from scalax.train.clock import Clock
from scalax.train.course import Course, Replan
from scalax.train.experiment import Experiment
from scalax.train.group import Diverged, Group, Member, ended_in_group
from scalax.train.health import FACTOR, LOWERED, Health
from scalax.train.hooks import Hook
from scalax.train.rates import SpanRates
from scalax.train.recorder import Recorder
from scalax.train.reporter import Reporter
from scalax.train.saved import Saved, read_saved
from scalax.train.state import TrainState
from scalax.train.timeline import Span, Work
from scalax.train.watch import Watcher

AHEAD = 16  # steps whose metrics may be on their way from the device

# Of parameters: of one run, and of each run of a population.
_norm = jax.jit(optax.global_norm)
_norms = jax.jit(jax.vmap(optax.global_norm))


def run(
    experiment: Experiment,
    schedule: Schedule,
    members: Sequence[Member],
    evaluator: Callable[[], Evaluator],
    hooks: Sequence[Hook] = (),
    group_claim: Claim | None = None,
    replan: Replan | None = None,
    keep: Sequence[float] = (),
) -> None:
    """Train each member by `schedule` in its directory, from the last checkpoint if there is one.

    - experiment: what is trained.
    - schedule: of all members.
    - members: that train together.
    - evaluator: gives the evaluations; not asked where all members are finished.
    - hooks: called of the training.
    - group_claim: a claim that the caller already has on the group's directory.
    - replan: asked after each evaluation of a single run, from its records and schedule to the schedule to go
      on with, which may differ from there on.
    - keep: FLOPs; the last checkpoint before each stays for good, for runs that branch off there.

    Raises UserError where a directory belongs to another config, the budget buys no step, or a member's loss
    is no longer finite (the others end first; its records and last good checkpoint stay), and
    preempt.Preempted, with all saved, where the process is asked to end.
    """
    if replan and len(members) > 1:
        raise ValueError("runs that plan as they go train alone")
    (begins,) = {member.begins for member in members}  # of a group, all branch off at one step
    course = Course(experiment, schedule, replan, begins, keep)
    optims = rundir.optimizers(experiment.config, members)
    todo = []
    for member, optim in zip(members, optims, strict=True):
        info = rundir.describe(experiment, course.schedule, member, course.timeline, bool(replan))
        theirs = rundir.open_directory(member.path, info)
        if not theirs.finished and not ended_in_group(member.path, info):
            todo.append((member, optim, dataclasses.replace(info, name=theirs.name)))
    if not todo:
        return
    members, optims, infos = zip(*todo, strict=True)
    group = Group(members, optims, list(infos))
    with contextlib.ExitStack() as stack, preempt.saved_before():
        directories = {str(member.path): member.path for member in members}
        if group_claim:
            directories.pop(str(group.directory), None)
        claims = [group_claim] if group_claim else []
        if distributed.is_primary():
            claims += [stack.enter_context(claim(path)) for path in directories.values()]
        Loop(experiment, course, group, claims, evaluator(), hooks).run()


class Loop:
    """One group on its course, with what it needs to be resumed, recorded and watched.

    - experiment: what is trained.
    - course: schedule and timeline.
    - group: that is trained.
    - claims: on its directories.
    - evaluator: measures its states.
    - hooks: called of the training.
    - rate_factor: what learning rates are multiplied by, below 1 where the group went back.
    """

    def __init__(
        self,
        experiment: Experiment,
        course: Course,
        group: Group,
        claims: Sequence[Claim],
        evaluator: Evaluator,
        hooks: Sequence[Hook],
    ):
        self.experiment, self.programs, self.batches = experiment, experiment.programs, experiment.batches
        self.course, self.group, self.hooks = course, group, hooks
        group.begin()
        self.checkpoints = Checkpoints(group.directory / "ckpt")
        self.health = Health(group, experiment.config.optim.on_nonfinite, self.checkpoints.newest_step)
        self.recorder = Recorder(experiment, evaluator, group, claims, self.health, hooks)
        self.reporter = Reporter(group, claims, hooks, experiment.task.unit)
        self.watcher = Watcher()
        self.clock = Clock(self.watcher)
        self.compiler = ThreadPoolExecutor(1)  # of the programs of later stages
        self.rate_factor = 1.0

    def run(self) -> None:
        """Train to the end, or raise why not (loop.run); what was done is on disk either way."""
        for hook, (member, info) in itertools.product(
            self.hooks, zip(self.group.members, self.group.infos, strict=True)
        ):
            hook.start(member.path.name, member.path, info)
        try:
            self._train_until_healthy()
        except Lost:
            raise
        except UserError as e:
            self.group.fail(self.health.failed, e)
            raise
        finally:
            # Who was asked to end does not wait for programs that nobody will run.
            self.compiler.shutdown(wait=not signals.asked(), cancel_futures=True)
            self.watcher.close()
            self.checkpoints.close()
            for hook, member in itertools.product(self.hooks, self.group.members):
                hook.end(member.path.name)
        self.group.finish(self.health.failed, self.clock.timing)
        if self.health.failed:
            self.group.fail(self.health.failed)
            raise Diverged(self.health.message())

    def _train_until_healthy(self) -> None:
        back = False
        while True:
            try:
                return self._train(back)
            except Diverged as e:
                if self.health.policy != "lower_rate" or self.rate_factor <= FACTOR**LOWERED:
                    raise
                back = True
                self.rate_factor *= FACTOR
                line = f"{e}; going back, at {self.rate_factor:g} times the rate"
                print(printable(line), file=sys.stderr, flush=True)

    def _train(self, back: bool) -> None:
        """From the last checkpoint on; back: from the last that was due, so that a run which was asked to end
        meanwhile goes back to where it would have gone without."""
        step, state = self._restore(back)
        while step < self.course.timeline.steps:
            span, after = self.course.timeline.around(step)
            self.health.stage, rates = span.stage, self._rates(span)
            programs = self.clock.timed("compile_s", lambda span=span: self._programs(span))
            for change in self.course.later(span):
                self.compiler.submit(self._compile, *change)
            self._start_clock()
            while step < span.last:
                state = self._step(step, state, programs[span.work(step)], rates)
                step += 1
                self._inspect(span, step - AHEAD)
                self.reporter.step(step, span, self.course)
                evaluates, asked = step in self.course.timeline.evals, preempt.asked()
                due = self._saves(step, span)
                if not (evaluates or asked or due):
                    continue
                self._inspect(span, step)
                self.clock.stop()
                if evaluates:
                    self._record(step, span, state)
                    if self.course.advance(step, self.group.members[0].path / METRICS_FILE):
                        span, after = self.course.timeline.around(step - 1)
                        self.health.stage, rates = span.stage, self._rates(span)  # they know the timeline
                if step == span.last and after:
                    state = self._change(step, state, span, after)
                due = due or self._saves(step, span)  # of the span as it is by now
                if due or asked:
                    self._save(step, after if step == span.last and after else span, state, due)
                if asked:
                    self.checkpoints.wait()
                    raise preempt.Preempted
                self._start_clock()

    def _step(self, step: int, state: TrainState, program: Callable, rates: SpanRates) -> TrainState:
        """Hand the update after `step` updates to the device."""
        signals.hold()
        for hook, member in itertools.product(self.hooks, self.group.members):
            hook.step(member.path.name, step)
        dataset, batch = self.batches.dataset(), self.batches.next(self.feed)
        hyperparams = rates.at(step, self.rate_factor)
        handed_s = time.perf_counter()
        state, metrics = program(state, dataset, batch, hyperparams)
        self.watcher.put(step + 1, metrics, handed_s)
        return state

    def _change(self, step: int, state: TrainState, before: Span, after: Span) -> TrainState:
        """The state of the next span, after `step` updates."""

        def changed() -> TrainState:
            new = self.programs.change(before.shape, after.shape, self.group.axis)(state)
            self._programs(after)
            self.feed = self._feed(after)
            return jax.block_until_ready(new)

        new = self.clock.timed("switch_stall_s", changed)
        if after.shape != before.shape:
            self._record(step, after, new)  # what the change itself does
        return new

    def _restore(self, back: bool) -> tuple[int, TrainState]:
        """(updates made, state) of the last checkpoint (`back`: that was due), or of where the run begins."""
        self.checkpoints.wait()
        found = self.checkpoints.restore(self._abstract_state, due=back)
        if found:
            step, state, progress = found
            saved = read_saved(progress, self.group.size, step)
        else:
            self.course.restart()
            step = self.course.timeline.begins
            first, _ = self.course.timeline.around(step)
            self.feed = self._feed(first)
            if step:
                state, saved = take_over(self.experiment, self.group.members, first.shape)
            else:
                state = self.experiment.first_state(first.shape, self.group.seed)
                saved = Saved({})
        self.health.restore(saved)
        self.clock.restore(saved)
        self.rate_factor = min(self.rate_factor, saved.rate_factor)
        self.watcher.begin(step)
        self.recorder.keep_until(step)
        return step, state

    def _abstract_state(self, step: int, progress: dict) -> TrainState:
        """That of a checkpoint. Raises UserError, or what the feed raises, where the run cannot go on from
        it; else course and feed are as they were."""
        saved = read_saved(progress, self.group.size, step)
        self.course.restore(saved)
        timeline = self.course.timeline
        if step > timeline.steps:
            raise UserError(f"of step {step}, and the run has {timeline.steps}")
        for i, info in enumerate(self.group.infos):
            saved.check_run(info.name, i if self.group.axis else None, self.group.axis)
        failed = saved.failed_members(self.group.size)
        self.recorder.check_kept(timeline, step, [i for i in range(self.group.size) if i not in failed])
        span, _ = timeline.around(step)
        self.feed = self._feed(span)
        self.feed.set_state(saved.feed)
        return self.programs.abstract_state(span.shape, self.group.axis)

    def _save(self, step: int, span: Span, state: TrainState, due: bool) -> None:
        # The step's own metrics were taken before its update.
        norm = np.asarray((_norms if self.group.axis else _norm)(state.params))
        self.health.check_all("norm of the parameters", norm, span.shape, step)
        self.recorder.check_claims()
        saved = Saved(
            feed=self.feed.get_state(),
            schedule=self.course.schedule,
            rate_factor=self.rate_factor,
            wall_s=self.clock.wall_s,
            timing=self.clock.timing,
            step=step,
            runs=[info.name for info in self.group.infos],
        )
        progress = self.health.saved(saved).to_json()
        self.checkpoints.save(step, state, progress, due, step in self.course.kept_steps)

    def _saves(self, step: int, span: Span) -> bool:
        every = self.experiment.config.checkpoint_steps
        return step % every == 0 or step == span.last or step in self.course.kept_steps

    def _programs(self, span: Span) -> dict[Work, Callable]:
        axis, skips = self.group.axis, self.health.skips
        return {work: self.programs.step(*work, axis, skips) for work in span.works()}

    def _compile(self, before: Span, after: Span) -> None:
        """In the background, while `before` trains: what the change to `after` will need."""
        self.programs.change(before.shape, after.shape, self.group.axis)
        self._programs(after)
        self.recorder.prepare(after.shape)

    def _rates(self, span: Span) -> SpanRates:
        config, course, group = self.experiment.config, self.course, self.group
        population = group.axis is not None
        return SpanRates(config, course.timeline, span, group.optims, population, course.budget_flops)

    def _feed(self, span: Span):
        """Of the span's batches: they go on where those before it, or of the run's trunk, ended."""
        timeline = self.course.timeline
        first = int(timeline.examples[max(span.first, timeline.begins)])
        return self.batches.feed(self.group.seed, span.batch_size, first)

    def _record(self, step: int, span: Span, state: TrainState) -> None:
        self.recorder.record(step, span.shape, state, self.course, self.clock.wall_s)

    def _inspect(self, span: Span, until: int) -> None:
        """Take the metrics of the steps up to `until`; waits for them."""
        for step, metrics in self.watcher.take(until):
            self.health.step(span.work(step - 1).shape, step, metrics)

    def _start_clock(self) -> None:
        self.clock.start()
        self.reporter.restart()
