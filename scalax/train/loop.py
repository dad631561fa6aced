"""Runs of one schedule through its stages: steps, evaluations, records, checkpoints, resumption.

A group of runs (seeds, learning rates, weight decays) trains as one program; a single run is a group of one.
"""

import contextlib
import dataclasses
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np
import optax

from scalax import data, records
from scalax.config import OptimConfig
from scalax.errors import UserError
from scalax.jobs import Claim, Lost, claim
from scalax.records import RunRecord
from scalax.schedule import Schedule, Stage
from scalax.train import distributed, preempt, rundir
from scalax.train.checkpoint import Checkpoints
from scalax.train.group import Group, ended_in_group
from scalax.train.health import FACTOR, LOWERED, Diverged, Health
from scalax.train.hooks import Hook, Progress
from scalax.train.optimizer import learning_rate, settling_rate
from scalax.train.rundir import Member
from scalax.train.setup import Setup
from scalax.train.state import TrainState
from scalax.train.timeline import Span, Timeline, Work, plan
from scalax.train.watch import Watcher

AHEAD = 16  # steps whose metrics may be on their way from the device
PROGRESS_S = 0.5
TIMING = {"compile_s": 0.0, "switch_stall_s": 0.0, "idle_s": 0.0}  # beside wall_s, the time spent in steps


Replan = Callable[[list[RunRecord], Schedule], Schedule]


class RunResult(NamedTuple):
    records: list[RunRecord]
    info: dict  # what run.json holds


def run(
    setup: Setup,
    schedule: Schedule,
    members: Sequence[Member],
    evaluate: Callable[[Callable], dict[str, float]],
    hooks: Sequence[Hook] = (),
    held: Claim | None = None,
    replan: Replan | None = None,
) -> list[RunResult]:
    """Train each member by `schedule` in its directory, from the last checkpoint if there is one.

    Finished runs are only read. evaluate: from a predictor (Setup.predictor) to metrics. held: a claim that
    the caller already has on the group's directory. replan: asked after each evaluation of a single run, from
    its records and schedule to the schedule to go on with, which may differ from there on. Raises UserError
    where a directory belongs to another config, the budget buys no step, or a member's loss is no longer
    finite (the others end first; its records and last good checkpoint stay), and preempt.Preempted, with all
    saved, where the process is asked to end.
    """
    if replan and len(members) > 1:
        raise ValueError("runs that plan as they go train alone")
    timeline = check(setup, schedule)
    optims = rundir.optimizers(setup.config, members)
    infos = [rundir.describe(setup, schedule, member, timeline, bool(replan)) for member in members]
    todo = [
        i
        for i, (member, info) in enumerate(zip(members, infos, strict=True))
        if not rundir.open_directory(member.path, info) and not ended_in_group(member.path, info)
    ]
    if todo:
        group = Group(
            tuple(members[i] for i in todo), tuple(optims[i] for i in todo), tuple(infos[i] for i in todo)
        )
        with contextlib.ExitStack() as stack, preempt.saved_before():
            places = {str(member.path): member.path for member in group.members}
            if held:
                places.pop(str(group.directory), None)
            claims = [held] if held else []
            if distributed.is_primary():
                claims += [stack.enter_context(claim(path)) for path in places.values()]
            _Run(setup, schedule, timeline, group, claims, evaluate, hooks, replan).go()
    return [
        RunResult(
            records.read(member.path / "metrics.jsonl"), json.loads((member.path / "run.json").read_text())
        )
        for member in members
    ]


def check(setup: Setup, schedule: Schedule) -> Timeline:
    """The run's steps; raises UserError, before anything compiles, for what could not be trained."""
    for before, after in itertools.pairwise(stage.shape for stage in schedule.stages):
        setup.check_change(before, after)
    for stage in schedule.stages:
        data.check_batch(setup.splits.train, stage.batch_size or setup.config.batch_size)
    return plan(schedule, lambda work: setup.cost(*work).step, setup.config.batch_size, setup.config.eval)


