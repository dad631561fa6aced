"""Runs whose learning rate falls to zero at their end: made from those of a ladder, and compared."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from scalax import plan
from scalax.plan import Trajectory
from scalax.records import RunRecord
from scalax.schedule import Schedule
from scalax.studies.adaptive import compare
from scalax.studies.adaptive.config import AdaptiveConfig
from scalax.studies.adaptive.result import Cooled, CooledCurve, CooledTarget, Saved
from scalax.studies.adaptive.specs import Specs
from scalax.train import RunSpec

Runs = Mapping[str, list[list[RunRecord]]]  # of each method, one a seed
Trunks = Sequence[tuple[RunSpec, Schedule]]  # runs, and the schedules that they came to follow
TrainCooled = Callable[[Specs, Trunks], list[list[list[RunRecord]]]]  # of each trunk, a run a share


def train(
    specs: Specs, methods: Mapping[str, Sequence[RunSpec]], runs: Runs, train_cooled: TrainCooled
) -> dict[str, list[list[list[RunRecord]]]]:
    """The cooled runs of each method: of each seed, one a share.

    - specs: of the ladder.
    - methods: the runs that they branch off.
    - runs: the records of these.
    - train_cooled: trains all of them at once.
    """
    trunks = [
        (spec, specs.followed(spec, run))
        for name, of_seeds in methods.items()
        for spec, run in zip(of_seeds, runs[name], strict=True)
    ]
    made = iter(train_cooled(specs, trunks))
    return {name: [next(made) for _ in of_seeds] for name, of_seeds in methods.items()}


def compared(
    config: AdaptiveConfig,
    static: Sequence[str],
    cooled: Mapping[str, list[list[list[RunRecord]]]],
    constant: Mapping[str, list[Trajectory]],
    least: float,
) -> Cooled:
    """What came of the cooled runs.

    - config: of the study.
    - static: names of the static shapes among the methods.
    - cooled: of each method and seed, a run a share.
    - constant: the curves of the runs at a constant rate.
    - least: what the metric is taken to be at least.
    """
    curves = {name: [_ends(runs, config.metric, least) for runs in seeds] for name, seeds in cooled.items()}
    return Cooled(
        shares=sorted(config.cooldowns),
        curves={
            name: [
                CooledCurve([run[-1].run for run in runs], *(column.tolist() for column in curve))
                for runs, curve in zip(cooled[name], of_seeds, strict=True)
            ]
            for name, of_seeds in curves.items()
        },
        targets=targets(config.targets, static, curves, constant),
    )


def _ends(runs: Sequence[Sequence[RunRecord]], metric: str, least: float) -> Trajectory:
    """FLOPs and metric at the end of each run."""
    ends = [plan.trajectory_of(run, metric, least) for run in runs]
    flops, values = np.array([[flops[-1], values[-1]] for flops, values in ends]).T
    return flops, values


def targets(
    count: int,
    static: Sequence[str],
    cooled: Mapping[str, list[Trajectory]],
    constant: Mapping[str, list[Trajectory]],
) -> list[CooledTarget]:
    """What each method needs for each target, cooled and at a constant rate, against the best cooled static.

    - count: of the targets. They begin below what the best cooled static has reached at the second share.
    - static: names of the static shapes among the methods.
    - cooled: of each method, one a seed: FLOPs and value at the end of each cooled run. Between two of them,
      FLOPs and values are evenly spaced in log.
    - constant: of each method, one a seed: the curve at a constant rate.
    """
    seeds = range(len(next(iter(cooled.values()))))
    statics = [{name: cooled[name][seed] for name in static} for seed in seeds]
    start = min(float(values[1]) for of_seed in statics for _, values in of_seed.values())
    rows = []
    for target in plan.targets_from(start, statics, count):
        bests = [plan.best_static(of_seed, target) for of_seed in statics]

        def saved(needed: list[float], bests=bests) -> Saved:
            ratios = [best / mine for (_, best), mine in zip(bests, needed, strict=True)]
            return Saved(needed, compare.geometric(ratios), ratios)

        def reached(curves: Mapping[str, list[Trajectory]], target=target) -> dict[str, list[float]]:
            return {
                name: [plan.flops_to_reach(*curve, target) for curve in of_seeds]
                for name, of_seeds in curves.items()
            }

        flat = reached(constant)
        best_flat = [
            plan.best_static({name: constant[name][seed] for name in static}, target)[1] for seed in seeds
        ]
        rows.append(
            CooledTarget(
                target=float(target),
                best_static=[name for name, _ in bests],
                cooled={name: saved(flops) for name, flops in reached(cooled).items()},
                constant={name: saved(flops) for name, flops in flat.items()},
                static_constant=saved(best_flat),
            )
        )
    return rows
