"""Follow, at each error, the law that descends most per FLOP."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.plan.effects import Effects, ErrorLaw, grows, no_effect, refines
from scalax.schedule import Schedule, Shape, Stage
from scalax.units import flops_text

LEVELS = 4000
POINTS = 200  # of the curve that a plan predicts, kept


class Transition(NamedTuple):
    """At `error`, after `flops` of the run, `after` starts to descend faster than `before`."""

    before: Shape
    after: Shape
    error: float
    flops: float

    def to_json(self) -> dict:
        return {**self._asdict(), "before": str(self.before), "after": str(self.after)}


class Plan(NamedTuple):
    """errors and flops: the curve that the laws predict, from the first level to where the budget ends."""

    schedule: Schedule
    transitions: tuple[Transition, ...]
    errors: np.ndarray
    flops: np.ndarray

    @property
    def message(self) -> str:
        if self.transitions:
            return "; ".join(
                f"{t.before} -> {t.after} at {t.error:.4g}, {flops_text(t.flops)}" for t in self.transitions
            )
        only = self.schedule.stages[0].shape
        return f"by these laws no change of shape pays: {only} descends fastest throughout"

    def curve(self) -> tuple[list[float], list[float]]:
        """FLOPs and errors of the predicted curve, thinned to be kept in a file."""
        thin = max(1, len(self.flops) // POINTS)
        return self.flops[::thin].tolist(), self.errors[::thin].tolist()


class _Node(NamedTuple):
    """A shape, and the one it was entered from (None: the run began with it)."""

    shape: Shape
    entered_from: Shape | None


def steepest_descent(
    laws: Mapping[Shape, ErrorLaw],
    budget_flops: float | None,
    first_flops: float,
    *,
    target: float | None = None,
    free: bool = False,
    effects: Effects = no_effect,
    levels: int = LEVELS,
) -> Plan:
    """The schedule whose laws, joined, descend furthest within the budget, or reach `target` soonest.

    Between two errors a shape costs the difference of its inverse law there, so following the law of
    steepest slope at each error costs least ('Navigating Scaling Laws', section 4); what a change costs
    besides is up to `effects`. The cheapest partition of the error axis is found by dynamic programming.
    Shapes follow in the order given, and to patches no larger and resolutions no smaller than before: what a
    model has learnt of small patches is lost on large ones, which laws of static runs do not know. With
    `free` they follow in any order, and may return. Width and depth never shrink.

    - laws: of each shape, in the order in which they may follow.
    - budget_flops: to plan for; None with a target.
    - first_flops: where the laws' data begin; before it, shapes do not change.
    - target: the error to reach with the fewest FLOPs.
    - free: shapes follow in any order.
    - effects: what changes of shape do.
    - levels: of the error axis.

    Raises UserError where no law descends, or none reaches the target.
    """
    if (budget_flops is None) == (target is None):
        raise ValueError(f"give a budget or a target, got {budget_flops} and {target}")
    shapes = list(laws)
    errors = _error_axis(laws, budget_flops, first_flops, target, levels)
    needed = {s: _flops_at(laws[s], errors) for s in shapes}
    nodes = [_Node(s, None) for s in shapes]
    nodes += [
        _Node(after, before)
        for i, before in enumerate(shapes)
        for j, after in enumerate(shapes)
        if (free or (j > i and refines(before, after))) and grows(before, after)
    ]
    totals, came_from = _descend(nodes, needed, first_flops, effects)
    best = totals.min(1)
    if budget_flops is not None:
        last = int(np.flatnonzero(best <= budget_flops)[-1])
    else:
        last = levels - 1
        if not math.isfinite(best[last]):
            raise UserError(f"no schedule of these shapes reaches {target:g}; choose a higher target")
        if best[last] <= first_flops:
            raise UserError(
                f"target {target:g} is reached at fewer FLOPs than the first that the laws were fitted to"
                f" ({flops_text(first_flops)}); choose a lower target"
            )
        budget_flops = rounded(best[last])
    path = [int(np.argmin(totals[last]))]
    for level in range(last - 1, -1, -1):
        path.append(int(came_from[level, path[-1]]))
    path = path[::-1]
    flops = totals[np.arange(last + 1), path]
    visited = [nodes[i].shape for i in path]
    transitions = _transitions(visited, errors, flops, budget_flops)
    order = [transitions[0].before if transitions else visited[-1], *(t.after for t in transitions)]
    ends = [*(rounded(t.flops) for t in transitions), budget_flops]
    stages = tuple(Stage(shape, end) for shape, end in zip(order, ends, strict=True))
    return Plan(Schedule(stages), transitions, errors[: last + 1], flops)


def no_law_falls(first_flops: float, budget_flops: float) -> UserError:
    """Of laws whose data begin at the one and that are planned by to the other."""
    first, last = flops_text(first_flops), flops_text(budget_flops)
    return UserError(f"no law falls between {first} and {last}; train the static runs longer")


def _error_axis(laws: Mapping[Shape, ErrorLaw], budget_flops, first_flops, target, levels) -> np.ndarray:
    """Errors [levels] from where the laws' data begin down to the target, or to what the budget may reach."""
    start = max(float(law.predict(np.array([first_flops]))[0]) for law in laws.values())
    # Nothing is free: where a law starts at 0 FLOPs below that, the errors that all laws pay for begin there.
    start = min([start, *(0.999 * float(law.predict(np.array([0.0]))[0]) for law in laws.values())])
    lowest = min(law.asymptote for law in laws.values())
    if target is not None:
        if not lowest < target < start:
            raise UserError(
                f"target {target:g} does not lie between the end of the laws ({lowest:.4g}) and their begin"
                f" ({start:.4g}); choose one that does"
            )
        floor = max(target / 2, lowest)
        return floor + np.geomspace(start - floor, target - floor, levels)
    end = min(float(law.predict(np.array([budget_flops]))[0]) for law in laws.values())
    floor = max(end / 2, lowest)
    if budget_flops <= first_flops or not floor < end < start:
        raise no_law_falls(first_flops, budget_flops)
    return floor + np.geomspace(start - floor, (end - floor) * 1e-2, levels)


