"""Every way to train beside the others at the middle target, with what it takes to find it."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from scalax.report.tables import DASH, Table, times_text
from scalax.studies.adaptive.result import LadderResult, Target
from scalax.studies.adaptive.tables import geometric, mean_flops, range_text
from scalax.studies.adaptive.verdict import middle

RIVALS = (
    "All ways to train, at the middle target. Savings are against the best static shape at a constant rate."
    " To find it: the FLOPs of the search for hyper-parameters; for the best static shape also those of the"
    " other static shapes, until the first of all reaches the target; for the plan also those of a whole"
    " static run of each shape, and of pilot runs. 'With that' adds them, on both sides."
)
STATIC = "best static"


class Rival(NamedTuple):
    """One way to train, at one target.

    - name: of the method; 'best static', and both with ', cooled' where the rate falls to zero at the end.
    - flops: training FLOPs to the target, seed by seed; nan where it is missed.
    - savings: of each seed, FLOPs of the best static shape over these.
    - wall_savings: the same in training time, over all seeds; nan where it is not known.
    - found: FLOPs that it takes to find it, seed by seed.
    - savings_found: of each seed, FLOPs of the best static shape over its own, both with `found`.
    """

    name: str
    flops: list[float]
    savings: list[float]
    wall_savings: float
    found: list[float]
    savings_found: list[float]


def rivals(ladder: LadderResult) -> list[Rival]:
    """The best static shape, then the methods, the cooled ones last; by savings within each."""
    row = middle(ladder.targets)
    search, shapes = ladder.search_flops, len(ladder.shapes)
    static = [
        math.nan if name is None else row.methods[name].flops[seed]
        for seed, name in enumerate(row.best_static)
    ]
    others = [search + (shapes - 1) * flops for flops in static]

    def rival(name: str, flops: list[float], found: list[float], wall: float) -> Rival:
        total = [
            (first + before) / (mine + own)
            for first, before, mine, own in zip(static, others, flops, found, strict=True)
        ]
        return Rival(name, flops, [a / b for a, b in zip(static, flops, strict=True)], wall, found, total)

    def searched(name: str) -> list[float]:
        return _planned(ladder) if name == "adaptive" else [search] * len(static)

    made = [
        rival(name, row.methods[name].flops, searched(name), row.methods[name].wall_savings)
        for name in ladder.others
    ]
    cooled = [
        rival(f"{name}, cooled", flops, others if name == STATIC else searched(name), math.nan)
        for name, flops in _cooled(ladder, row)
    ]
    best = rival(STATIC, static, others, 1.0)
    return [best, *sorted(made, key=_order), *sorted(cooled, key=_order)]


def _order(rival: Rival) -> float:
    """Those that miss the target come last."""
    saved = geometric(rival.savings)
    return -saved if math.isfinite(saved) else math.inf


def _planned(ladder: LadderResult) -> list[float]:
    """FLOPs of a plan of each seed: the search, a static run of each shape, and the pilots."""
    whole = [[run.flops[-1] for run in ladder.runs[shape]] for shape in ladder.shapes]
    pilots = ladder.planning_flops - ladder.search_flops - sum(map(sum, whole))
    # What is left of a difference of large numbers may be below zero by rounding.
    return [ladder.search_flops + sum(each) + max(0.0, pilots) for each in zip(*whole, strict=True)]


def _cooled(ladder: LadderResult, row: Target) -> Iterator[tuple[str, list[float]]]:
    """FLOPs of the cooled runs to a target of the others, seed by seed."""
    if ladder.cooled is None:
        return
    from scalax import plan  # imports JAX, which a report without cooled runs does not need

    needs = {
        name: [
            plan.flops_to_reach(np.array(curve.flops), np.array(curve.values), row.target) for curve in curves
        ]
        for name, curves in ladder.cooled.curves.items()
    }
    of_shapes = np.array([needs[shape] for shape in ladder.shapes])
    missed = np.isnan(of_shapes).all(axis=0)
    best = np.where(missed, np.nan, np.where(np.isnan(of_shapes), np.inf, of_shapes).min(axis=0))
    yield STATIC, best.tolist()
    for name in ladder.others:
        yield name, needs[name]


def table(ladder: LadderResult, metric: str) -> Table:
    """A row a rival. metric: that targets are values of."""
    rows = [
        [
            rival.name,
            mean_flops(rival.flops),
            _saved(rival.savings),
            DASH if math.isnan(rival.wall_savings) else times_text(rival.wall_savings),
            _found(rival.found),
            DASH if math.isnan(ladder.search_flops) else _saved(rival.savings_found),
        ]
        for rival in rivals(ladder)
    ]
    goal = f"FLOPs to {metric} {middle(ladder.targets).target:.4g}"
    return Table(["method", goal, "savings", "in training time", "to find it", "savings with that"], rows)


def _found(flops: Sequence[float]) -> str:
    """What it takes to find a method; 'nothing' of one that no search was made for."""
    if not all(map(math.isfinite, flops)):
        return DASH
    return mean_flops(flops) if all(flops) else "nothing"


def _saved(by_seed: Sequence[float]) -> str:
    return range_text(geometric(by_seed), by_seed)
