"""The plan with its changes of shape earlier or later: how flat the optimum is."""

import math
from collections.abc import Mapping, Sequence

from scalax.records import RunRecord
from scalax.schedule import Schedule
from scalax.studies.adaptive import compare
from scalax.studies.adaptive.config import AdaptiveConfig
from scalax.studies.adaptive.result import Needed, Shift, Target

Runs = Mapping[float, list[list[RunRecord]]]  # of each factor, one a seed


def shifted(plan: Schedule, factor: float, first_flops: float) -> tuple[Schedule, int]:
    """The plan with every change of shape at `factor` times its FLOPs, and how many changes that leaves out.

    - plan: a schedule.
    - factor: above 0.
    - first_flops: where plans begin. A change before is left out, and the run begins with the later shape;
      so is one that would not come within the budget, and the run keeps the earlier shape.
    """
    *before, last = plan.stages
    moved = [stage._replace(until_flops=stage.until_flops * factor) for stage in before]
    kept = [stage for stage in moved if first_flops <= stage.until_flops < plan.budget_flops]
    late = [stage for stage in moved if stage.until_flops >= plan.budget_flops]
    end = (late[0] if late else last)._replace(until_flops=plan.budget_flops)
    return Schedule((*kept, end)), len(moved) - len(kept)


def schedules(config: AdaptiveConfig, plan: Schedule) -> dict[float, tuple[Schedule, int]]:
    """`shifted` of each factor of the config."""
    return {factor: shifted(plan, factor, config.first_flops) for factor in sorted(config.shifts)}


def summary(
    config: AdaptiveConfig,
    left_out: Mapping[float, int],
    runs: Runs,
    rows: Sequence[Target],
    names: Mapping[float, str],
    least: float,
) -> list[Shift]:
    """A row a factor, and 1 for the plan itself.

    - config: of the study.
    - left_out: of each factor, how many changes of shape are.
    - runs: of each factor, one a seed.
    - rows: what each method needs for each target (compare.targets).
    - names: of the methods of each factor.
    - least: what the metric is taken to be at least.
    """
    unknown = Needed([], [], math.nan, [], math.nan, [])
    found = []
    for factor in sorted({*config.shifts, 1.0}):
        of_seeds = runs.get(factor, [])
        means = compare.means_over_runs(config, of_seeds, least)
        needed = [row.methods[names[factor]] if of_seeds else unknown for row in rows]
        found.append(
            Shift(
                factor=factor,
                left_out=left_out.get(factor, 0),
                trained=bool(of_seeds),
                mean=compare.geometric(means) if means else math.nan,
                means=means,
                targets=[row.target for row in rows],
                needed=needed,
            )
        )
    return found
