"""The runs of a study of training-set sizes, size by size, and the laws of their curve."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from etils import epath

from scalax import data, metrics, train
from scalax.data import Splits
from scalax.errors import UserError
from scalax.records import measured
from scalax.schedule import Schedule, Stage
from scalax.studies import naming
from scalax.studies.protocol import Device
from scalax.studies.sizes.config import SizesConfig
from scalax.studies.sizes.result import FittedLaw, SizeResult, SizesResult
from scalax.train import RunSpec

LAWS = ("bnsl", "m1", "m2", "m3", "m4")


def run(
    config: SizesConfig, out: Any, hooks: Sequence[Any] = (), say: Callable[[str], None] = print
) -> SizesResult:
    """Do what is missing in directory `out` (see Study.run).

    - config: of the study.
    - out: its directory.
    - hooks: train.Hook of all training.
    - say: shows a line of text.
    """
    whole = data.open_whole(config.run.data)
    opened = {size: data.load(_run(config, size).data, whole) for size in config.train_sizes}
    for size, splits in opened.items():
        if len(splits.train) < size:
            raise UserError(
                f"train_sizes: {splits.train.source.name} has {len(splits.train)} training examples, fewer"
                f" than {size}; leave that size out"
            )
    if line := opened[config.train_sizes[-1]].said():
        say(line)
    made = [_trained(config, size, splits, out, hooks, say) for size, splits in opened.items()]
    sizes = [each for each, _ in made]
    x, y = np.array(config.train_sizes, float), np.array([np.mean(each.best) for each in sizes])
    return SizesResult(
        config=config,
        device=Device(**train.device()),
        versions=train.versions(),
        train_s=sum(seconds for _, seconds in made),
        sizes=sizes,
        first=fitted(x, y, x <= config.fit_until),
        whole=fitted(x, y, np.ones(len(x), bool)),
    )


def _run(config: SizesConfig, size: int):
    """Settings of the runs on a training set of this size."""
    run = dataclasses.replace(config.run, data=dataclasses.replace(config.run.data, max_train_images=size))
    return dataclasses.replace(run, batch_size=size) if config.full_batch else run


def _trained(
    config: SizesConfig,
    size: int,
    splits: Splits,
    out: Any,
    hooks: Sequence[Any],
    say: Callable[[str], None],
) -> tuple[SizeResult, float]:
    """What the runs on a training set measured, and the seconds that they trained."""
    experiment = train.open_experiment(_run(config, size), splits)
    experiment.evaluator.check(config.metric)
    shape = config.shape()
    # Half a step more than the steps ends a run after these, however XLA's FLOPs are rounded.
    schedule = Schedule((Stage(shape, (config.steps + 0.5) * experiment.cost(shape).step.flops),))
    specs = [RunSpec(naming.sized_run(shape, size, seed), schedule, seed) for seed in config.seeds]
    runs = train.execute(experiment, specs, epath.Path(out) / "runs", hooks, say)
    best, steps, last = [], [], []
    floor = metrics.least(config.metric, experiment.targets)
    for spec in specs:
        records = measured(runs[spec.name].records, config.metric)
        least = min(records, key=lambda record: record.metrics[config.metric])
        best.append(max(least.metrics[config.metric], floor))
        steps.append(least.step)
        last.append(max(records[-1].metrics[config.metric], floor))
    ends = [runs[spec.name].records[-1] for spec in specs]
    found = SizeResult(size, best, steps, last, ends[0].flops)
    say(f"{size:,} examples: {config.metric} {np.mean(best):.4g}, {np.mean(last):.4g} at the end")
    return found, sum(record.wall_s for record in ends)


def fitted(x: np.ndarray, y: np.ndarray, fit: np.ndarray) -> dict[str, FittedLaw]:
    """Laws of a curve by name.

    - x, y: [n], the curve.
    - fit: [n] bool, rows to fit.
    """
    from scalax import laws

    [fits] = laws.fit([laws.Curve(x, y, "sizes", fit)], LAWS)
    return {
        name: FittedLaw(own.params, own.rmsle, None if fit.all() else own.rmsle_held_out)
        for name, own in fits.items()
    }
