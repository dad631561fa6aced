"""A greedy search for the hyper-parameters of each shape, with the same small budget for every candidate."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from scalax.config import EvalConfig
from scalax.config_adaptive import AdaptiveConfig
from scalax.errors import UserError
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies.runs import Planned


class Settings(NamedTuple):
    """Of a stage; None is the config's."""

    batch_size: int | None = None
    lr: float | None = None
    weight_decay: float | None = None


def evaluation(config: AdaptiveConfig) -> EvalConfig:
    """That of a candidate: at its end, and half way to see it go; without the probe unless that decides."""
    shots = config.eval.shots if config.metric == "fewshot_error" else 0
    return dataclasses.replace(config.eval, points=2, first_share=0.5, shots=shots)


def tune(
    config: AdaptiveConfig, shapes: Sequence[Shape], go: Callable
) -> tuple[dict[Shape, Settings], float]:
    """The best settings of each shape: of the learning rates, then of the batch sizes, then of the decays;
    and the training FLOPs that the search took.

    go(planned) trains runs and gives the records of each, or None where it failed. Best is the least of the
    metric at the end. Raises UserError where all candidates of a shape failed.
    """
    best, spent = {shape: Settings() for shape in shapes}, {}
    if not config.tune.share:
        return best, 0.0
    search = {
        "lr": (config.optim.lr, config.tune.lrs),
        "batch_size": (config.batch_size, config.tune.batch_sizes),
        "weight_decay": (config.optim.weight_decay, config.tune.weight_decays),
    }
    for name, (default, values) in search.items():
        candidates = sorted({default, *values})
        if len(candidates) == 1:
            continue
        tried = [(shape, best[shape]._replace(**{name: value})) for shape in shapes for value in candidates]
        runs = go([_planned(config, shape, settings) for shape, settings in tried])
        for shape in shapes:
            scores = {
                settings: run[-1].metrics[config.metric]
                for (tried_shape, settings), run in zip(tried, runs, strict=True)
                if tried_shape == shape and run
            }
            if not scores:
                raise UserError(f"tune: every {name} of {candidates} failed for {shape}; try lower ones")
            best[shape] = min(scores, key=scores.__getitem__)
        spent |= {run[0].run: run[-1].flops for run in runs if run}  # a candidate may come twice
    return best, math.fsum(spent.values())


def _planned(config: AdaptiveConfig, shape: Shape, settings: Settings) -> Planned:
    """A run with these settings; those that differ in learning rate or decay alone share their schedule, so
    that they may train as a population."""
    batch_size = settings.batch_size or config.batch_size
    decay = config.optim.weight_decay if settings.weight_decay is None else settings.weight_decay
    optim = dataclasses.replace(config.optim, lr=settings.lr or config.optim.lr, weight_decay=decay)
    schedule = Schedule((Stage(shape, config.tune.share * config.budget_flops, batch_size=batch_size),))
    name = f"{shape} lr{optim.lr:g} batch{batch_size} decay{decay:g}".replace("/", "_patch").replace(" ", "_")
    return Planned(name, schedule, config.seeds[0], optim)
