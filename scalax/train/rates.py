"""Learning rates and decays along a run: warm-up, schedule, and settling after a change of stage."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from scalax.config import OptimConfig, RunConfig
from scalax.schedule import Stage
from scalax.train.optimizer import Hyperparams
from scalax.train.timeline import Span, Timeline


def learning_rate(config: OptimConfig, step: int, progress: float, since_change: int | None = None) -> float:
    """The rate of the update that follows `step` updates.

    - config: of the optimiser.
    - step: updates made so far.
    - progress: share of the budget's FLOPs that is spent.
    - since_change: updates made since the last change of shape, None before the first.
    """
    warmup = max(1, config.warmup_steps)
    rate = config.lr * min(1.0, (step + 1) / warmup)
    if since_change is not None and config.rewarm_steps:
        rate *= min(1.0, (since_change + 1) / config.rewarm_steps)
    cooldown = min(1.0, max(0.0, 1 - progress) / config.cooldown_share)
    match config.schedule:
        case "constant":
            return rate
        case "cosine":
            return rate * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        case "wsd":
            return rate * cooldown
        case "rsqrt":
            return rate * math.sqrt(warmup / max(warmup, step + 1)) * cooldown


def cooldown_begins(config: OptimConfig, budget_flops: float) -> float:
    """FLOPs until which the cooldown of wsd and rsqrt leaves the learning rate as it is.

    - config: of the optimiser.
    - budget_flops: at which the rate is zero.
    """
    return budget_flops * (1 - config.cooldown_share)


def settling_rate(rates: Sequence[float], starts: Sequence[float], flops: float, settle: float) -> float:
    """The learning rate of a run whose stages have rates of their own.

    - rates: of each stage.
    - starts: FLOPs at which each stage begins.
    - flops: spent so far.
    - settle: 1 or more.

    After a change the rate moves from the old value to the stage's own, evenly in the logs of rate and FLOPs,
    until total FLOPs reach `settle` times those at the change.
    """
    rate = rates[0]
    ends = [*starts[1:], flops][1:]
    for own, first, end in zip(rates[1:], starts[1:], ends, strict=True):
        share = 1.0 if end >= settle * first else math.log(end / first) / math.log(settle)
        rate = own * (rate / own) ** (1 - share)
    return rate


class SpanRates:
    """The hyper-parameters of each step of one span, of every member of a group.

    - config: of the experiment.
    - timeline: of the run.
    - span: of the timeline.
    - optims: of each member.
    - population: whether they train as one program.
    - budget_flops: of the run, which learning rates decay over.
    """

    def __init__(
        self,
        config: RunConfig,
        timeline: Timeline,
        span: Span,
        optims: Sequence[OptimConfig],
        population: bool,
        budget_flops: float,
    ):
        self._timeline, self._span, self._budget_flops = timeline, span, budget_flops
        self._population = population
        self._changed = _last_change(timeline, span)
        self._optims = [of_stage(optim, span.stage) for optim in optims]
        self._settling = _settling(config.morph.settle, timeline, span, optims)

    def at(self, step: int, factor: float) -> Hyperparams:
        """Of the update that follows `step` updates, with all rates `factor` times what they are set to."""
        flops = float(self._timeline.flops(step))
        since = step - self._changed if self._changed else None
        optims = self._optims
        if self._settling:
            pairs = zip(optims, self._settling, strict=True)
            optims = [dataclasses.replace(optim, lr=rate(flops)) for optim, rate in pairs]
        progress = flops / self._budget_flops
        rates = [factor * learning_rate(optim, step, progress, since) for optim in optims]
        return hyperparams(rates if self._population else rates[0], optims)


def hyperparams(lr: float | Sequence[float], optims: Sequence[OptimConfig]) -> Hyperparams:
    """Host arrays: scalars for a number `lr` of the one optimiser, [M] for M numbers, one an optimiser."""
    columns = [
        [lr] if isinstance(lr, int | float) else list(lr),
        [optim.lr_head for optim in optims],
        [optim.weight_decay for optim in optims],
        [optim.weight_decay_head for optim in optims],
    ]
    rates, heads, decays, head_decays = (np.array(column) for column in columns)
    values = (rates, rates * heads, decays, head_decays)
    shape = () if isinstance(lr, int | float) else (len(rates),)
    return Hyperparams(*(value.astype(np.float32).reshape(shape) for value in values))


def of_stage(optim: OptimConfig, stage: Stage) -> OptimConfig:
    """With the settings that the stage has of its own."""
    own = {name: getattr(stage, name) for name in ("lr", "weight_decay") if getattr(stage, name) is not None}
    return dataclasses.replace(optim, **own)


def _last_change(timeline: Timeline, span: Span) -> int:
    """Updates before the shape of `span` was changed to; 0 where the run began with it."""
    first = 0
    spans = timeline.spans[: timeline.spans.index(span) + 1]
    for before, after in itertools.pairwise(spans):
        if after.shape != before.shape:
            first = after.first
    return first


def _settling(
    settle: float, timeline: Timeline, span: Span, optims: Sequence[OptimConfig]
) -> list[Callable[[float], float]]:
    """A function a member, from FLOPs to its learning rate while the rate settles to that of `span`; empty
    where the rate does not have to settle."""
    spans = timeline.spans[: timeline.spans.index(span) + 1]
    own = [[of_stage(optim, each.stage).lr for each in spans] for optim in optims]
    if settle == 1 or all(len(set(rates)) == 1 for rates in own):
        return []
    starts = [float(timeline.flops(each.first)) for each in spans]
    return [lambda flops, rates=rates: settling_rate(rates, starts, flops, settle) for rates in own]
