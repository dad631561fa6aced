"""Plans with fewer of a ladder's shapes: what the number of shapes is worth."""

from collections.abc import Mapping, Sequence

import numpy as np

from scalax.plan import Carried, Trajectory, measure_switches
from scalax.records import RunRecord
from scalax.schedule import Shape
from scalax.studies.adaptive import compare
from scalax.studies.adaptive.config import AdaptiveConfig
from scalax.studies.adaptive.planning import Planning, make_plan
from scalax.studies.adaptive.result import Change, Fewer, Target


def of(shapes: Sequence[Shape], count: int) -> list[Shape]:
    """So many of the shapes: evenly spaced, the first and the last among them.

    - shapes: in the order that a plan may take them.
    - count: from 2 to all of them.
    """
    return [shapes[i] for i in np.linspace(0, len(shapes) - 1, count).round().astype(int)]


def plans(
    config: AdaptiveConfig,
    curves: Mapping[Shape, list[Trajectory]],
    shapes: Sequence[Shape],
    carried: Carried | None,
) -> dict[int, Planning]:
    """The plan of each number of shapes that the config names, by the laws alone.

    - config: of the study.
    - curves: of each static shape, one a seed.
    - shapes: of the ladder, from cheap to dear.
    - carried: of plans by examples; None plans by errors.
    """
    rest = config.law, config.run.budget_flops, config.first_flops, carried
    return {
        count: make_plan({shape: curves[shape] for shape in of(shapes, count)}, *rest)
        for count in sorted(config.fewer_shapes)
    }


def summary(
    config: AdaptiveConfig,
    made: Mapping[int, Planning],
    shapes: Sequence[Shape],
    runs: Mapping[int, list[list[RunRecord]]],
    rows: Sequence[Target],
    names: Mapping[int, str],
    least: float,
) -> list[Fewer]:
    """A row a number of shapes, all of them last.

    - config: of the study.
    - made: the plan of each number.
    - shapes: of the ladder, from cheap to dear.
    - runs: of each number whose plan changes shape, one a seed.
    - rows: what each method needs for each target (compare.targets).
    - names: of the methods of each such number.
    - least: what the metric is taken to be at least.
    """
    found = []
    for count in sorted(made):
        of_seeds = runs.get(count, [])
        found.append(
            Fewer(
                count=count,
                shapes=[str(shape) for shape in of(shapes, count)],
                plan=made[count].message,
                means=compare.means_over_runs(config, of_seeds, least),
                targets=[row.target for row in rows],
                needed=[row.methods[names[count]] for row in rows] if of_seeds else [],
                changes=[
                    Change(**switch.to_json())
                    for run in of_seeds
                    for switch in measure_switches(run, config.metric, made[count].laws, least)
                ],
            )
        )
    return found
