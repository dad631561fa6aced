"""Which cells a study has, their steps and their cost: from shapes alone, without data."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from scalax import models
from scalax.cost.model import training_flops
from scalax.errors import UserError
from scalax.schedule import Shape
from scalax.studies.returns.config import ReturnsConfig, Task
from scalax.tasks.image_classification import ImageClassification
from scalax.train.costs import Costs
from scalax.train.experiment import model_builder
from scalax.train.mesh import make_mesh
from scalax.train.optimizer import make_optimizer
from scalax.unused import of_constant_shape, of_swept


class Architecture(NamedTuple):
    """place: in the config's lists. lr: of its runs. weights: that it starts from; empty for at random."""

    place: int
    shape: Shape
    lr: float
    weights: str


class PlannedCell(NamedTuple):
    """A budget of an architecture on a task. params: of its model; left_flops: of the budget, after
    `steps`."""

    task: Task
    architecture: Architecture
    params: int
    budget_flops: float
    step_flops: float
    steps: int
    left_flops: float


def unused(config: ReturnsConfig) -> dict[str, str]:
    """Settings without effect (see Study.unused)."""
    of_eval = dict.fromkeys(("eval.shots", "eval.keep_scores"), "to a study of returns")
    return {**of_constant_shape(), **of_swept({"lrs": config.lrs}), **of_eval}


def architectures(config: ReturnsConfig) -> list[Architecture]:
    """Raises UserError for a name that is no model's."""
    found = []
    for place, name in enumerate(config.run.model.names):
        plain = config.run.model.shape(name)
        family, _ = models.find(str(plain))
        patch = config.patches[place if len(config.patches) > 1 else 0]
        patch = config.run.model.patch_of(name) or patch
        shape = plain._replace(patch=patch) if "patch" in family.axes else plain
        lr = config.lrs[place] if config.lrs else config.run.optim.lr
        found.append(Architecture(place, shape, lr, config.weights[place] if config.weights else ""))
    return found


def cells(config: ReturnsConfig, task: Task, architecture: Architecture) -> list[PlannedCell]:
    """One a budget. Raises UserError where a budget buys no step, or no more than the one before."""
    params, step_flops = cost_of_step(config, task.classes, architecture.shape)
    found = []
    for ratio in config.ratios:
        budget = ratio * config.base_flops[architecture.place]
        steps = int(budget / step_flops * (1 + 1e-12))
        if steps <= (found[-1].steps if found else 0):
            raise UserError(
                f"base_flops: {budget:.4g} FLOPs buy {steps} steps of {architecture.shape} on task"
                f" {task.name!r} ({step_flops:.4g} each){', as the budget before' if found else ''}; raise it"
            )
        left = max(0.0, budget - steps * step_flops)
        found.append(PlannedCell(task, architecture, params, budget, step_flops, steps, left))
    return found


def cost_of_step(config: ReturnsConfig, classes: int, shape: Shape) -> tuple[int, float]:
    """(parameters of the model, training FLOPs of one step by config.counted)."""
    run = config.run.resolved()
    task = ImageClassification(
        image_shape=(run.data.image_size, run.data.image_size, config.channels),
        outputs=classes,
        label_smoothing=run.optim.label_smoothing,
        crop_padding=run.data.crop_padding,
        flip=run.data.flip,
    )
    build = model_builder(run.model, task, "float32")
    inputs = jax.ShapeDtypeStruct((run.batch_size, *task.image_shape), jnp.float32)
    flops = training_flops(build(shape, False), inputs)
    if config.counted == "xla":
        costs = Costs(run, task, make_optimizer(run.optim), make_mesh(), lambda shape: build(shape, False))
        return flops.params, costs.of(shape).step.flops
    return flops.params, flops.fused if config.counted == "fused" else flops.matmul
