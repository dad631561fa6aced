"""The runs of a study of repeated examples: every part of the images with every seed."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from etils import epath

from scalax import data, metrics, records, train
from scalax.names import number_text
from scalax.schedule import Schedule, Stage
from scalax.studies import naming
from scalax.studies.bootstrapped import analysis
from scalax.studies.bootstrapped.config import BootstrappedConfig
from scalax.studies.bootstrapped.result import BootstrappedResult
from scalax.studies.protocol import Device

UPSTREAM = "val_error"


def run(
    config: BootstrappedConfig, out: Any, hooks: Sequence[Any] = (), say: Callable[[str], None] = print
) -> BootstrappedResult:
    """Do what is missing of the study in directory `out` (see Study.run).

    - config: of the study.
    - out: its directory.
    - hooks: train.Hook of all training.
    - say: shows a line of text.
    """
    load, shape = functools.cache(data.load), config.shape()
    whole = dataclasses.replace(train.open_experiment(config.run), load=load)
    for line in whole.said():
        say(line)
    whole.evaluator.check(config.metric)
    total = len(whole.splits.train)
    made, counts = [], []
    for share in config.shares:
        experiment = _on(config, whole, round(share * total))
        cost = experiment.cost(shape)
        steps = max(1, round(config.examples / config.run.batch_size))
        schedule = Schedule((Stage(shape, steps * cost.step.flops * (1 + 1e-9)),))
        names = {seed: _name(naming.of_shape(shape), share, seed) for seed in config.seeds}
        specs = [train.RunSpec(name, schedule, seed) for seed, name in names.items()]
        runs = train.execute(experiment, specs, epath.Path(out) / "runs", hooks, say)
        made.append([runs[name] for name in names.values()])
        counts.append(len(experiment.splits.train))
    found = [[records.measured(run.records, config.metric) for run in runs] for runs in made]
    [examples] = {tuple(record.examples for record in run) for runs in found for run in runs}
    errors, upstream = (
        [np.array([[record.metrics[name] for record in run] for run in runs]) for runs in found]
        for name in (config.metric, UPSTREAM)
    )
    least = metrics.least(config.metric, whole.targets)
    errors = [np.maximum(own, least) for own in errors]
    return BootstrappedResult(
        config=config,
        device=Device(**train.device()),
        versions=train.versions(),
        shape=str(shape),
        params=whole.cost(shape).params,
        train_s=sum(run.records[-1].wall_s for runs in made for run in runs),
        examples=list(examples),
        parts=analysis.parts(config, examples, counts, errors, upstream),
    )


def _on(config: BootstrappedConfig, whole: train.Experiment, images: int) -> train.Experiment:
    """The experiment on the first images of those of `whole`."""
    if images == len(whole.splits.train):
        return whole
    part = dataclasses.replace(config.run.data, max_train_images=max(1, images))
    experiment = train.open_experiment(dataclasses.replace(config.run, data=part))
    return dataclasses.replace(experiment, load=whole.load)


def _name(shape: str, share: float, seed: int) -> str:
    return f"{shape}_share{number_text(share)}_seed{seed}"
