"""The train step and the evaluation step: pure, and mapped over the devices by shard_map."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from scalax import models
from scalax.config import RunConfig
from scalax.errors import UserError
from scalax.tasks import Task
from scalax.train import mesh as meshes
from scalax.train.mesh import AXIS
from scalax.train.optimizer import Hyperparams, Optimizer, descend
from scalax.train.state import TrainState

DROPOUT = 2**32 - 1  # folded into a step's key for its dropout; examples take 0, 1, ... for theirs


def update(
    model: nn.Module,
    optimizer: Optimizer,
    task: Task,
    state: TrainState,
    inputs: Array,
    targets: Array,
    hyperparams: Hyperparams,
) -> tuple[TrainState, dict[str, Array]]:
    """One update on a prepared batch; the cost of a step is this function's.

    - model, optimizer, task: what is trained, how, and on what.
    - state: before the update.
    - inputs, targets: [B, ...].
    - hyperparams: of the update.

    Metrics: loss (the task's) and grad_norm (before clipping).
    """
    found = gradients(model, task, state, inputs, targets, jnp.arange(len(targets)))
    return apply_gradients(optimizer, state, found, hyperparams, skip_nonfinite=False)


def gradients(
    model: nn.Module, task: Task, state: TrainState, inputs: Array, targets: Array, example_ids: Array
) -> tuple[Array, Any, Any]:
    """(loss, model_state, gradients) of the task's loss.

    - model, task: what is trained, and on what.
    - state: before the update.
    - inputs, targets: [B, ...].
    - example_ids: [B] numbers of the examples in the global batch, from which their dropout masks come.
    """
    extra = {}
    if getattr(model, "dropout", 0) or getattr(model, "drop_path", 0):
        key = jax.random.fold_in(jax.random.fold_in(state.seed_key, state.step), DROPOUT)
        extra = {"example_ids": example_ids, "rngs": {"dropout": key}}

    def loss_of(params):
        variables = {"params": params, **state.model_state}
        mutable = list(state.model_state)
        (outputs, _), model_state = model.apply(variables, inputs, train=True, mutable=mutable, **extra)
        return task.loss(outputs, targets), model_state

    (loss, model_state), grads = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    return loss, model_state, grads


def apply_gradients(
    optimizer: Optimizer, state: TrainState, found: tuple, hyperparams: Hyperparams, skip_nonfinite: bool
) -> tuple[TrainState, dict[str, Array]]:
    """The state after a step, and its metrics.

    - optimizer: of the step.
    - state: before it.
    - found: its (loss, model_state, gradients).
    - hyperparams: of the step.
    - skip_nonfinite: a step whose loss or gradient is not finite counts, but changes nothing else; the metric
      `skipped` is 1 there, else 0.
    """
    loss, model_state, grads = found
    directions, opt_state = optimizer.transform.update(grads, state.opt_state, state.params)
    new = state._replace(
        step=state.step + 1,
        params=descend(optimizer, state.params, directions, hyperparams),
        opt_state=opt_state,
        model_state=model_state,
    )
    metrics = {"loss": loss, "grad_norm": optax.global_norm(grads)}
    if skip_nonfinite:
        finite = jnp.isfinite(loss) & jnp.isfinite(metrics["grad_norm"])
        kept = jax.tree.map(partial(jnp.where, finite), new, state)
        new, metrics["skipped"] = kept._replace(step=new.step), 1.0 - finite
    return new, metrics


def make_train_step(
    model: nn.Module,
    optimizer: Optimizer,
    task: Task,
    config: RunConfig,
    mesh: Mesh,
    members: int | None = None,
    skip_nonfinite: bool = False,
) -> Any:
    """(state, dataset, batch, hyperparams) -> (state, metrics), jitted; the state's buffers are reused.

    - model, optimizer, task: what is trained, how, and on what.
    - config: accumulate splits each device's part of the batch into so many micro-batches, and
      shard_optimizer the optimiser's state over the devices; neither changes the result.
    - mesh: of the devices.
    - members: of a population; the batch is then [M, B, ...], and state, hyperparams and metrics have a
      leading axis [M].
    - skip_nonfinite: as in `apply_gradients`.

    dataset: raw arrays by name [N, ...] on every device, with batch: row numbers [B]; or dataset: {}, with
    batch: raw arrays by name [B, ...]. B is the global batch. Raises UserError when it is first traced where
    micro-batches would change the result: statistics of batch norm would be theirs.
    """
    if "axis_name" in models.family_of(model).options:
        model = model.clone(axis_name=AXIS)  # batch norm over the global batch

    def local_gradients(state: TrainState, dataset, batch):
        key = jax.random.fold_in(state.seed_key, state.step)

        def of_part(raw, keys, example_ids):
            return gradients(model, task, state, *task.prepare(raw, keys), example_ids)

        found = _averaged(of_part, config.accumulate, *local_batch(key, dataset, batch))
        return jax.lax.pmean(found, AXIS)

    def train_step(state: TrainState, dataset, batch, hyperparams: Hyperparams):
        check_accumulate(config.accumulate, state.model_state)
        compute, apply = local_gradients, partial(apply_gradients, optimizer, skip_nonfinite=skip_nonfinite)
        batch_spec = P(AXIS)
        if members is not None:
            compute, apply = jax.vmap(compute, in_axes=(0, None, 0)), jax.vmap(apply)
            batch_spec = P(None, AXIS)
        specs = (P(), P(), batch_spec)
        mapped = jax.shard_map(compute, mesh=mesh, in_specs=specs, out_specs=P(), check_vma=False)
        found = mapped(state._replace(opt_state=()), dataset, batch)
        state, metrics = apply(state, found, hyperparams)
        # Where the optimiser's state is split, this is what makes the partitioner update it piece by piece.
        shardings = meshes.state_shardings(mesh, state, config.shard_optimizer, members)
        everywhere = jax.tree.map(lambda _: meshes.replicated(mesh), metrics)
        return jax.lax.with_sharding_constraint((state, metrics), (shardings, everywhere))

    return jax.jit(train_step, donate_argnums=0)


def local_batch(key: Array, dataset: dict, batch: Any) -> tuple[dict[str, Array], Array, Array]:
    """This device's part of a step's batch, for shard_map.

    - key: of the step.
    - dataset, batch: as of make_train_step.

    Returns raw arrays by name [b, ...], a key of the step for each example [b], and their numbers [b] in the
    whole batch.
    """
    raw = {name: array[batch] for name, array in dataset.items()} if dataset else batch
    count = len(next(iter(raw.values())))
    example_ids = jax.lax.axis_index(AXIS) * count + jnp.arange(count)
    return raw, jax.vmap(partial(jax.random.fold_in, key))(example_ids), example_ids


def check_accumulate(accumulate: int, model_state: Any) -> None:
    """Raises UserError where micro-batches would change the result."""
    if accumulate > 1 and model_state:
        raise UserError(
            f"accumulate {accumulate}: the model's batch norm would see micro-batches; set accumulate to 1"
        )


def _averaged(of_part: Callable, parts: int, *batch: Any) -> Any:
    """Mean over `parts` of the batch, one after the other, of what `of_part` gives for each."""
    if parts == 1:
        return of_part(*batch)
    pieces = jax.tree.map(lambda array: array.reshape(parts, -1, *array.shape[1:]), batch)
    first = jax.tree.map(lambda array: array[0], pieces)
    total = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(of_part, *first))
    total, _ = jax.lax.scan(
        lambda total, piece: (jax.tree.map(jnp.add, total, of_part(*piece)), None), total, pieces
    )
    return jax.tree.map(lambda x: x / parts, total)


def make_predict(model: nn.Module, task: Task, mesh: Mesh, layers: Sequence[str]) -> Callable:
    """(params, model_state, raw arrays by name [B, ...]) -> scores by name [B] (tasks.Task.scores) and
    features by layer [B, d], the mean over tokens or places; all of them on every device.

    - model: that is evaluated.
    - task: its scores.
    - mesh: of the devices.
    - layers: whose features are wanted.

    Raises UserError when it is first traced where the model has no such layer.
    """

    def local_predict(params, model_state, raw):
        inputs, targets = task.prepare(raw, None)
        variables = {"params": params, **model_state}
        outputs, intermediates = cast(Any, model.apply)(variables, inputs, train=False)
        check_layers(layers, intermediates)
        features = {layer: pooled(intermediates[layer]) for layer in layers}
        return task.scores(outputs, targets), features

    specs = (P(), P(), P(AXIS))
    mapped = jax.shard_map(local_predict, mesh=mesh, in_specs=specs, out_specs=P(AXIS), check_vma=False)
    return jax.jit(mapped, out_shardings=meshes.replicated(mesh))


def check_layers(layers: Sequence[str], there: Any) -> None:
    """Raises UserError where one of `layers` is not among those of the model."""
    for layer in layers:
        if layer not in there:
            raise UserError(f"the model has no layer {layer!r}; it has {', '.join(map(repr, there))}")


def pooled(features: Array) -> Array:
    """[b, ..., d] -> [b, d] float32: the mean over tokens or places."""
    features = features.astype(jnp.float32)
    return features if features.ndim == 2 else features.mean(range(1, features.ndim - 1))
