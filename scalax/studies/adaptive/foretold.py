"""How well the laws foretell the runs that changed their shape: by errors, and by examples."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from scalax import plan
from scalax.config import RunConfig
from scalax.plan import Carried
from scalax.records import RunRecord, measured
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies.adaptive.planning import Planning
from scalax.studies.adaptive.result import Foretold


def foretold(
    made: Planning, carried: Carried | None, runs: Sequence[Sequence[RunRecord]], metric: str, least: float
) -> list[Foretold]:
    """Of each run that changed its shape, between shapes that have laws.

    - made: the laws, and where their data begin.
    - carried: for what is foretold by examples; None foretells by errors alone.
    - runs: the records of each.
    - metric: that the laws are of.
    - least: what it is taken to be at least.
    """
    found = []
    for run in runs:
        stages = [(shape, list(rows)) for shape, rows in itertools.groupby(measured(run, metric), Shape.of)]
        if len(stages) < 2 or not all(shape in made.laws for shape, _ in stages):
            continue
        flops, values = plan.trajectory_of(run, metric, least)
        ends = [rows[-1].flops for _, rows in stages]
        schedule = Schedule(tuple(Stage(shape, end) for (shape, _), end in zip(stages, ends, strict=True)))
        shown = flops > max(ends[0], made.first_flops)
        if not shown.any():
            continue
        best = np.minimum.accumulate(values)
        by_errors = plan.follow(made.laws, schedule, flops)
        by_examples = plan.follow_examples(made.laws, carried, schedule, flops) if carried else None
        found.append(
            Foretold(
                run[0].run,
                _distance(best[shown], by_errors[shown]),
                None if by_examples is None else _distance(best[shown], by_examples[shown]),
            )
        )
    return found


def carried_of(shapes: Mapping[Shape, float], run: RunConfig) -> Carried | None:
    """What a ladder's runs carry over changes of patch size and resolution; None where it has others.

    - shapes: training FLOPs of each for an example.
    - run: what all runs share.
    """
    if len({(shape.width, shape.depth) for shape in shapes}) > 1:
        return None
    last = {shape: run.budget_flops / cost for shape, cost in shapes.items()}
    return Carried(shapes, plan.usual_lags(run.data.image_size), last)


def _distance(values: np.ndarray, foretold: np.ndarray) -> float:
    """Root mean square of the log of their ratios."""
    return float(np.sqrt(np.mean(np.log(values / foretold) ** 2)))
