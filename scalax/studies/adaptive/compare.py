"""What each way to train needs for the same targets, and what it has reached with the same compute."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from scalax import plan
from scalax.plan import Trajectory
from scalax.records import RunRecord
from scalax.schedule import Shape
from scalax.studies.adaptive.config import EFFICIENTTRAIN, AdaptiveConfig
from scalax.studies.adaptive.result import FrontierPoint, IsoFlop, Needed, Target
from scalax.studies.adaptive.seconds import SAME, Pace, first_change, seconds_until
from scalax.studies.adaptive.tables import geometric

ISOFLOPS = 5
Trajectories = Mapping[str, list[Trajectory]]  # of each method, one a seed


def spent(groups: Sequence[Sequence[Sequence[RunRecord]]]) -> float:
    """Training FLOPs of all the runs."""
    return math.fsum(run[-1].flops for runs in groups for run in runs)


def share_starts(
    curves: Trajectories, runs: Mapping[str, list[list[RunRecord]]]
) -> dict[str, list[Trajectory]]:
    """The curves, with shared evaluations where they are of the same run.

    Until its first change of shape, a run equals the static run of that shape and seed. So these runs share
    their evaluations up to there; otherwise a run could seem to save FLOPs only because it was evaluated
    earlier. Runs that differ by rounding, because they trained in different groups, keep their own, as do
    those of images that are resized otherwise.
    """
    joined = {name: list(of_seeds) for name, of_seeds in curves.items()}
    sharing = []
    for name, of_seeds in runs.items():
        for seed, run in enumerate(of_seeds):
            shapes = [Shape.of(record) for record in run]
            n = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), len(run))
            first = str(shapes[0])
            if n == len(run) or first not in joined or name == EFFICIENTTRAIN:
                continue
            flops, values = curves[name][seed]
            if _same(curves[first][seed], (flops[:n], values[:n])):
                sharing.append((name, seed, first, n))
                both = [
                    np.append(a, b[:n]) for a, b in zip(joined[first][seed], (flops, values), strict=True)
                ]
                at, index = np.unique(both[0], return_index=True)
                joined[first][seed] = (at, both[1][index])
    for name, seed, first, n in sharing:
        flops, values = curves[name][seed]
        shared = joined[first][seed][0] <= flops[n - 1]
        at, before = (column[shared] for column in joined[first][seed])
        joined[name][seed] = (np.append(at, flops[n:]), np.append(before, values[n:]))
    return joined


def _same(a: Trajectory, b: Trajectory) -> bool:
    """Whether two curves agree where both were measured."""
    _, at_a, at_b = np.intersect1d(a[0], b[0], return_indices=True)
    return np.array_equal(a[1][at_a], b[1][at_b])


def _is_still(run: Sequence[RunRecord], flops: float, static: Sequence[RunRecord]) -> bool:
    """Whether a run is a static one (up to rounding) until `flops`, or until its end where that is nan."""
    (a, b) = (next(record for record in each if record.step) for each in (run, static))
    alike = math.isclose(a.flops * b.step, b.flops * a.step, rel_tol=SAME)  # steps of the same cost
    until = flops if math.isfinite(flops) else run[-1].flops
    return Shape.of(a) == Shape.of(b) and alike and until <= first_change(run)


def targets(
    config: AdaptiveConfig,
    static: Sequence[str],
    curves: Trajectories,
    runs: Mapping[str, list[list[RunRecord]]],
    paces: Mapping[Shape, Pace],
) -> list[Target]:
    """What every method needs for each target, seed by seed, and what it saves against the best static shape.

    - config: how many targets there are, and where they begin.
    - static: names of the static shapes among the methods.
    - curves: of each method, one a seed.
    - runs: the records that the curves were read from.
    - paces: of the static shapes.

    savings of a method: FLOPs of the static shape that reaches the target first in that seed over those of
    the method, their geometric mean over the seeds (nan where the method misses the target in some seed).
    """
    count = len(next(iter(curves.values())))
    statics = [{name: curves[name][seed] for name in static} for seed in range(count)]
    rows = []
    for target in plan.target_values(statics, config.targets, config.targets_first_share):
        bests = [plan.best_static(of_seed, target) for of_seed in statics]
        needs = {}
        best_wall = [
            seconds_until(runs[name][seed], needed, paces) if name else math.nan
            for seed, (name, needed) in enumerate(bests)
        ]
        for name in curves:
            flops = [plan.flops_to_reach(*curve, target) for curve in curves[name]]
            wall = [seconds_until(run, needed, paces) for run, needed in zip(runs[name], flops, strict=True)]
            ratios = [needed / mine for (_, needed), mine in zip(bests, flops, strict=True)]
            wall_ratios = [a / b if b else math.nan for a, b in zip(best_wall, wall, strict=True)]
            same = [
                best is not None and name != EFFICIENTTRAIN and _is_still(run, needed, runs[best][seed])
                for seed, ((best, _), needed, run) in enumerate(zip(bests, flops, runs[name], strict=True))
            ]
            needs[name] = Needed(flops, wall, geometric(ratios), ratios, geometric(wall_ratios), same)
        rows.append(Target(float(target), [name for name, _ in bests], needs))
    return rows


def isoflop(
    curves: Mapping[Shape, list[Trajectory]], example_flops: Mapping[Shape, float], first_flops: float
) -> list[IsoFlop]:
    """What each static shape has reached at ISOFLOPS budgets: the geometric mean over the seeds.

    - curves: of each shape, one a seed.
    - example_flops: training FLOPs of each shape for an example.
    - first_flops: the least budget; the greatest is that of the runs, and they are evenly spaced in log.
    """
    last = min(flops[-1] for runs in curves.values() for flops, _ in runs)
    at = np.geomspace(max(first_flops, *(f[0] for runs in curves.values() for f, _ in runs)), last, ISOFLOPS)
    means = {
        shape: (at, np.exp(np.mean([np.log(plan.values_at(curve, at)) for curve in runs], 0)))
        for shape, runs in curves.items()
    }
    return [
        IsoFlop(
            flops=row.flops,
            values={str(shape): value for shape, value in row.values.items()},
            best=None if row.best is None else str(row.best),
            optimal_size=row.optimal_size,
            optimal_value=row.optimal_value,
            example_flops=[example_flops[shape] for shape in row.values],
        )
        for row in plan.isoflop(means, example_flops, at)
    ]


def frontier(
    curves: Trajectories, static: Sequence[str], scheduled: Sequence[str]
) -> list[list[FrontierPoint]]:
    """FLOPs on the compute-optimal frontiers of the static shapes and of other methods, for each seed.

    - curves: of each method, one a seed.
    - static: names of the static shapes.
    - scheduled: names of the other methods.

    They are compared along the values that both reach.
    """
    seeds = range(len(next(iter(curves.values()))))
    if not scheduled:
        return []
    return [
        [
            FrontierPoint(**point._asdict())
            for point in plan.frontier_ratio(
                {name: curves[name][seed] for name in static},
                {name: curves[name][seed] for name in scheduled},
            )
        ]
        for seed in seeds
    ]


def means_over_runs(config: AdaptiveConfig, runs: Sequence[Sequence[RunRecord]], least: float) -> list[float]:
    """The metric over each run (plan.mean_so_far).

    - config: of the study.
    - runs: one a seed.
    - least: what the metric is taken to be at least.
    """
    curves = [plan.trajectory_of(run, config.metric, least) for run in runs]
    return [plan.mean_so_far(curve, config.first_flops, config.run.budget_flops) for curve in curves]
