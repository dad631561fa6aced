"""Whether a run has the records that it should have by now: those of the evaluations that were due."""

from collections.abc import Sequence
from typing import Any

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
