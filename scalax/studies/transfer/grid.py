"""Models of every shape, share of the data and number of epochs, and some with settings drawn at random."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from scalax.config import DataConfig, OptimConfig
from scalax.evals import Probes
from scalax.evals.probes import probed
from scalax.names import number_text
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies import naming
from scalax.studies.transfer.config import TransferConfig
from scalax.studies.transfer.result import ModelRow
from scalax.unused import of_constant_shape

if TYPE_CHECKING:
    from scalax.train import Experiment

SPREAD = 4.0  # random learning rates lie within this factor of optim.lr


class Planned(NamedTuple):
    """A run to make, before its experiment is opened: optim None is the config's."""

    name: str
    part: Literal["grid", "random"]
    shape: Shape
    share: float
    epochs: float
    optim: OptimConfig | None = None


def unused(config: TransferConfig) -> dict[str, str]:
    """Settings without effect (see Study.unused)."""
    why = "to a study of transfer"
    return {**of_constant_shape(), "budget_flops": f"{why}: its runs have epochs", "eval.shots": why}


def planned(config: TransferConfig) -> list[Planned]:
    """All runs of the part; those at random are the same for the same seed."""
    shapes = config.shapes()
    found = [
        Planned(_name(shape, share, epochs), "grid", shape, share, epochs)
        for shape, share, epochs in itertools.product(shapes, config.shares, config.epochs)
    ]
    rng = np.random.default_rng(config.seed)
    for i in range(config.random_runs if config.shares else 0):
        shape = shapes[int(rng.integers(len(shapes)))]
        share = config.shares[int(rng.integers(len(config.shares)))]
        epochs = config.epochs[int(rng.integers(len(config.epochs)))]
        optim = dataclasses.replace(
            config.run.optim,
            lr=float(config.run.optim.lr * SPREAD ** rng.uniform(-1, 1)),
            lr_head=float(10 ** rng.uniform(-1, 1)),
            weight_decay=float(10 ** rng.uniform(-4, 0)),
            weight_decay_head=float(10 ** rng.uniform(-4, 0.7)),
        )
        name = f"random{i:02d}_{_name(shape, share, epochs)}"
        found.append(Planned(name, "random", shape, share, epochs, optim))
    return found


def _name(shape: Shape, share: float, epochs: float) -> str:
    return f"{naming.of_shape(shape)}_share{number_text(share)}_epochs{number_text(epochs)}"


def probes(config: TransferConfig, sets: dict[str, DataConfig], layers: tuple[str, ...]) -> tuple[Any, ...]:
    """The evaluations of a model: a probe of all its layers a set."""
    return tuple(Probes(name, data, layers, config.shots, config.draws) for name, data in sets.items())


def rows(
    config: TransferConfig,
    sets: dict[str, DataConfig],
    opened: Callable[[float], "Experiment"],
    execute: Callable[["Experiment", Sequence[Any]], dict[str, Any]],
) -> list[ModelRow]:
    """Make the runs that are missing, and read from each the errors at its evaluations.

    - config: of the study.
    - sets: the downstream sets by name.
    - opened: from a share of the training images to the experiment on it.
    - execute: makes runs of an experiment, and gives them by name (train.execute).
    """
    from scalax.train import RunSpec

    everything, found = planned(config), {}
    for share, shape in itertools.product(config.shares, config.shapes()):
        some = [each for each in everything if (each.share, each.shape) == (share, shape)]
        if not some:
            continue
        experiment = opened(share)
        layers = experiment.programs.layers(shape)
        evaluation = dataclasses.replace(config.run.eval, shots=0, more=probes(config, sets, layers))
        experiment = experiment.evaluated(evaluation)
        images, cost = len(experiment.splits.train), experiment.cost(shape)
        specs = []
        for each in some:
            steps = max(1, round(each.epochs * images / config.run.batch_size))
            schedule = Schedule((Stage(shape, steps * cost.step.flops * (1 + 1e-9)),))
            specs.append(RunSpec(each.name, schedule, config.seed, each.optim))
        runs = execute(experiment, specs)
        for each in some:
            records = runs[each.name].records
            found[each.name] = [
                ModelRow(
                    run=each.name,
                    part=each.part,
                    last=record is records[-1],
                    shape=str(shape),
                    family=shape.family,
                    params=cost.params,
                    layers=list(layers),
                    images=images,
                    epochs=record.examples / images,
                    flops=record.flops,
                    upstream=record.metrics["val_error"],
                    downstream={
                        f"{one.name}/{one.layer}@{one.shots}": one.error for one in probed(record.metrics)
                    },
                )
                for record in records
            ]
    return [row for each in everything for row in found[each.name]]
