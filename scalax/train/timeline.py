"""When a run changes shape, evaluates and ends, in steps: fixed before it starts, so a resumed run agrees."""

from typing import NamedTuple

import numpy as np

from scalax.config import EvalConfig
from scalax.errors import UserError
from scalax.schedule import Schedule, Shape


class StepCost(NamedTuple):
    """Training FLOPs of one step at the global batch: by XLA's cost analysis, and by matrix products and
    convolutions alone."""

    flops: float
    flops_matmul: float


class Span(NamedTuple):
    """Steps first .. last - 1 train at `shape`."""

    shape: Shape
    first: int
    last: int


class Timeline(NamedTuple):
    spans: tuple[Span, ...]
    costs: dict[Shape, StepCost]
    evals: frozenset[int]

    @property
    def steps(self) -> int:
        return self.spans[-1].last

    def flops(self, step, *, matmul: bool = False):
        """Training FLOPs spent after `step` updates (a number or an array of them)."""
        return sum(
            (np.clip(step, span.first, span.last) - span.first) * self.costs[span.shape][int(matmul)]
            for span in self.spans
        )


def plan(schedule: Schedule, costs: dict[Shape, StepCost], config: EvalConfig) -> Timeline:
    """Each stage takes the whole steps that fit before its end; stages without a step are passed over.

    Evaluations stand at each change of shape, at the end, and where FLOPs spaced evenly in log are
    first reached. Raises UserError where the budget buys no step.
    """
    spans, spent, step = [], 0.0, 0
    for stage in schedule.stages:
        cost = costs[stage.shape].flops
        count = int((stage.until_flops - spent) / cost * (1 + 1e-12))
        if count > 0:
            spans.append(Span(stage.shape, step, step + count))
            step, spent = step + count, spent + count * cost
    if not spans:
        least = min(cost.flops for cost in costs.values())
        raise UserError(
            f"budget_flops {schedule.budget_flops:.3g} buys no step ({least:.3g} FLOPs each); raise it"
        )
    timeline = Timeline(tuple(spans), costs, frozenset())
    marks = np.geomspace(config.first_share * spent, spent, config.points) * (1 - 1e-9)
    evals = {step, *(span.last for span in spans)}
    for span in spans:
        into = marks - timeline.flops(span.first)
        steps = np.ceil(into[into > 0] / costs[span.shape].flops).astype(int)
        evals |= {span.first + int(count) for count in steps if count <= span.last - span.first}
    return timeline._replace(evals=frozenset(evals))
