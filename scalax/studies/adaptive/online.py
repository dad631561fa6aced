"""Runs that plan as they go: plan.Online is asked at each of their evaluations."""

from collections.abc import Callable, Mapping

from scalax import plan
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape
from scalax.studies.adaptive.config import AdaptiveConfig
from scalax.train import Replan


def planner(config: AdaptiveConfig, example_flops: Mapping[Shape, float]) -> plan.Online:
    """Of a run that begins at the cheapest shape; example_flops: of each shape, for an example.

    Raises UserError where two shapes cost the same, or the law is not one to plan by as a run goes.
    """
    costs = dict(sorted(example_flops.items(), key=lambda item: item[1]))
    return plan.Online(list(costs), costs, config.run.budget_flops, config.metric, law=config.law)


def replanner(new: Callable[[], plan.Online], rest: Callable[[Shape], Schedule]) -> Replan:
    """Decides on the schedule of one run from its records (train.Replan).

    - new: makes the planner of a run that begins.
    - rest: the schedule from a shape on to the budget.
    """
    online: plan.Online = new()
    seen: list[RunRecord] = []

    def replan(run: list[RunRecord], schedule: Schedule) -> Schedule:
        nonlocal online, seen
        if run[: len(seen)] != seen:  # it went back, and what it measures since then may differ
            online, seen = new(), []
        for record in run[len(seen) :]:
            online.observe(record)
        seen = list(run)
        *before, now = schedule.stages
        if online.decide() == now.shape:
            return schedule
        return Schedule((*before, now._replace(until_flops=run[-1].flops), *rest(online.decide()).stages))

    return replan
