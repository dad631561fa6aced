"""FLOPs to reach a target, for measured runs."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from scalax import records
from scalax.errors import UserError
from scalax.records import RunRecord

# A run: training FLOPs [n] increasing, and values [n] positive, of which lower is better.
Trajectory = tuple[np.ndarray, np.ndarray]
Key = TypeVar("Key")


def trajectory_of(run: Sequence[RunRecord], metric: str, least: float) -> Trajectory:
    """A run's FLOPs and metric where it was measured, of at least `least`: laws live in logarithms.

    - run: the run's records.
    - metric: lower is better.
    - least: what the metric is taken to be at least.

    Raises UserError where it was not measured at all.
    """
    measured = records.measured(run, metric)
    if not measured:
        known = ", ".join(run[-1].metrics)
        raise UserError(f"metric {metric!r} is not measured in run {run[-1].run}; choose one of {known}")
    values = np.array([record.metrics[metric] for record in measured])
    return np.array([record.flops for record in measured]), np.maximum(values, least)


def flops_to_reach(flops: np.ndarray, values: np.ndarray, target: float) -> float:
    """FLOPs at which the best value so far first is at or below `target`; nan where it never is.

    Log-log interpolation between the two measurements around it.

    - flops: [n] increasing (equal at a change of shape).
    - values: [n] positive.
    - target: a value.
    """
    flops, best = np.asarray(flops, float), np.minimum.accumulate(np.asarray(values, float))
    reached = np.flatnonzero(best <= target)
    if not len(reached):
        return float("nan")
    i = int(reached[0])
    if i == 0 or best[i] >= best[i - 1]:
        return float(flops[i])
    share = np.log(best[i - 1] / target) / np.log(best[i - 1] / best[i])
    return float(np.exp(np.log(flops[i - 1]) + share * np.log(flops[i] / flops[i - 1])))


def best_static(trajectories: Mapping[Key, Trajectory], target: float) -> tuple[Key | None, float]:
    """(key, FLOPs) of the trajectory that reaches `target` first; (None, nan) where none does."""
    needed = {key: flops_to_reach(flops, values, target) for key, (flops, values) in trajectories.items()}
    finite = {key: value for key, value in needed.items() if np.isfinite(value)}
    if not finite:
        return None, float("nan")
    key = min(finite, key=finite.__getitem__)
    return key, finite[key]


def target_values(seeds: Sequence[Mapping[Any, Trajectory]], count: int, first_share: float) -> np.ndarray:
    """`count` values, evenly spaced in log.

    They begin at what the best shape has reached at `first_share` of its FLOPs, and end at the lowest value
    that the best shape of every seed reaches. Where all seeds reach that value by then, it is the only one.

    - seeds: for each, the trajectory of every shape.
    - count: of targets.
    - first_share: of each run's FLOPs, where the targets begin.
    """

    def early(flops: np.ndarray, values: np.ndarray) -> float:
        return float(np.min(values[flops <= max(first_share * flops[-1], flops[0])]))

    start = min(early(*run) for runs in seeds for run in runs.values())
    return targets_from(start, seeds, count)


def targets_from(start: float, seeds: Sequence[Mapping[Any, Trajectory]], count: int) -> np.ndarray:
    """The same, from `start` on.

    - start: the value that the targets begin below.
    - seeds, count: as of `target_values`.
    """
    end = max(min(float(np.min(values)) for _, values in runs.values()) for runs in seeds)
    if start <= end:
        return np.array([end])
    return np.maximum(np.geomspace(start, end, count + 1)[1:], end)


def mean_so_far(trajectory: Trajectory, first_flops: float, last_flops: float) -> float:
    """Geometric mean of the least value so far, over FLOPs spaced evenly in log.

    - trajectory: of a run.
    - first_flops, last_flops: between which.
    """
    flops, values = trajectory
    at = np.geomspace(max(first_flops, flops[0]), last_flops, 200)
    return float(np.exp(np.interp(np.log(at), np.log(flops), np.log(np.minimum.accumulate(values))).mean()))
