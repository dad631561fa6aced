"""Plans by examples: a run that changes its shape keeps what it has learnt of all its examples.

The paper has a run go on at the error it had, by the law of its new shape (`steepest_descent`). Runs that
see images more finely after a change do better. With n examples before it and m since, their error is near
that of a run which had the new shape from its first example on:

    E = E_new(n + m) max(1, n / m)^lag

E_new is the new shape's law, of error against examples (`continued`). So a run has caught up after as many
examples as it had seen before. Of several changes, each has its factor. Lags are measured on runs that
changed their shape.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize

from scalax.plan.compare import flops_to_reach
from scalax.plan.continued import Curve, continued, read_off
from scalax.plan.effects import ErrorLaw, grows, refines
from scalax.plan.steepest import Plan, Transition, no_law_falls, rounded
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape, Stage

LAG = 0.037  # for each factor e of tokens along a side: patches of 16, 8 and 4 pixels, CIFAR-10, V16-3
POINTS = 300  # FLOPs at which a schedule is predicted, evenly spaced in log
BEYOND = 1000  # budgets that a run is followed for
ERRORS = 60  # that a plan is to reach with few FLOPs, evenly spaced in log
COARSE = 5  # changes are moved over one of so many of the FLOPs, and on the best way over all of them
ALL_OF = 3  # stages that all ways are tried of; longer ones add a shape at a time to the best
SWEEPS = 6  # over all changes, at most

Lags = Callable[[Shape, Shape], float]  # (before, after) -> lag


class Carried(NamedTuple):
    """What plans by examples are made from, besides laws.

    - example_flops: training FLOPs of each shape for an example.
    - lags: of changes of shape.
    - last_examples: up to which the law of each shape is believed: those of its static runs.
    - measured: changes whose lags are those of runs.
    """

    example_flops: Mapping[Shape, float]
    lags: Lags
    last_examples: Mapping[Shape, float]
    measured: frozenset[tuple[Shape, Shape]] = frozenset()

    def curves(self, laws: Mapping[Shape, ErrorLaw]) -> dict[Shape, Curve]:
        """Error of each shape against examples; laws: against training FLOPs."""
        return continued(laws, self.example_flops, self.last_examples)


def usual_lags(image_size: int) -> Lags:
    """Lags of changes of patch size and resolution that were never measured: LAG times the log of how many
    times as many tokens there are along a side.

    - image_size: in pixels: the resolution of a shape that says none; 0 where none says one.
    """

    def side(shape: Shape) -> float:
        return (shape.pixels(image_size) or 1) / shape.patch

    return lambda before, after: LAG * max(0.0, math.log(side(after) / side(before)))


def measured_lags(measured: Mapping[tuple[Shape, Shape], float], usual: Lags) -> Lags:
    """Lags that were measured, and of other changes the usual ones times what those come to of theirs.

    - measured: of pairs of shapes.
    - usual: of any pair.
    """
    expected = math.fsum(usual(*pair) for pair in measured)
    ratio = math.fsum(measured.values()) / expected if expected else 1.0
    return lambda *pair: measured[pair] if pair in measured else ratio * usual(*pair)


def follow_examples(
    laws: Mapping[Shape, ErrorLaw], carried: Carried, schedule: Schedule, flops: np.ndarray
) -> np.ndarray:
    """Least error so far of a run by a schedule, whose last stage goes on beyond its end: [n].

    - laws: of each shape, of error against training FLOPs.
    - carried: what an example costs, and lags.
    - schedule: of the run.
    - flops: [n] increasing, where the error is wanted.
    """
    path = [stage.shape for stage in schedule.stages]
    changes = np.array([[stage.until_flops for stage in schedule.stages[:-1]]])
    flops = np.asarray(flops, float)
    first = min(flops[0], *changes[0]) if changes.size else flops[0]
    at = np.union1d(np.geomspace(first / 10, flops[-1], POINTS), flops)
    return _predicted(carried.curves(laws), carried, path, changes, at)[0][np.searchsorted(at, flops)]


def flops_by_examples(
    laws: Mapping[Shape, ErrorLaw], carried: Carried, schedule: Schedule, target: float, first_flops: float
) -> float:
    """FLOPs at which a run by a schedule, whose last stage goes on, first has an error; inf if it never has.

    - laws, carried, schedule: as in `follow_examples`.
    - target: the error.
    - first_flops: that the laws hold from.
    """
    flops = np.geomspace(first_flops, BEYOND * schedule.budget_flops, 10 * POINTS)
    needed = flops_to_reach(flops, follow_examples(laws, carried, schedule, flops), target)
    return needed if math.isfinite(needed) else math.inf


def fewest_flops(
    laws: Mapping[Shape, ErrorLaw],
    carried: Carried,
    budget_flops: float,
    first_flops: float,
    points: int = POINTS,
) -> Plan:
    """The schedule that needs the fewest FLOPs: the geometric mean over errors, evenly spaced in log, from
    what the best shape alone has at twice `first_flops` to what it has with the whole budget.

    - laws: of each shape, of error against training FLOPs, in the order in which they may follow.
    - carried: what an example costs, and lags.
    - budget_flops: to plan for.
    - first_flops: where the laws' data begin; before it, shapes do not change.
    - points: FLOPs at which schedules are predicted, evenly spaced in log.

    Patches do not grow, and resolutions, widths and depths do not shrink.

    Raises UserError where no law falls.
    """
    flops = np.geomspace(first_flops, budget_flops, points)
    errors = compared_errors(laws, carried, budget_flops, first_flops)
    most = budget_flops / min(carried.example_flops[shape] for shape in laws)
    read = read_off(carried.curves(laws), most)

    def needed(path: Sequence[Shape], changes: np.ndarray) -> np.ndarray:
        """Mean log FLOPs to the errors, of each row of changes [k, stages - 1]: [k]."""
        curves = _predicted(read, carried, path, changes, flops)
        values = _mean_log_flops(np.log(flops), np.log(curves), np.log(errors))
        return np.where(np.isfinite(values), values, np.inf)

    def placed(path: list[Shape]) -> tuple[float, list[Shape], np.ndarray]:
        changes = np.geomspace(first_flops, budget_flops, len(path) + 1)[1:-1]
        value = float(needed(path, changes[None])[0])
        changes, value = _moved(path, changes, value, flops[::COARSE], needed)
        return value, path, changes

    shapes = list(laws)
    tried = [placed(path) for path in _paths(shapes, ALL_OF)]
    best = min(tried, key=lambda found: found[0])
    while longer := [placed(path) for path in _longer(best[1], shapes)]:
        longest = min(longer, key=lambda found: found[0])
        if not longest[0] < best[0]:
            break
        best = longest
    value, path, changes = best
    changes, _ = _moved(path, changes, value, flops, needed)
    ends = [*map(rounded, changes), budget_flops]
    schedule = Schedule(tuple(Stage(shape, end) for shape, end in zip(path, ends, strict=True)))
    curve = follow_examples(laws, carried, schedule, flops)
    at = follow_examples(laws, carried, schedule, np.array(ends[:-1])) if ends[1:] else ()
    transitions = tuple(
        Transition(before, after, float(error), end)
        for (before, after), error, end in zip(itertools.pairwise(path), at, ends, strict=False)
    )
    return Plan(schedule, transitions, curve, flops)


def compared_errors(
    laws: Mapping[Shape, ErrorLaw], carried: Carried, budget_flops: float, first_flops: float
) -> np.ndarray:
    """The errors that a plan is to reach with few FLOPs, falling. Raises UserError where no law falls.

    - laws, carried, budget_flops, first_flops: as in `fewest_flops`.
    """
    start, end = _best_static(laws, carried, np.array([2 * first_flops, budget_flops]))
    if budget_flops <= 2 * first_flops or not end < start:
        raise no_law_falls(first_flops, budget_flops)
    return np.geomspace(start, end, ERRORS)


def mean_savings(
    laws: Mapping[Shape, ErrorLaw], carried: Carried, schedule: Schedule, first_flops: float
) -> float:
    """FLOPs of the best static shape to each of `compared_errors`, over those of a schedule: geometric mean.
    An error that the schedule never has counts as its budget, and more the further it is.

    - laws, carried, first_flops: as in `fewest_flops`.
    - schedule: to judge, with the budget that errors are chosen by.
    """
    flops = np.geomspace(first_flops, schedule.budget_flops, POINTS)
    errors = np.log(compared_errors(laws, carried, schedule.budget_flops, first_flops))
    static = _best_static(laws, carried, flops)
    curves = [np.minimum.accumulate(static), follow_examples(laws, carried, schedule, flops)]
    alone, ours = _mean_log_flops(np.log(flops), np.log(curves), errors)
    return math.exp(alone - ours)


def measure_lags(
    run: Sequence[RunRecord],
    metric: str,
    laws: Mapping[Shape, ErrorLaw],
    carried: Carried,
    least: float = 1e-9,
) -> dict[tuple[Shape, Shape], float]:
    """The lag of each change of shape of a run, none below zero: least squares of its log errors after the
    first change, over those that the laws say, against log(n / m) of each change.

    - run: its records.
    - metric: lower is better.
    - laws: of each shape, of the metric against training FLOPs.
    - carried: what an example costs, and how far laws are believed; its lags are not read.
    - least: what the metric is taken to be at least.

    Changes to a shape without a law, and all after them, have none, nor has one without an evaluation before
    as many examples have gone by as were seen before it.
    """
    measured = [record for record in run if metric in record.metrics]
    stages = [list(stage) for _, stage in itertools.groupby(measured, Shape.of)]
    curves = carried.curves(laws)
    changes: dict[tuple[Shape, Shape], int] = {}
    behind, above = [], []
    for old, new in itertools.pairwise(stages):
        shape = Shape.of(new[0])
        if shape not in laws:
            break
        changes[Shape.of(old[-1]), shape] = old[-1].examples
        later = [record for record in new if record.examples > old[-1].examples]
        seen = np.array([record.examples for record in later], float)
        values = np.maximum([record.metrics[metric] for record in later], least)
        above.append(np.log(values / curves[shape](seen)))
        behind.append(np.array([_log_behind(before, seen) for before in changes.values()]))
    if not behind:
        return {}
    wide = [np.pad(rows, ((0, len(changes) - len(rows)), (0, 0))) for rows in behind]
    columns = np.concatenate(wide, 1).T
    told = np.asarray((columns > 0).any(0))  # of the others no evaluation is soon enough after the change
    if not told.any():
        return {}
    found, _ = optimize.nnls(columns[:, told], np.concatenate(above))
    pairs = [pair for pair, seen in zip(changes, told.tolist(), strict=True) if seen]
    return dict(zip(pairs, found.tolist(), strict=True))


def _paths(shapes: Sequence[Shape], most: int) -> Iterator[list[Shape]]:
    """Every way through some of the shapes, `most` of them at most, in their order."""
    for count in range(1, most + 1):
        for path in itertools.combinations(shapes, count):
            if _follows(path):
                yield list(path)


def _longer(path: Sequence[Shape], shapes: Sequence[Shape]) -> Iterator[list[Shape]]:
    """The ways through one more of the shapes."""
    for shape in shapes:
        ours = [each for each in shapes if each in path or each == shape]
        if len(ours) > len(path) and _follows(ours):
            yield ours


def _follows(path: Sequence[Shape]) -> bool:
    return all(refines(a, b) and grows(a, b) for a, b in itertools.pairwise(path))


def _best_static(laws: Mapping[Shape, ErrorLaw], carried: Carried, flops: np.ndarray) -> np.ndarray:
    """Error [n] of the best shape alone at FLOPs [n]."""
    curves = carried.curves(laws)
    return np.min([curve(flops / carried.example_flops[s]) for s, curve in curves.items()], axis=0)


def _predicted(
    curves: Mapping[Shape, Curve],
    carried: Carried,
    path: Sequence[Shape],
    changes: np.ndarray,
    flops: np.ndarray,
) -> np.ndarray:
    """Least error so far [k, n] at `flops` [n] of runs along a path, each with its changes at a row of
    `changes` [k, len(path) - 1], which does not fall. curves: of each shape, against examples."""
    starts = np.concatenate([np.zeros((len(changes), 1)), changes], 1)
    errors = np.full((len(changes), len(flops)), np.inf)
    examples, made = np.zeros((len(changes), 1)), []  # before the stage; and at each change, with its lag
    for i, shape in enumerate(path):
        cost = carried.example_flops[shape]
        begin = starts[:, i : i + 1]
        last = starts[:, i + 1 : i + 2] if i + 1 < len(path) else np.full_like(begin, np.inf)
        if i:
            made.append((examples, carried.lags(path[i - 1], shape)))
        inside = (flops > begin) & (flops <= last)
        seen = np.where(inside, examples + (flops - begin) / cost, 1.0)
        behind = [lag * _log_behind(before, seen) for before, lag in made]
        errors = np.where(inside, curves[shape](seen) * np.exp(sum(behind, np.zeros(1))), errors)
        examples = examples + (last - begin) / cost
    return np.minimum.accumulate(errors, axis=1)


def _log_behind(before: np.ndarray | float, seen: np.ndarray) -> np.ndarray:
    """log(n / m) of n examples before a change and m since, 0 where these are more."""
    return np.log(np.maximum(before / np.maximum(seen - before, 1.0), 1.0))


def _mean_log_flops(log_flops: np.ndarray, log_curves: np.ndarray, log_errors: np.ndarray) -> np.ndarray:
    """Mean log FLOPs at which curves [k, n], which do not rise, first have each error: [k]. One that is never
    had counts as the last FLOPs, and more the further it is."""
    last = len(log_flops) - 1
    after = (log_curves[:, None] > log_errors[:, None]).sum(-1)  # [k, errors]: the first place at or below it
    upper, lower = np.clip(after, 1, last), np.clip(after, 1, last) - 1
    high, low = (np.take_along_axis(log_curves, places, 1) for places in (lower, upper))
    share = np.clip((high - log_errors) / np.maximum(high - low, 1e-12), 0.0, 1.0)
    missed = np.maximum(log_curves[:, -1:] - log_errors, 0.0)
    return (log_flops[lower] + share * (log_flops[upper] - log_flops[lower]) + 10 * missed).mean(1)


def _moved(
    path: Sequence[Shape],
    changes: np.ndarray,
    value: float,
    grid: np.ndarray,
    needed: Callable[[Sequence[Shape], np.ndarray], np.ndarray],
) -> tuple[np.ndarray, float]:
    """One change after the other is moved to the best place on the grid between its neighbours, until none
    moves."""
    for _ in range(SWEEPS):
        moved = False
        for i in range(len(changes)):
            low = changes[i - 1] if i else 0.0
            high = changes[i + 1] if i + 1 < len(changes) else np.inf
            places = grid[(grid > low) & (grid < high) & (grid < grid[-1])]
            if not len(places):
                continue
            rows = np.repeat(changes[None], len(places), 0)
            rows[:, i] = places
            values = needed(path, rows)
            if values.min() < value - 1e-9:
                value, changes, moved = float(values.min()), rows[int(np.argmin(values))], True
        if not moved:
            break
    return changes, value
