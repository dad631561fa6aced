"""Evaluations of a run that is finished, from its last checkpoint."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from scalax import settings
from scalax.config import DataConfig, EvalConfig, RunConfig, StartConfig
from scalax.data import Splits
from scalax.evals import Evaluation, Evaluator, Outputs
from scalax.records import read_info
from scalax.schedule import Shape
from scalax.train import start
from scalax.train.experiment import Experiment, open_experiment
from scalax.train.predict import outputs_of
from scalax.train.step import check_layers


class Finished(NamedTuple):
    """A run that is finished, opened by `open_finished`.

    - experiment: that it is of. shape: that it ended with. layers: names of the model's intermediates.
    - outputs: from the layers to what the last checkpoint says of examples.
    """

    experiment: Experiment
    shape: Shape
    layers: tuple[str, ...]
    outputs: Callable[[tuple[str, ...]], Outputs]

    def measure(self, parts: Sequence[Evaluation]) -> dict[str, float]:
        """Metrics by name. Raises UserError for what cannot be evaluated."""
        experiment = self.experiment
        check_layers([layer for part in parts for layer in part.layers], self.layers)
        evaluator = Evaluator(parts, experiment.task, experiment.splits, experiment.load)
        return evaluator.measure(self.outputs(evaluator.layers), 0, last=True)


def open_finished(
    directory: Any,
    batch_size: int | None = None,
    setting: str = "directory",
    load: Callable[[DataConfig], Splits] | None = None,
) -> Finished:
    """Open a run with its own data and settings.

    - directory: of the run.
    - batch_size: examples at a time; None takes that of the run's own evaluations.
    - setting: what errors call the directory.
    - load: opens the data of evaluations; None opens each once for this run.

    Raises UserError where the run is not finished, its checkpoint or its data are gone.
    """
    info = read_info(directory)
    start.arrays_of_run(str(directory), setting)  # raises before any data are read
    config = settings.config_of(info.config, f"{directory}/run.json")
    experiment = open_experiment(_evaluated(config, batch_size))
    if load is not None:
        experiment = dataclasses.replace(experiment, load=load)
    first, last = info.schedule.stages[0].shape, info.schedule.stages[-1].shape
    programs = experiment.programs
    state = start.apply(
        StartConfig(run=str(directory)), programs.build(last), programs.abstract_state(last), population=False
    )

    def outputs(layers: tuple[str, ...]) -> Outputs:
        size = experiment.config.eval.batch_size
        return outputs_of(
            programs.predict(last, size, layers),
            experiment.mesh,
            size,
            state,
            initial=lambda: experiment.first_state(first, info.seed).params,
        )

    return Finished(experiment, last, programs.layers(last), outputs)


def _evaluated(config: RunConfig, batch_size: int | None) -> RunConfig:
    evaluation = EvalConfig(batch_size=batch_size or config.eval.batch_size, shots=0)
    images = config.data
    # Of a run that is made, auto was symmetric; what it began with may be gone.
    if images.normalize == "auto" and config.start != StartConfig():
        images = dataclasses.replace(images, normalize="symmetric")
    return dataclasses.replace(config, data=images, eval=evaluation)
