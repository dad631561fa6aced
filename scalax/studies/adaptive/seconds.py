"""Training time as steps times the seconds that a step of their shape takes, measured once for all runs.

Two runs of the same steps then take the same time, whatever else the machine did beside one of them.
"""

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scalax.records import RunRecord
from scalax.schedule import Shape

SAME = 1e-6  # relative difference of FLOPs a step up to which two steps are of one program


class Pace(NamedTuple):
    """Of the static runs of a shape: FLOPs and seconds of a step."""

    step_flops: float
    step_s: float


def paces(static: Iterable[Sequence[Sequence[RunRecord]]]) -> dict[Shape, Pace]:
    """Of each shape, with the median of the seconds over its runs. static: the runs of each shape."""
    found = {}
    for runs in static:
        last = [run[-1] for run in runs]
        seconds = statistics.median(record.wall_s / record.step for record in last)
        found[Shape.of(last[0])] = Pace(last[0].flops / last[0].step, seconds)
    return found


def seconds_until(run: Sequence[RunRecord], flops: float, known: Mapping[Shape, Pace]) -> float:
    """Training time in seconds when a run had spent `flops`; nan for flops that are not finite.

    - run: the run's records.
    - flops: within a stage, time goes with FLOPs.
    - known: of the shapes. Steps of another cost (FlexiViT draws a patch size for each) count as they were
      measured in this run.
    """
    if not math.isfinite(flops):
        return math.nan
    seconds, before = 0.0, (0, 0.0, 0.0)
    for record in run:
        now = (record.step, record.flops, record.wall_s)
        steps, spent, measured = (b - a for a, b in zip(before, now, strict=True))
        if steps:
            pace = known.get(Shape.of(record))
            alike = pace is not None and math.isclose(spent / steps, pace.step_flops, rel_tol=SAME)
            took = steps * pace.step_s if pace is not None and alike else measured
            if flops <= record.flops:
                return seconds + took * max(0.0, flops - before[1]) / spent
            seconds += took
        before = now
    return seconds


def first_change(run: Sequence[RunRecord]) -> float:
    """FLOPs at the first change of shape of a run; infinite where there is none."""
    changes = (b.flops for a, b in itertools.pairwise(run) if Shape.of(a) != Shape.of(b))
    return next(changes, math.inf)
