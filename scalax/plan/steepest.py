"""Follow, at each error, the law that descends most per FLOP."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np

from scalax.errors import UserError
from scalax.schedule import Schedule, Shape, Stage

LEVELS = 4000


class Law(Protocol):
    """Error against training FLOPs of one shape: decreasing, with an inverse (nan where unreachable)."""

    @property
    def asymptote(self) -> float: ...
    def predict(self, x: np.ndarray) -> np.ndarray: ...
    def inverse(self, y: np.ndarray) -> np.ndarray: ...


class Transition(NamedTuple):
    """At `error`, after `flops` of the planned run, `after` starts to descend faster than `before`."""

    before: Shape
    after: Shape
    error: float
    flops: float


class Plan(NamedTuple):
    """errors and flops: the planned curve, from the first level down to where the budget ends."""

    schedule: Schedule
    transitions: tuple[Transition, ...]
    errors: np.ndarray
    flops: np.ndarray

    @property
    def message(self) -> str:
        if self.transitions:
            return "; ".join(
                f"{t.before} -> {t.after} at error {t.error:.4g}, {t.flops:.4g} FLOPs"
                for t in self.transitions
            )
        only = self.schedule.stages[0].shape
        return f"the laws never cross: {only} descends fastest throughout, so train it alone"


def steepest_descent(laws: Mapping[Shape, Law], budget_flops: float, first_flops: float) -> Plan:
    """The schedule whose laws, joined, descend furthest within the budget; shapes follow in the order given.

    Between two errors a shape costs the difference of its inverse law there, so following the law of
    steepest slope at each error costs least ('Navigating Scaling Laws', section 4). Where the order
    of shapes binds, the cheapest ordered partition of the error axis is found by dynamic programming;
    where it does not, that is the steepest slope itself. `first_flops`: where the laws' data begin.
    Raises UserError where no law descends.
    """
    shapes = list(laws)
    start = max(float(laws[s].predict(np.array([first_flops]))[0]) for s in shapes)
    # Nothing is free: where a law starts at 0 FLOPs below that, the errors that all laws pay for begin there.
    start = min([start, *(0.999 * float(laws[s].predict(np.array([0.0]))[0]) for s in shapes)])
    end = min(float(laws[s].predict(np.array([budget_flops]))[0]) for s in shapes)
    floor = max(end / 2, min(laws[s].asymptote for s in shapes))
    if not floor < end < start:
        raise UserError(
            f"no law descends between {first_flops:.3g} and {budget_flops:.3g} FLOPs; train longer"
        )
    errors = floor + np.geomspace(start - floor, (end - floor) * 1e-2, LEVELS)
    needed = np.stack([_flops_at(laws[s], errors) for s in shapes])  # [shapes, levels]
    with np.errstate(invalid="ignore"):  # inf - inf: out of reach at both levels
        step = np.nan_to_num(np.maximum(np.diff(needed, axis=1), 0.0), nan=np.inf, posinf=np.inf)
    spent = needed[:, 0]
    came_from = np.empty((LEVELS - 1, len(shapes)), int)
    totals = [spent]
    for level in range(LEVELS - 1):
        came_from[level] = _running_argmin(spent)
        spent = spent[came_from[level]] + step[:, level]
        totals.append(spent)
    last = int(np.flatnonzero(np.min(totals, axis=1) <= budget_flops)[-1])
    path = [int(np.argmin(totals[last]))]
    for level in range(last - 1, -1, -1):
        path.append(int(came_from[level, path[-1]]))
    path = path[::-1]
    flops = np.array([totals[level][path[level]] for level in range(last + 1)])
    changes = [level for level in range(1, last + 1) if path[level] != path[level - 1]]
    transitions = tuple(
        Transition(shapes[path[i - 1]], shapes[path[i]], float(errors[i - 1]), float(flops[i - 1]))
        for i in changes
    )
    # Four digits are more than the laws know, and the same on every machine that fits them.
    ends = [*(float(f"{t.flops:.4g}") for t in transitions), budget_flops]
    order = [shapes[path[0]], *(t.after for t in transitions)]
    stages = tuple(Stage(shape, end) for shape, end in zip(order, ends, strict=True))
    return Plan(Schedule(stages), transitions, errors[: last + 1], flops)


def _flops_at(law: Law, errors: np.ndarray) -> np.ndarray:
    """FLOPs at which the law reaches each error: inf below where it ends."""
    flops = np.asarray(law.inverse(errors), float)
    return np.where(np.isfinite(flops), np.maximum(flops, 0.0), np.inf)


def _running_argmin(values: np.ndarray) -> np.ndarray:
    """[n] -> for each i, the index of the least of values[: i + 1]; of equals, the latest."""
    best = np.minimum.accumulate(values)
    at = np.where(values <= best, np.arange(len(values)), 0)
    return np.maximum.accumulate(at)
