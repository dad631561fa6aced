"""A greedy search for the hyper-parameters of each shape, with the same small budget for every candidate."""

import dataclasses
import math
from collections.abc import Callable, Sequence

from scalax.config import EvalConfig
from scalax.errors import UserError
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies import naming
from scalax.studies.adaptive.config import AdaptiveConfig
from scalax.studies.adaptive.result import Settings
from scalax.train import RunSpec


def evaluation(config: AdaptiveConfig) -> EvalConfig:
    """That of a candidate: at its end, and half way to see it go; without what does not decide."""
    own = config.run.eval
    shots = own.shots if config.metric == "fewshot_error" else 0
    more = tuple(each for each in own.more if config.metric.startswith(f"{each.name}/"))
    return dataclasses.replace(own, points=2, first_share=0.5, shots=shots, more=more)


def unused(config: AdaptiveConfig) -> dict[str, str | None]:
    """Settings without effect (see Study.unused)."""
    from scalax.unused import of_shapes

    found: dict[str, str | None] = {"optim.cooldown_share": None} if config.cooldowns else {}
    found |= of_shapes(shape for shapes in config.ladders().values() for shape in shapes)
    if config.tune.share:
        return found
    return found | {f"tune.{name}": "without tune.share" for name in ("lrs", "batch_sizes", "weight_decays")}


def check_budget(
    config: AdaptiveConfig, shapes: Sequence[Shape], step_flops: Callable[[Shape, int], float]
) -> None:
    """Raises UserError where a candidate could make no step.

    - config: of the study.
    - shapes: that are searched for.
    - step_flops: training FLOPs of one step of a shape at a batch size.
    """
    if not config.tune.share:
        return
    share, whole = config.tune.share, config.run.budget_flops
    for shape in shapes:
        for batch in sorted({config.run.batch_size, *config.tune.batch_sizes}):
            if (needed := step_flops(shape, batch)) > share * whole:
                raise UserError(
                    f"tune.share {share:g} of budget_flops {whole:.3g} leaves a candidate of the search"
                    f" {share * whole:.3g} FLOPs, which buy no step of {shape} at batch size {batch}"
                    f" ({needed:.3g}); raise one of them"
                )


def tune(
    config: AdaptiveConfig, shapes: Sequence[Shape], train_candidates: Callable
) -> tuple[dict[Shape, Settings], float]:
    """The best settings of each shape, and the training FLOPs that the search took.

    - config: what is searched, and with which budget.
    - shapes: to search for.
    - train_candidates: trains runs and gives the records of each, None of one that failed.

    Learning rates come first, then batch sizes, then decays. Best is the least of the metric at the end.
    Raises UserError where all candidates of a shape failed.
    """
    best, spent = {shape: Settings() for shape in shapes}, {}
    if not config.tune.share:
        return best, 0.0
    for name, candidates in choices(config).items():
        tried = [(shape, best[shape]._replace(**{name: value})) for shape in shapes for value in candidates]
        runs = train_candidates([candidate(config, shape, settings) for shape, settings in tried])
        for shape in shapes:
            scores = {
                settings: run[-1].metrics[config.metric]
                for (tried_shape, settings), run in zip(tried, runs, strict=True)
                if tried_shape == shape and run
            }
            if not scores:
                raise UserError(
                    f"tune: no {name} works for {shape}: all of {candidates} failed; try lower ones"
                )
            best[shape] = min(scores, key=scores.__getitem__)
        spent |= {run[0].run: run[-1].flops for run in runs if run}  # a candidate may come twice
    return best, math.fsum(spent.values())


def choices(config: AdaptiveConfig) -> dict[str, list[float]]:
    """The values of each setting that is searched, the config's own among them."""
    search = {
        "lr": {config.run.optim.lr, *config.tune.lrs},
        "batch_size": {config.run.batch_size, *config.tune.batch_sizes},
        "weight_decay": {config.run.optim.weight_decay, *config.tune.weight_decays},
    }
    return {name: sorted(values) for name, values in search.items() if len(values) > 1}


def candidate(config: AdaptiveConfig, shape: Shape, settings: Settings) -> RunSpec:
    """A run of the search.

    - config: of the study.
    - shape: that is trained.
    - settings: that are tried.

    Those that differ in learning rate or decay alone share their schedule, so that they may train as a
    population.
    """
    run = config.run
    batch_size = settings.batch_size or run.batch_size
    decay = run.optim.weight_decay if settings.weight_decay is None else settings.weight_decay
    optim = dataclasses.replace(run.optim, lr=settings.lr or run.optim.lr, weight_decay=decay)
    schedule = Schedule((Stage(shape, config.tune.share * run.budget_flops, batch_size=batch_size),))
    return RunSpec(naming.candidate(shape, optim, batch_size), schedule, config.seeds[0], optim)
