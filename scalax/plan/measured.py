"""What runs that changed their shape saved in fact, to be held against what a plan promises."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scalax.plan.compare import Trajectory, flops_to_reach, trajectory_of
from scalax.records import RunRecord
from scalax.schedule import Shape


class MeasuredRun(NamedTuple):
    """A run that made the plan's changes of shape.

    - run: its name.
    - value: the least value that both it and the best static shape reached.
    - savings: FLOPs of the best static shape to that value, over those of the run.
    - end, static_end: the least value of the run, and of the best static shape.
    """

    run: str
    value: float
    savings: float
    end: float
    static_end: float

    @property
    def lost(self) -> bool:
        return self.savings < 1


def measured_runs(
    changing: Sequence[Sequence[RunRecord]],
    static: Mapping[Shape, Sequence[Trajectory]],
    pairs: Sequence[tuple[Shape, Shape]],
    metric: str,
    least: float = 1e-12,
) -> list[MeasuredRun]:
    """Of each run that went through the shapes of `pairs`, against the best static shape.

    - changing: records of each run that changed its shape.
    - static: the runs of each static shape.
    - pairs: the shapes before and after each change of a plan, in order.
    - metric: lower is better.
    - least: what the metric is taken to be at least.
    """
    ends = {shape: float(np.median([np.min(v) for _, v in runs])) for shape, runs in static.items()}
    static_end = min(ends.values())
    found = []
    for run in changing:
        shapes = [shape for shape, _ in itertools.groupby(run, Shape.of)]
        if list(itertools.pairwise(shapes)) != list(pairs):
            continue
        flops, values = trajectory_of(run, metric, least)
        value = max(float(values.min()), static_end)
        alone = min(_mean_flops(runs, value) for runs in static.values())
        ours = flops_to_reach(flops, values, value)
        found.append(MeasuredRun(run[0].run, value, alone / ours, float(values.min()), static_end))
    return found


def _mean_flops(runs: Sequence[Trajectory], value: float) -> float:
    """Geometric mean of the FLOPs to a value, over the runs that reach it; infinite where under half do."""
    flops = np.array([flops_to_reach(*run, value) for run in runs])
    reached = flops[np.isfinite(flops)]
    return float(np.exp(np.log(reached).mean())) if 2 * len(reached) >= len(flops) else np.inf
