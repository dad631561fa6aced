"""When a run changes shape, evaluates and ends, in steps: fixed before it starts, so a resumed run agrees."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from scalax.config import EvalConfig
from scalax.errors import UserError
from scalax.schedule import Schedule, Shape, Stage

MOST_STEPS = 20_000_000  # their costs are held in memory


class StepCost(NamedTuple):
    """Training FLOPs of one step at the global batch: by XLA's cost analysis, and by matrix products and
    convolutions alone."""

    flops: float
    flops_matmul: float


class Work(NamedTuple):
    """What a step's program and cost depend on."""

    shape: Shape
    batch_size: int


class Span(NamedTuple):
    """Steps first .. last - 1 train by `stage`, at its shape or at the one drawn for each."""

    stage: Stage
    batch_size: int
    first: int
    last: int
    drawn: tuple[Shape, ...] = ()

    @property
    def shape(self) -> Shape:
        """That the model is evaluated at."""
        return self.stage.shape

    def works(self) -> set[Work]:
        return {Work(shape, self.batch_size) for shape in self.drawn or (self.shape,)}

    def work(self, step: int) -> Work:
        """Of the update that follows `step` updates."""
        return Work(self.drawn[step - self.first] if self.drawn else self.shape, self.batch_size)


class Timeline(NamedTuple):
    """spent: FLOPs [steps + 1, 2] after so many updates, by both counts. examples: those seen [steps + 1].
    begins: updates that a run which branched off another took over from it."""

    spans: tuple[Span, ...]
    costs: dict[Work, StepCost]
    evals: frozenset[int]
    spent: np.ndarray
    examples: np.ndarray
    begins: int = 0

    @property
    def steps(self) -> int:
        return self.spans[-1].last

    def flops(self, step: Any, *, matmul: bool = False) -> Any:
        """Training FLOPs spent after `step` updates (a number or an array of them)."""
        return self.spent[step, int(matmul)]

    def last_before(self, flops: float) -> int:
        """Updates made when `flops` were spent: the last number of them that takes no more."""
        return int(np.searchsorted(self.spent[:, 0], flops, side="right")) - 1

    def due(self, until: int) -> list[tuple[int, Shape]]:
        """(step, shape) of each record that a run has after `until` updates, in order: of its evaluations,
        and of what a change of shape does. Those until `begins` are another run's."""
        found = []
        for span, after in itertools.zip_longest(self.spans, self.spans[1:]):
            found += [(step, span.shape) for step in sorted(self.evals) if span.first < step <= span.last]
            if after is not None and after.shape != span.shape:
                found.append((span.last, after.shape))
        return [(step, shape) for step, shape in found if self.begins < step <= until]

    def around(self, step: int) -> tuple[Span, Span | None]:
        """The span that the state after `step` updates is for (at a change, the new one), and the next."""
        at = next((i for i, span in enumerate(self.spans) if step < span.last), len(self.spans) - 1)
        return self.spans[at], self.spans[at + 1] if at + 1 < len(self.spans) else None


def plan(
    schedule: Schedule, cost_of: Callable[[Work], StepCost], batch_size: int, config: EvalConfig
) -> Timeline:
    """Each stage takes the whole steps that fit before its end; stages without a step are passed over.

    - schedule: of the run.
    - cost_of: gives the cost of a step.
    - batch_size: of stages that have none of their own.
    - config: how many evaluations there are, and where they begin.

    Evaluations stand at each change of stage, at the end, and where FLOPs spaced evenly in log are first
    reached. Raises UserError where the budget buys no step.
    """
    spans, spent, examples, step = [], [np.zeros((1, 2))], [np.zeros(1, np.int64)], 0
    costs: dict[Work, StepCost] = {}
    for stage in schedule.stages:
        batch = stage.batch_size or batch_size
        choices = [Work(shape, batch) for shape in stage.shapes()]
        costs |= {work: cost_of(work) for work in choices}
        left = stage.until_flops - spent[-1][-1, 0]
        least = min(costs[work].flops for work in choices)
        if left / least > MOST_STEPS - step:
            raise UserError(
                f"budget_flops {schedule.budget_flops:.3g} buys over {MOST_STEPS:,} steps of {stage.shape}"
                f" ({least:.3g} FLOPs each); lower it"
            )
        draws, each = _steps([costs[work] for work in choices], left)
        if not len(each):
            continue
        drawn = tuple(choices[draw].shape for draw in draws) if stage.patches else ()
        spans.append(Span(stage, batch, step, step + len(each), drawn))
        spent.append(spent[-1][-1] + np.cumsum(each, axis=0))
        examples.append(examples[-1][-1] + batch * np.arange(1, len(each) + 1))
        step += len(each)
    if not spans:
        least = min(cost.flops for cost in costs.values())
        raise UserError(
            f"budget_flops {schedule.budget_flops:.3g} buys no step ({least:.3g} FLOPs each); raise it"
        )
    spent = np.concatenate(spent)
    marks = np.geomspace(config.first_share, 1, config.points) * schedule.budget_flops
    reached = np.searchsorted(spent[:, 0], marks * (1 - 1e-9))
    evals = {*(span.last for span in spans), *reached[reached <= step].tolist()}
    return Timeline(tuple(spans), costs, frozenset(evals), spent, np.concatenate(examples))


def _steps(costs: list[StepCost], left: float) -> tuple[np.ndarray, np.ndarray]:
    """For the steps that `left` FLOPs buy: which of `costs` each has, drawn uniformly, and what [n, 2]."""
    table = np.array(costs)
    most = max(0, int(left * (1 + 1e-12) / table[:, 0].min()))
    draws = np.random.default_rng(0).integers(len(costs), size=most)
    kept = draws[: np.searchsorted(np.cumsum(table[draws, 0]), left * (1 + 1e-12), side="right")]
    return kept, table[kept]
