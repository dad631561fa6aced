"""Whether a run has the records that it should have by now: those of the evaluations that were due."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from scalax import untrusted
from scalax.errors import UserError
from scalax.records import Found, RunRecord
from scalax.schedule import Schedule, Shape, Stage
from scalax.train.timeline import Timeline


class LostRecords(UserError):
    """Records that a run had written are gone or damaged."""


def check_records(path: Any, found: Found, timeline: Timeline, step: int) -> None:
    """Raises LostRecords where a record that was due is missing, or another is in its place.

    - path: names the file in errors.
    - found: what it holds.
    - timeline: of the run.
    - step: updates made so far; what comes after is not looked at.
    """
    due = timeline.due(step)
    kept = [record for record in found.records if record.step <= step]
    for (at, shape), record in zip(due, kept, strict=False):
        if _facts(record) != _due_facts(timeline, at, shape):
            raise LostRecords(f"{path}: has a record of step {record.step} where one of step {at} is due")
    if len(kept) > len(due):
        raise LostRecords(f"{path}: has {len(kept)} records up to step {step} where {len(due)} are due")
    if len(kept) < len(due):
        why = f" ({found.problem})" if found.problem else ""
        raise LostRecords(f"{path}: has {len(kept)} records up to step {step} where {len(due)} are due{why}")


def check_metrics(
    path: Any, records: Sequence[RunRecord], needed: Collection[str], periods: Mapping[str, int]
) -> None:
    """Raises LostRecords where a record of a finished run lacks a metric that was measured then.

    - path: names the file in errors.
    - records: of the whole run.
    - needed: metrics that every record has.
    - periods: of further metrics that records may have, at each so many evaluations and the last; one that no
      record has is none of this run's (an evaluation may say that it measures more than it does).
    """
    seen = {name for record in records for name in record.metrics}
    everywhere = {*needed, *(name for name, period in periods.items() if period == 1 and name in seen)}
    for record in records:
        last = record is records[-1]
        for name in sorted(everywhere | (seen & periods.keys() if last else set())):
            if record.metrics.get(name) is None:
                raise LostRecords(f"{path}: the record of step {record.step} has no {untrusted.shown(name)}")


def _facts(record: RunRecord) -> tuple:
    return record.step, Shape.of(record), record.examples, record.flops, record.flops_matmul


def _due_facts(timeline: Timeline, step: int, shape: Shape) -> tuple:
    spent = timeline.flops(step), timeline.flops(step, matmul=True)
    return step, shape, int(timeline.examples[step]), *map(float, spent)


def followed(first: Schedule, records: Sequence[RunRecord]) -> Schedule:
    """The schedule that a run came to follow which planned as it went, as far as records depend on it.

    - first: that it began with.
    - records: of the whole run.

    Each stage ended where the shape changed, by the FLOPs of the last record of its shape.
    """
    stages, (own,) = [], first.stages
    for i, record in enumerate(records):
        shape = Shape.of(record)
        if i == 0 or shape != stages[-1].shape:
            stages.append(Stage(shape, own.until_flops, batch_size=_batch_size(records[i:], shape)))
        if i + 1 < len(records) and Shape.of(records[i + 1]) != shape:
            stages[-1] = stages[-1]._replace(until_flops=record.flops)
    return Schedule((own._replace(until_flops=stages[0].until_flops), *stages[1:]))


def _batch_size(records: Sequence[RunRecord], shape: Shape) -> int | None:
    """Examples of a step, from two records of one stage; None where there is only one."""
    a, b = records[0], records[min(1, len(records) - 1)]
    if Shape.of(b) != shape or b.step == a.step:
        return None
    return (b.examples - a.examples) // (b.step - a.step)
