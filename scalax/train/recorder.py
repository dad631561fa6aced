"""Evaluations of the members of a group, written to their records."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

from scalax import records
from scalax.errors import UserError
from scalax.evals import Evaluator
from scalax.jobs import Claim
from scalax.records import METRICS_FILE, Found, RunRecord
from scalax.schedule import Shape
from scalax.train import distributed
from scalax.train.complete import check_records
from scalax.train.course import Course
from scalax.train.experiment import Experiment
from scalax.train.group import Group
from scalax.train.health import Health
from scalax.train.hooks import Hook
from scalax.train.predict import outputs_of
from scalax.train.state import TrainState
from scalax.train.timeline import Timeline


class Recorder:
    """Evaluates states and writes what comes of it, as long as the claims hold.

    - experiment: what is trained.
    - evaluator: measures the states.
    - group: that is trained.
    - claims: on its directories.
    - health: which members are alive.
    - hooks: get each record.
    """

    def __init__(
        self,
        experiment: Experiment,
        evaluator: Evaluator,
        group: Group,
        claims: Sequence[Claim],
        health: Health,
        hooks: Sequence[Hook],
    ):
        self._experiment, self._evaluator, self._group = experiment, evaluator, group
        self._claims, self._health, self._hooks = claims, health, hooks

    def prepare(self, shape: Shape) -> None:
        """Compile what an evaluation at this shape needs."""
        self._program(shape)

    def _program(self, shape: Shape):
        batch_size = self._experiment.config.eval.batch_size
        return self._experiment.programs.predict(shape, batch_size, self._evaluator.layers)

    @functools.cache  # noqa: B019 (it lives as long as the training of one group)
    def _initial(self, shape: Shape) -> Any:
        """The parameters that the group began with."""
        return self._experiment.first_state(shape, self._group.seed).params

    def record(self, step: int, shape: Shape, state: TrainState, course: Course, wall_s: float) -> None:
        """Evaluate every member that is alive after `step` updates, and add a record to each.

        - step: updates made so far.
        - shape: of the state.
        - state: after the step.
        - course: schedule and timeline.
        - wall_s: seconds that the group has spent in steps.
        """
        for i in self._health.alive:
            member = i if self._group.axis else None
            batch_size = self._experiment.config.eval.batch_size
            outputs = outputs_of(
                self._program(shape),
                self._experiment.mesh,
                batch_size,
                state,
                member,
                lambda: self._initial(course.timeline.spans[0].shape),
            )
            measured = self._evaluator.measure(outputs, *course.evaluation(step))
            for name, value in measured.items():
                self._health.check(i, name, value, shape, step)
            if i in self._health.failed:
                continue
            measured |= self._health.metrics(i)
            kept = self._experiment.config.eval.keep_scores
            scores = outputs.scores(self._experiment.splits.validation) if kept else {}
            record = RunRecord(
                run=self._group.names[i],
                step=step,
                examples=int(course.timeline.examples[step]),
                flops=float(course.timeline.flops(step)),
                flops_matmul=float(course.timeline.flops(step, matmul=True)),
                wall_s=round(wall_s / self._group.size, 3),
                patch=shape.patch,
                width=shape.width,
                depth=shape.depth,
                metrics=measured,
                family=shape.family,
                unit=self._experiment.task.unit,
                resolution=shape.resolution,
            )
            if distributed.is_primary():
                self.check_claims()
                with self._writing():
                    if scores:
                        records.write_scores(self._group.members[i].path, step, scores)
                    records.append(self._group.members[i].path / METRICS_FILE, record)
            for hook in self._hooks:  # they know a run by its directory, which may have been renamed
                hook.record(record._replace(run=self._group.members[i].path.name))

    def check_kept(self, timeline: Timeline, step: int, alive: Sequence[int]) -> None:
        """Raises LostRecords where records from before a checkpoint are not there, or not whole.

        - timeline: of the run.
        - step: updates made when the checkpoint was.
        - alive: members that had not failed by then.
        """
        for i in alive:
            path = self._group.members[i].path / METRICS_FILE
            try:
                found = records.scan(path, self._group.infos[i].name)
            except FileNotFoundError:
                found = Found([], f"{path}: there is no such file", False)
            except OSError as e:
                raise UserError(f"{path}: cannot read it ({e.strerror or e}); repair it") from None
            check_records(path, found, timeline, step)

    def keep_until(self, step: int) -> None:
        """Drop what was recorded after `step`: it will be written again."""
        if distributed.is_primary():
            with self._writing():
                for member, info in zip(self._group.members, self._group.infos, strict=True):
                    records.keep_until(member.path / METRICS_FILE, step, info.name)

    def check_claims(self) -> None:
        """Raises UserError where another process took over, or a directory is gone: then write nothing."""
        for claim in self._claims:
            claim.check()
        for member in self._group.members:
            if distributed.is_primary() and not records.is_run(member.path):
                raise UserError(f"{member.path} is gone, so the run stops; restore it and start again")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise UserError(
                f"cannot write records of {self._group.name} ({_reason(e)}); what was written is kept."
                " Free space or repair the directory, then start again"
            ) from None


def _reason(error: OSError) -> str:
    what = error.strerror or str(error)
    return f"{error.filename}: {what}" if error.filename else what