def _flops_at(law: ErrorLaw, errors: np.ndarray) -> np.ndarray:
    """FLOPs at which the law reaches each error: inf below where it ends."""
    flops = np.asarray(law.inverse(errors), float)
    return np.where(np.isfinite(flops), np.maximum(flops, 0.0), np.inf)


def _descend(
    nodes: Sequence[_Node], needed: Mapping[Shape, np.ndarray], first_flops: float, effects: Effects
) -> tuple[np.ndarray, np.ndarray]:
    """Least FLOPs to be at each level in each node [levels, nodes], and the node one level up it came
    through [levels - 1, nodes]. A change to a node may be made at any level once `first_flops` are spent,
    where its effect allows it, and costs FLOPs there."""
    switched = [None if n.entered_from is None else effects(n.entered_from, n.shape) for n in nodes]
    paces = np.array([effect.pace if effect else 1.0 for effect in switched])
    earliest = np.array([max(first_flops, effect.earliest if effect else 0.0) for effect in switched])
    latest = np.array([effect.latest if effect else np.inf for effect in switched])
    factor = np.full((len(nodes), len(nodes)), np.inf)  # [to, from]
    for to, (node, effect) in enumerate(zip(nodes, switched, strict=True)):
        for at, other in enumerate(nodes):
            if effect and other.shape == node.entered_from:
                factor[to, at] = 1.0 + effect.recovery_share
    table = np.stack([needed[node.shape] for node in nodes], 1)  # [levels, nodes]
    with np.errstate(invalid="ignore"):  # inf - inf: out of reach at both levels
        step = np.nan_to_num(np.maximum(np.diff(table, axis=0), 0.0), nan=np.inf, posinf=np.inf) / paces
    spent = np.where([effect is None for effect in switched], table[0], np.inf)
    totals, came_from = [spent], []
    rows = np.arange(len(nodes))
    for level in range(len(step)):
        allowed = (spent >= earliest[:, None]) & (spent <= latest[:, None])
        reached = np.where(allowed, spent, np.inf) * factor
        source = np.argmin(reached, 1)
        least = reached[rows, source]
        came_from.append(np.where(spent <= least, rows, source))  # of equals, stay
        spent = np.minimum(spent, least) + step[level]
        totals.append(spent)
    return np.array(totals), np.array(came_from)


def _transitions(
    visited: list[Shape], errors: np.ndarray, flops: np.ndarray, budget_flops: float
) -> tuple[Transition, ...]:
    """Changes along the path, without stages that end, rounded, where they began."""
    kept: list[Transition] = []
    for level in range(1, len(visited)):
        before, after = visited[level - 1], visited[level]
        at = float(flops[level - 1])
        if after == before or rounded(at) >= budget_flops:
            continue
        if kept and rounded(kept[-1].flops) >= rounded(at):
            before = kept.pop().before
        if after != before:
            kept.append(Transition(before, after, float(errors[level - 1]), at))
    return tuple(kept)


def rounded(flops: float) -> float:
    """Four digits are more than the laws know, and the same on every machine that fits them."""
    return float(f"{flops:.4g}")
