"""What the runs of a study share: devices, data on them, and one compiled program per shape."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from scalax import cost, models
from scalax.config import RunConfig
from scalax.cost.model import forward_flops
from scalax.data import Dataset, Splits
from scalax.errors import UserError
from scalax.schedule import Shape
from scalax.train import mesh as meshes
from scalax.train import state as states
from scalax.train.optimizer import make_optimizer
from scalax.train.step import make_predict, make_train_step, update
from scalax.train.timeline import StepCost

TOLERANCE = 0.1  # share of XLA's count


class Cost(NamedTuple):
    """One shape's training step at the global batch, and its forward pass for one image (weights resized
    to the patch in use count in the step alone)."""

    step: StepCost
    explained: dict[str, float]  # XLA's FLOPs by name: products and convolutions, element-wise work, ...
    reason: str  # why the two counts of `step` differ, where they do by over 10%
    forward_macs: float
    params: int

    def to_json(self) -> dict:
        return {**self._asdict(), "step": self.step._asdict()}


class Setup:
    """Programs and device data for runs of `config` on `splits`, each made once and when first needed."""

    def __init__(self, config: RunConfig, splits: Splits):
        self.config = config
        self.splits = splits
        self.mesh = meshes.make_mesh()
        meshes.check_batch(self.mesh, config.batch_size)
        meshes.check_batch(self.mesh, config.eval.batch_size)
        self.optimizer = make_optimizer(config.optim)
        self.precision = config.model.precision
        if self.precision == "auto":
            self.precision = "float32" if jax.default_backend() == "cpu" else "bfloat16"
        self._dataset: Any = None
        self._costs: dict[Shape, Cost] = {}
        self._steps: dict[Shape, Callable] = {}
        self._predicts: dict[Shape, Callable] = {}

    def model(self, shape: Shape) -> nn.Module:
        config = self.config.model
        return models.build(
            str(shape),
            self.splits.classes,
            image_size=self.config.data.image_size,
            base_patch=config.base_patch,
            base_grid=config.base_grid,
            dtype=jnp.dtype(self.precision),
        )

    def new_state(self, shape: Shape, seed: int) -> states.TrainState:
        state = states.create(self.model(shape), self.optimizer, self.splits.image_shape, seed)
        return meshes.replicate(self.mesh, state)

    def dataset(self):
        """The training images and labels on every device, or () where they are fed from the host."""
        if self._dataset is None:
            train = self.splits.train
            resident = train.images is not None
            self._dataset = meshes.replicate(self.mesh, (train.images, train.labels)) if resident else ()
        return self._dataset

    def step(self, shape: Shape, *example) -> Callable:
        """The compiled train step; `example` are arguments like those it will be called with."""
        if shape not in self._steps:
            jitted = make_train_step(self.model(shape), self.optimizer, self.config, self.mesh)
            self._steps[shape] = jitted.lower(*example).compile()
        return self._steps[shape]

    def cost(self, shape: Shape) -> Cost:
        """FLOPs of one training step, from shapes alone.

        Raises UserError where XLA's count and that of products and convolutions differ by over 10%, and
        neither the work that is counted beside them nor config.cost_note gives the reason.
        """
        if shape not in self._costs:
            self._costs[shape] = self._count(shape)
        return self._costs[shape]

    def _count(self, shape: Shape) -> Cost:
        config = self.config
        model = self.model(shape)
        image_shape = self.splits.image_shape
        state = jax.eval_shape(lambda: states.create(model, self.optimizer, image_shape, 0))
        images = jax.ShapeDtypeStruct((config.batch_size, *image_shape), jnp.float32)
        labels = jax.ShapeDtypeStruct((config.batch_size,), jnp.int32)
        rate = jax.ShapeDtypeStruct((), jnp.float32)

        def train_step(state, images, labels, rate):
            return update(model, self.optimizer, config.optim.label_smoothing, state, images, labels, rate)

        counted = cost.count(train_step, state, images, labels, rate)
        xla = cost.xla_flops(train_step, state, images, labels, rate)
        explained = cost.reconcile(counted, xla)
        one = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
        forward = forward_flops(model, {"params": state.params, **state.model_state}, one)
        macs = (forward["embedding"] + forward["blocks"] + forward["head"]) / 2
        params = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(state.params))
        reason = _reason(shape, StepCost(xla, counted.matmul), explained, config.cost_note)
        return Cost(StepCost(xla, counted.matmul), explained, reason, macs, params)

    def predictor(self, shape: Shape, state: states.TrainState) -> Callable:
        """(dataset, rows or None for all) -> wrong [N], loss [N], features [N, d] as host arrays."""
        if shape not in self._predicts:
            self._predicts[shape] = make_predict(self.model(shape), self.mesh)
        program, batch = self._predicts[shape], self.config.eval.batch_size

        def predict(dataset: Dataset, rows: np.ndarray | None = None):
            rows = np.arange(len(dataset)) if rows is None else rows
            parts = []
            for start in range(0, len(rows), batch):
                index = rows[start : start + batch]
                padded = np.resize(index, batch)  # repeats rows to fill the batch; cut off below
                inputs = meshes.split(self.mesh, dataset.read(padded))
                outputs = program(state.params, state.model_state, *inputs)
                parts.append([np.asarray(output)[: len(index)] for output in outputs])
            return tuple(np.concatenate(column) for column in zip(*parts, strict=True))

        return predict


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
        f"cost of {shape}: XLA counts {step.flops:.4g} FLOPs a step, products and convolutions take"
        f" {step.flops_matmul:.4g}, and {explained['unexplained'] / step.flops:.0%} have no reason;"
        " give it with --cost-note to run all the same"
    )
