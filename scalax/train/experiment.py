"""What the runs of one config share: task, data, devices, costs and compiled programs."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from scalax import data, models, tasks
from scalax.config import DataConfig, EvalConfig, ModelConfig, RunConfig, StartConfig
from scalax.data import Splits
from scalax.errors import UserError
from scalax.evals import Evaluator, evaluations
from scalax.schedule import Schedule, Shape
from scalax.tasks import Task
from scalax.train import mesh as meshes
from scalax.train import start
from scalax.train.batches import Batches
from scalax.train.costs import Cost, Costs
from scalax.train.memory import check_fits, tree_bytes
from scalax.train.optimizer import make_optimizer
from scalax.train.programs import Programs
from scalax.train.state import TrainState

ALWAYS = (
    "base_patch",
    "base_grid",
    "head_dim",
    "pool",
    "branch_scalars",
    "representation",
    "exact_gelu",
)  # given to the families that have them
TRAINING = ("scan", "remat", "dropout", "drop_path")  # rejected, once set, by a family that lacks them


class Build(Protocol):
    """From a shape to its module: as it is trained, or without the options that change no cost."""

    def __call__(self, shape: Shape, training: bool) -> nn.Module: ...


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Made by `open_experiment`; everything in it is made once, and when it is first needed.

    - precision: of computation, 'float32' or 'bfloat16'.
    - load: opens the data of evaluations; the same settings are opened once.
    """

    config: RunConfig
    task: Task
    splits: Splits
    mesh: Mesh
    precision: str
    batches: Batches
    costs: Costs
    programs: Programs
    load: Callable[[DataConfig], Splits]

    @property
    def examples(self) -> dict[str, int]:
        """How many there are to train on and to validate on."""
        return {"train": len(self.splits.train), "validation": len(self.splits.validation)}

    def said(self) -> list[str]:
        """Lines on what was read and is applied, where that goes without saying nowhere else."""
        lines = [line] if (line := self.splits.said()) else []
        if self.config.start.weights:
            name = self.config.data.normalize
            name = "symmetric" if name == "auto" else name
            mean, std = data.RANGES[name]
            lines.append(
                f"{self.config.start.weights}: pixels from 0 to 1 are normalised by mean {mean[0]:.3g}"
                f" {mean[1]:.3g} {mean[2]:.3g} and deviation {std[0]:.3g} {std[1]:.3g} {std[2]:.3g} ({name})"
            )
        return lines

    @property
    def targets(self) -> int:
        """How many targets a validation error is a share of: those of all validation examples."""
        return len(self.splits.validation) * math.prod(self.task.target.shape)

    @functools.cached_property
    def evaluator(self) -> Evaluator:
        """Raises UserError for what cannot be evaluated."""
        return Evaluator(evaluations(self.config), self.task, self.splits, self.load)

    def plain(self, schedule: Schedule) -> Schedule:
        """The schedule, with a resolution that is the data's own said as 0.

        Raises UserError where the task has no examples of a resolution.
        """
        own = [s._replace(shape=self._plain(s.shape)) for s in schedule.stages]
        return Schedule(tuple(own))

    def _plain(self, shape: Shape) -> Shape:
        has_it = tasks.of_shape(self.task, shape) == self.task
        return shape._replace(resolution=0) if has_it else shape

    def cost(self, shape: Shape, batch_size: int | None = None) -> Cost:
        """Of one training step (costs.Costs.of)."""
        return self.costs.of(shape, batch_size)

    def first_state(self, shape: Shape, seed: int | Sequence[int]) -> TrainState:
        """The state before the first step, by config.start; a sequence of seeds makes a population."""
        state = self.programs.new_state(shape, seed)
        population = not isinstance(seed, int)
        return start.apply(self.config.start, self.programs.build(shape), state, population)

    def check_start(self, shapes: Iterable[Shape]) -> None:
        """Raises UserError where runs of these shapes cannot begin by config.start."""
        if self.config.start != StartConfig():
            for shape in dict.fromkeys(shapes):
                state = self.programs.abstract_state(shape)
                start.apply(self.config.start, self.programs.build(shape), state, population=False)

    def evaluated(self, evaluation: EvalConfig) -> "Experiment":
        """The same programs, for runs that are evaluated otherwise."""
        return dataclasses.replace(self, config=dataclasses.replace(self.config, eval=evaluation))

    def of_low_frequencies(self) -> "Experiment":
        """For runs whose images are resized by data.resize frequencies; with programs of its own."""
        resized = dataclasses.replace(self.config.data, resize="frequencies")
        return open_experiment(dataclasses.replace(self.config, data=resized), self.splits)

    def cooling_down(self) -> "Experiment":
        """The same programs, for runs whose learning rate falls to zero over optim.cooldown_share."""
        optim = dataclasses.replace(self.config.optim, schedule="wsd")
        return dataclasses.replace(self, config=dataclasses.replace(self.config, optim=optim))


def open_experiment(
    config: RunConfig, splits: Splits | None = None, build: Build | None = None
) -> Experiment:
    """Open the data and the task of a config.

    - config: of all runs.
    - splits: data that are open already.
    - build: makes the models, in place of what config.model says.

    Raises UserError for what is missing or does not fit together.
    """
    config = start.with_normalization(config.resolved())
    splits = data.load(config.data) if splits is None else splits
    task = tasks.open_task(config, splits)
    mesh = meshes.make_mesh()
    meshes.check_batch(mesh, config.eval.batch_size, "eval.batch_size")
    example = tree_bytes(splits.validation.example)
    what = f"eval.batch_size {config.eval.batch_size}"
    check_fits(what, config.eval.batch_size * example // mesh.size, "lower it")
    precision = config.model.precision
    if precision == "auto":
        precision = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    optimizer, batches = make_optimizer(config.optim), Batches(splits.train, mesh)
    build = build or model_builder(config.model, task, precision, bool(config.start.weights))
    plain, trained = (functools.partial(build, training=training) for training in (False, True))
    return Experiment(
        config,
        task,
        splits,
        mesh,
        precision,
        batches,
        Costs(config, task, optimizer, mesh, plain),
        Programs(config, task, optimizer, mesh, batches, trained),
        functools.cache(data.load),
    )


def model_builder(config: ModelConfig, task: Task, precision: str, published: bool = False) -> Build:
    """Makes the models of a config for a task.

    - config: of the models.
    - task: inputs and outputs.
    - precision: float32 or bfloat16.
    - published: the weights are, so that positions are resized as their code does it.

    What it gives raises UserError when asked for a shape that the family does not have.
    """

    def build(shape: Shape, training: bool) -> nn.Module:
        family, _ = models.find(shape.model)
        of_shape = tasks.of_shape(task, shape)
        if shape.resolution % shape.patch:
            near = max(shape.patch, round(shape.resolution / shape.patch) * shape.patch)
            raise UserError(
                f"shape {shape}: patch {shape.patch} does not divide its resolution {shape.resolution};"
                f" choose {near}"
            )
        options = {name: getattr(config, name) for name in ALWAYS if name in family.options}
        if published and "antialias" in family.options:
            options["antialias"] = True
        if training:
            options |= {name: getattr(config, name) for name in TRAINING if getattr(config, name)}
            options |= {"attention": config.attention} if "attention" in family.options else {}
        dtype = jnp.dtype(precision)
        return models.build(shape.model, of_shape.outputs, dtype=dtype, **of_shape.model_options(), **options)

    return build
