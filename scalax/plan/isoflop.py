"""Which shape is best at which compute: isoFLOP curves, and the frontier over shapes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scalax.plan.compare import Trajectory, best_static
from scalax.schedule import Shape


def values_at(trajectory: Trajectory, flops: np.ndarray) -> np.ndarray:
    """Best value so far at FLOPs [k] -> [k], by log-log interpolation; nan outside the measurements.

    At FLOPs measured twice, the change of shape of a run, the value before it counts unless the later one
    is lower.
    """
    measured_flops, values = trajectory
    measured, inverse = np.unique(np.asarray(measured_flops, float), return_inverse=True)
    best = np.full(len(measured), np.inf)
    np.minimum.at(best, inverse, np.asarray(values, float))
    best = np.minimum.accumulate(best)
    log_values = np.interp(np.log(flops), np.log(measured), np.log(best), left=np.nan, right=np.nan)
    return np.exp(log_values)


class IsoFlop(NamedTuple):
    """Shapes at one compute. values: [shapes], nan where not measured. optimal_size and optimal_value: of
    the parabola through log value against log size, nan with fewer than three shapes, where it has no
    minimum, or where that lies outside the sizes measured (`best` is then at an end)."""

    flops: float
    values: dict[Shape, float]
    best: Shape | None
    optimal_size: float
    optimal_value: float


def isoflop(
    trajectories: Mapping[Shape, Trajectory], sizes: Mapping[Shape, float], flops: Sequence[float]
) -> list[IsoFlop]:
    """An isoFLOP curve for each of `flops`.

    - trajectories: a run of each shape.
    - sizes: what the shapes are laid out by, positive, e.g. parameters or FLOPs for an example.
    - flops: budgets to compare the shapes at.
    """
    shapes = list(trajectories)
    table = np.array([values_at(trajectories[s], np.asarray(flops, float)) for s in shapes])  # [shapes, k]
    found = []
    for at, column in zip(flops, table.T, strict=True):
        known = np.isfinite(column)
        best = shapes[int(np.nanargmin(column))] if known.any() else None
        log_sizes = np.log([sizes[s] for s, k in zip(shapes, known, strict=True) if k])
        size, value = _lowest_of_parabola(log_sizes, np.log(column[known]))
        values = dict(zip(shapes, column.tolist(), strict=True))
        found.append(IsoFlop(float(at), values, best, size, value))
    return found


def _lowest_of_parabola(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    if len(np.unique(x)) < 3:
        return np.nan, np.nan
    curvature, slope, level = np.polyfit(x, y, 2)
    lowest = -slope / (2 * curvature) if curvature > 0 else np.nan
    if not x.min() <= lowest <= x.max():
        return np.nan, np.nan
    return float(np.exp(lowest)), float(np.exp(level - slope**2 / (4 * curvature)))


def frontier(trajectories: Sequence[Trajectory]) -> Trajectory:
    """The lower hull of all the runs: the least value that any has reached within so many FLOPs, at every
    measurement that lowers it. -> FLOPs [m] increasing, values [m] decreasing."""
    flops = np.concatenate([np.asarray(f, float) for f, _ in trajectories])
    values = np.concatenate([np.asarray(v, float) for _, v in trajectories])
    order = np.lexsort((values, flops))
    flops, values = flops[order], values[order]
    lower = values < np.concatenate([[np.inf], np.minimum.accumulate(values)[:-1]])
    return flops[lower], values[lower]


class FrontierPoint(NamedTuple):
    """FLOPs of the best static shape and of the best schedule to the same value, and their ratio."""

    value: float
    static: Shape | str
    static_flops: float
    scheduled: str
    scheduled_flops: float
    ratio: float


def frontier_ratio(
    static: Mapping[Shape | str, Trajectory], scheduled: Mapping[str, Trajectory], points: int = 20
) -> list[FrontierPoint]:
    """FLOPs that the best static shape needs, over those of the best of `scheduled`.

    - static: a run of each shape.
    - scheduled: runs by name.
    - points: values that it is given at, evenly spaced in log, from the first that every run was measured at
      to the lowest that both reach; empty where no such value exists.

    FLOPs are read off each run by itself, in log-log, so that no run gains from the measurements of another.
    """
    start = min(float(v[0]) for part in (static, scheduled) for _, v in part.values())
    end = max(min(float(np.min(v)) for _, v in part.values()) for part in (static, scheduled))
    found = []
    for value in np.maximum(np.geomspace(start, end, points), end) if end < start else ():
        shape, alone = best_static(static, value)
        name, ours = best_static(scheduled, value)
        if shape is not None and name is not None:
            found.append(FrontierPoint(float(value), shape, alone, name, ours, alone / ours))
    return found
