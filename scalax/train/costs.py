"""What a training step costs: by XLA and by our own count, which must agree."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from scalax import cost
from scalax.config import RunConfig
from scalax.cost.model import forward_flops
from scalax.errors import UserError
from scalax.schedule import Shape
from scalax.tasks import Task, of_shape
from scalax.train import mesh as meshes
from scalax.train import state as states
from scalax.train import widths
from scalax.train.memory import check_fits, tree_bytes
from scalax.train.once import Once
from scalax.train.optimizer import Hyperparams, Optimizer
from scalax.train.step import check_accumulate, update
from scalax.train.timeline import StepCost

TOLERANCE = 0.1  # share of XLA's count


class Cost(NamedTuple):
    """One shape's training step at the global batch, and its forward pass for one example (weights resized
    to the patch in use count in the step alone)."""

    step: StepCost
    explained: dict[str, float]  # XLA's FLOPs by name: products and convolutions, element-wise work, ...
    reason: str  # why the two counts of `step` differ, where they do by over 10%
    forward_macs: float
    params: int

    def to_json(self) -> dict:
        return {**self._asdict(), "step": self.step._asdict()}


class Costs:
    """Of the steps of an experiment, each counted once.

    - config: of the experiment.
    - task: what is learnt.
    - optimizer: of the step.
    - mesh: of the devices.
    - build: from a shape to its module, without options of training: they change no cost.
    """

    def __init__(
        self,
        config: RunConfig,
        task: Task,
        optimizer: Optimizer,
        mesh: Mesh,
        build: Callable[[Shape], nn.Module],
    ):
        self._config, self._task, self._optimizer = config, task, optimizer
        self._mesh, self._build = mesh, build
        self._once = Once()

    def of(self, shape: Shape, batch_size: int | None = None) -> Cost:
        """FLOPs of one training step, from shapes alone. batch_size: the config's where it is not given.

        They are those of the model at the shape's resolution. What prepares the examples is not counted:
        cropping, mirroring, resizing.

        Raises UserError where XLA's count and that of products and convolutions differ by over 10%, and
        neither the work that is counted beside them nor config.cost_note gives the reason.
        """
        batch = batch_size or self._config.batch_size
        return self._once((shape, batch), lambda: self._count(shape, batch))

    def _count(self, shape: Shape, batch_size: int) -> Cost:
        config, task = self._config, of_shape(self._task, shape)
        meshes.check_batch(self._mesh, batch_size, "batch_size", config.accumulate)
        model = self._build(shape)
        state = states.abstract(model, self._optimizer.transform, task.input)
        check_accumulate(config.accumulate, state.model_state)  # before anything compiles
        parts = self._mesh.size if config.shard_optimizer else 1
        size = tree_bytes(state.params) + tree_bytes(state.opt_state) // parts
        check_fits(f"model {shape} with its optimiser's state", size, "choose a smaller one")
        counts = _counts if _hashable(model, task) else _counts.__wrapped__
        counted, xla, macs = counts(model, task, self._optimizer, config.optim.base_width, batch_size)
        explained = cost.reconcile(counted, xla)
        params = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(state.params))
        reason = _reason(shape, StepCost(xla, counted.matmul), explained, config.cost_note)
        return Cost(StepCost(xla, counted.matmul), explained, reason, macs, params)


def _hashable(*values: Any) -> bool:
    """Whether all have a hash; a task from outside may hold a dict or an array."""
    try:
        hash(values)
    except TypeError:
        return False
    return True


@functools.lru_cache(maxsize=256)
def _counts(
    model: nn.Module, task: Task, optimizer: Optimizer, base_width: int, batch_size: int
) -> tuple[cost.Count, float, float]:
    """(our count of a training step, XLA's FLOPs of it, multiply-adds of the forward pass for one example):
    made once for all experiments that train the same.

    - model, task: what is trained, and on what.
    - optimizer, base_width: how (widths.scaled).
    - batch_size: of the step.
    """
    scaled = widths.scaled(optimizer, model, task.input, base_width)
    state = states.abstract(model, scaled.transform, task.input)
    inputs, targets = (
        jax.ShapeDtypeStruct((batch_size, *spec.shape), spec.dtype) for spec in (task.input, task.target)
    )
    hyperparams = Hyperparams(*[jax.ShapeDtypeStruct((), jnp.float32)] * len(Hyperparams._fields))

    def train_step(state: Any, inputs: Any, targets: Any, hyperparams: Any):
        return update(model, scaled, task, state, inputs, targets, hyperparams)

    counted, xla, _ = cost.count_both(train_step, state, inputs, targets, hyperparams)
    one = jax.ShapeDtypeStruct((1, *task.input.shape), task.input.dtype)
    forward = forward_flops(model, {"params": state.params, **state.model_state}, one)
    return counted, xla, (forward["embedding"] + forward["blocks"] + forward["head"]) / 2


def _reason(shape: Shape, step: StepCost, explained: dict[str, float], note: str) -> str:
    if not step.flops > 0:
        raise UserError(
            f"cost of {shape}: XLA's cost analysis counts no FLOPs; report this with your version of jax"
        )
    if abs(step.flops - step.flops_matmul) <= TOLERANCE * step.flops:
        return ""
    if abs(explained["unexplained"]) <= TOLERANCE * step.flops:
        parts = {k: v for k, v in explained.items() if k != "matmul" and abs(v) > 0.001 * step.flops}
        return ", ".join(f"{name} {flops / step.flops:.1%}" for name, flops in parts.items())
    if note:
        return note
    raise UserError(
        f"cost of {shape}: XLA counts {step.flops:.4g} FLOPs a step, of which products and convolutions are"
        f" {step.flops_matmul:.4g}; {explained['unexplained'] / step.flops:.0%} are unexplained."
        " To run all the same, give the reason in cost_note"
    )