class _Run:
    """The moving parts of a group: its state and place in the data, metrics under way, time spent."""

    def __init__(self, setup, schedule, timeline, group, claims, evaluate, hooks, replan):
        self.setup: Setup = setup
        self.first_schedule: Schedule = schedule
        self.schedule: Schedule = schedule
        self.replan: Replan | None = replan
        self.timeline: Timeline = timeline
        self.group: Group = group
        self.claims, self.evaluate, self.hooks = claims, evaluate, hooks
        self.members = group.size if group.size > 1 else None
        self.health = Health(group, setup.config.optim.on_nonfinite)
        self.budget_flops = schedule.budget_flops
        self.skips = self.health.policy == "skip"
        self.rate_factor = 1.0

    def go(self) -> None:
        self.group.begin()
        self.checkpoints = Checkpoints(self.group.directory / "ckpt")
        self.watcher = Watcher()
        for hook in self.hooks:
            for member, info in zip(self.group.members, self.group.infos, strict=True):
                hook.start(member.path.name, member.path, info)
        try:
            with ThreadPoolExecutor(1) as self.compiler:
                self._train_until_healthy()
        except Lost:
            raise
        except UserError as e:
            self.group.fail(self.health.failed, str(e))
            raise
        finally:
            self.watcher.close()
            self.checkpoints.close()
            for hook, member in self._hooked():
                hook.end(member.path.name)
        self.group.finish(self.health.failed, self.timing)
        if self.health.failed:
            self.group.fail(self.health.failed)
            raise Diverged(self.health.message())

    def _hooked(self) -> Iterator[tuple[Hook, Member]]:
        return itertools.product(self.hooks, self.group.members)

    def _train_until_healthy(self) -> None:
        lowered = 0
        while True:
            try:
                return self._train()
            except Diverged as e:
                if self.health.policy != "lower_rate" or lowered == LOWERED:
                    raise
                lowered += 1
                self.rate_factor *= FACTOR
                print(f"{e}; going back, at {self.rate_factor:g} times the rate", file=sys.stderr, flush=True)

    def _train(self) -> None:
        step, state = self._restore()
        while step < self.timeline.steps:
            span, after = self.timeline.around(step)
            optims = [_of_stage(optim, span.stage) for optim in self.group.optims]
            rates = self._rates(span)
            programs = self._timed("compile_s", lambda span=span: self._programs(span))
            later = self.timeline.spans[self.timeline.spans.index(span) :]
            for one, other in itertools.pairwise(later):
                self.compiler.submit(self._compile, one, other)
            self._start_clock()
            while step < span.last:
                for hook, member in self._hooked():
                    hook.step(member.path.name, step)
                arguments = (
                    self.setup.dataset(),
                    self.setup.batch(self.feed),
                    self._knobs(step, span, optims, rates),
                )
                handed_s = time.perf_counter()
                state, metrics = programs[span.work(step)](state, *arguments)
                step += 1
                self.watcher.put(step, metrics, handed_s)
                self._inspect(span, step - AHEAD)
                self._progress(step, span)
                evaluates, asked = step in self.timeline.evals, preempt.asked()
                saves = step % self.setup.config.checkpoint_steps == 0 or step == span.last or asked
                if not (evaluates or saves):
                    continue
                self._stop_clock(span, step)
                if evaluates:
                    self._record(step, span, state)
                    span, after = self._replanned(step, span, after)
                if step == span.last and after:
                    state = self._timed(
                        "switch_stall_s", lambda s=state, b=span, a=after: self._change(s, b, a)
                    )
                    if after.shape != span.shape:
                        self._record(step, after, state)  # what the change itself does
                if saves or step == span.last:
                    self._save(step, after if step == span.last and after else span, state)
                if asked:
                    self.checkpoints.wait()
                    raise preempt.Preempted
                self._start_clock()

    def _replanned(self, step: int, span: Span, after: Span | None) -> tuple[Span, Span | None]:
        """The span that `step` ends or is in, and the one after it, once `replan` has seen the records."""
        if self.replan is None or step == self.timeline.steps:
            return span, after
        path = self.group.members[0].path / "metrics.jsonl"
        distributed.barrier("records")  # one process writes them, all plan by them
        schedule = self.replan(records.read(path), self.schedule)
        if schedule == self.schedule:
            return span, after
        self.schedule, self.timeline = schedule, check(self.setup, schedule)
        return self.timeline.around(step - 1)

    def _restore(self) -> tuple[int, TrainState]:
        self.checkpoints.wait()
        found = self.checkpoints.restore(self._abstract_state)
        if found:
            step, state, place = found
            self.feed = self._feed(self.timeline.around(step)[0])
            self.feed.set_state(place["feed"])
        else:
            step, place = 0, {}
            self.schedule, self.timeline = self.first_schedule, check(self.setup, self.first_schedule)
            self.feed = self._feed(self.timeline.spans[0])
            state = self.setup.new_state(self.timeline.spans[0].shape, self._seed())
        self.health.restore(place)
        self.wall_s, self.timing = place.get("wall_s", 0.0), place.get("timing", dict(TIMING))
        self.rate_factor = min(self.rate_factor, place.get("rate_factor", 1.0))
        self.watcher.begin(step)
        if distributed.is_primary():
            with self._writing():
                for member in self.group.members:
                    records.keep_until(member.path / "metrics.jsonl", step)
        return step, state

    def _abstract_state(self, step: int, place: dict) -> TrainState:
        """Of the checkpoint of `step`; a schedule made on the way is part of its place."""
        if self.replan is not None:
            self.schedule = Schedule.from_json(place["schedule"])
            self.timeline = check(self.setup, self.schedule)
        return self.setup.abstract_state(self.timeline.around(step)[0].shape, self.members)

    def _seed(self) -> int | list[int]:
        seeds = [member.seed for member in self.group.members]
        return seeds if self.members else seeds[0]

    def _feed(self, span: Span):
        """Of the span's batches: they go on where those before it ended."""
        return self.setup.feed(self._seed(), span.batch_size, int(self.timeline.images[span.first]))

    def _save(self, step: int, span: Span, state: TrainState) -> None:
        # The step's own metrics were taken before its update.
        norms = jax.vmap(optax.global_norm)(state.params) if self.members else optax.global_norm(state.params)
        newest = self.checkpoints.newest_step
        self.health.check_all("norm of the parameters", np.asarray(norms), span.shape, step, newest)
        self._check_claims()
        place = {
            "feed": self.feed.get_state(),
            "wall_s": self.wall_s,
            "timing": self.timing,
            "rate_factor": self.rate_factor,
            "schedule": self.schedule.to_json(),
            **self.health.place(),
        }
        self.checkpoints.save(step, state, place)

    def _programs(self, span: Span) -> dict[Work, Callable]:
        return {
            work: self.setup.step(work.shape, work.batch_size, self.members, self.skips)
            for work in span.works()
        }

    def _compile(self, before: Span, after: Span) -> None:
        """In the background, while `before` trains: what the change to `after` will need."""
        self.setup.change(before.shape, after.shape, self.members)
        self._programs(after)
        self.setup.prepare_predict(after.shape)

    def _change(self, state: TrainState, before: Span, after: Span) -> TrainState:
        state = self.setup.change(before.shape, after.shape, self.members)(state)
        self._programs(after)
        self.feed = self._feed(after)
        return jax.block_until_ready(state)

    def _knobs(self, step: int, span: Span, optims: Sequence[OptimConfig], rates: Sequence[Callable]):
        flops = float(self.timeline.flops(step))
        since = step - span.first if span.first else None
        if rates:
            optims = [dataclasses.replace(o, lr=rate(flops)) for o, rate in zip(optims, rates, strict=True)]
        progress = flops / self.budget_flops
        values = [self.rate_factor * learning_rate(optim, step, progress, since) for optim in optims]
        knobs = [values, [o.weight_decay for o in optims], [o.weight_decay_head for o in optims]]
        return self.setup.knobs(*(knobs if self.members else (column[0] for column in knobs)))

    def _rates(self, span: Span) -> list[Callable[[float], float]]:
        """For each member, from FLOPs to its learning rate on the way to that of `span` from the stages
        before; none where it has that at once."""
        settle = self.setup.config.morph.settle
        spans = self.timeline.spans[: self.timeline.spans.index(span) + 1]
        own = [[_of_stage(optim, each.stage).lr for each in spans] for optim in self.group.optims]
        if settle == 1 or all(len(set(rates)) == 1 for rates in own):
            return []
        starts = [float(self.timeline.flops(each.first)) for each in spans]
        return [lambda flops, rates=rates: settling_rate(rates, starts, flops, settle) for rates in own]

    def _timed(self, name: str, work: Callable):
        started = time.perf_counter()
        result = work()
        self.timing[name] = round(self.timing[name] + time.perf_counter() - started, 4)
        return result

    def _start_clock(self) -> None:
        self.watcher.restart()
        self.started = self.reported = time.perf_counter()
        self.images_since = 0

    def _stop_clock(self, span: Span, step: int) -> None:
        """Wait for the steps under way and add their time to the run's."""
        self._inspect(span, step)
        self.wall_s += time.perf_counter() - self.started
        self.timing["idle_s"] = round(self.timing["idle_s"] + self.watcher.idle_s, 4)

    def _inspect(self, span: Span, until: int) -> None:
        for step, metrics in self.watcher.take(until):
            self.health.step(span.work(step - 1).shape, step, metrics, self.checkpoints.newest_step)

    def _progress(self, step: int, span: Span) -> None:
        self.images_since += span.batch_size
        now = time.perf_counter()
        if now - self.reported < PROGRESS_S:
            return
        speed = self.images_since / (now - self.reported)
        spent = float(self.timeline.flops(step))
        pace = speed / span.batch_size * self.timeline.costs[span.work(step - 1)].flops
        for i, member in enumerate(self.group.members):
            progress = Progress(member.path.name, step, span.shape, spent, self.budget_flops, speed, pace)
            for hook in self.hooks:
                hook.progress(progress)
            for held in self.claims if i == 0 else ():
                held.note({**progress._asdict(), "shape": str(span.shape)})
        self.reported, self.images_since = now, 0

    def _record(self, step: int, span: Span, state: TrainState) -> None:
        for i in self.health.alive:
            member = i if self.members else None
            measured = self.evaluate(self.setup.predictor(span.shape, state, member))
            measured = {name: float(value) for name, value in measured.items()}
            for name, value in measured.items():
                self.health.check(i, name, value, span.shape, step, self.checkpoints.newest_step)
            if i in self.health.failed:
                continue
            if self.health.policy == "skip":
                measured["skipped_steps"] = int(self.health.skipped[i])
            record = RunRecord(
                run=self.group.members[i].path.name,
                step=step,
                images=int(self.timeline.images[step]),
                flops=float(self.timeline.flops(step)),
                flops_matmul=float(self.timeline.flops(step, matmul=True)),
                wall_s=round(self.wall_s / self.group.size, 3),
                patch=span.shape.patch,
                width=span.shape.width,
                depth=span.shape.depth,
                metrics=measured,
                family=span.shape.family,
            )
            if distributed.is_primary():
                self._check_claims()
                with self._writing():
                    records.append(self.group.members[i].path / "metrics.jsonl", record)
            for hook in self.hooks:
                hook.record(record)

    def _check_claims(self) -> None:
        for held in self.claims:
            held.check()
        for member in self.group.members:
            if distributed.is_primary() and not (member.path / "run.json").exists():
                raise UserError(f"{member.path} has gone away; the run stops, since it cannot be written")

    @contextlib.contextmanager
    def _writing(self):
        try:
            yield
        except OSError as e:
            raise UserError(
                f"cannot write records of {self.group.name} ({e.strerror or e}); free space or mend the"
                " directory, and start again: what was written is kept"
            ) from None


def _of_stage(optim: OptimConfig, stage: Stage) -> OptimConfig:
    own = {name: getattr(stage, name) for name in ("lr", "weight_decay") if getattr(stage, name) is not None}
    return dataclasses.replace(optim, **own)
