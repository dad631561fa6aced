"""The train step and the evaluation step: pure, and mapped over the devices by shard_map."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from scalax import data
from scalax.config import RunConfig
from scalax.train.mesh import AXIS
from scalax.train.state import TrainState


def update(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    smoothing: float,
    state: TrainState,
    images: Array,
    labels: Array,
    rate: Array,
    axis: str | None = None,
) -> tuple[TrainState, dict[str, Array]]:
    """One update on normalised images [B, H, W, C] and labels [B]; the cost of a step is this function's.

    With `axis`, gradients, statistics and metrics are averaged over that mesh axis.
    Metrics: loss (mean smoothed cross-entropy, nats) and grad_norm (before clipping).
    """

    def loss_of(params):
        variables = {"params": params, **state.model_state}
        (logits, _), model_state = model.apply(variables, images, train=True, mutable=list(state.model_state))
        targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), smoothing)
        return optax.softmax_cross_entropy(logits, targets).mean(), model_state

    (loss, model_state), grads = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    if axis is not None:
        loss, model_state, grads = jax.lax.pmean((loss, model_state, grads), axis)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    params = jax.tree.map(lambda p, u: p - rate * u, state.params, updates)
    metrics = {"loss": loss, "grad_norm": optax.global_norm(grads)}
    return state._replace(
        step=state.step + 1, params=params, opt_state=opt_state, model_state=model_state
    ), metrics


def make_train_step(model: nn.Module, optimizer: optax.GradientTransformation, config: RunConfig, mesh: Mesh):
    """(state, dataset, batch, rate) -> (state, metrics), jitted; the state's buffers are reused.

    dataset: (images uint8 [N, H, W, C], labels [N]) on every device, with batch: row numbers [B];
    or dataset: (), with batch: {'image': uint8 [B, H, W, C], 'label': [B]}. B is the global batch.
    """

    def local_step(state: TrainState, dataset, batch, rate: Array):
        images, labels = (
            (dataset[0][batch], dataset[1][batch]) if dataset else (batch["image"], batch["label"])
        )
        positions = jax.lax.axis_index(AXIS) * len(labels) + jnp.arange(len(labels))
        step_key = jax.random.fold_in(state.seed_key, state.step)
        keys = jax.vmap(partial(jax.random.fold_in, step_key))(positions)
        images = data.augment(keys, images, config.data.crop_padding, config.data.flip)
        smoothing = config.optim.label_smoothing
        return update(model, optimizer, smoothing, state, data.normalise(images), labels, rate, axis=AXIS)

    specs = (P(), P(), P(AXIS), P())
    mapped = jax.shard_map(local_step, mesh=mesh, in_specs=specs, out_specs=P(), check_vma=False)
    return jax.jit(mapped, donate_argnums=0)


def make_predict(model: nn.Module, mesh: Mesh) -> Callable:
    """(params, model_state, images uint8 [B, H, W, C], labels [B]) -> wrong [B] (0 or 1), loss [B]
    (cross-entropy without smoothing, nats) and the frozen features [B, d]."""

    def local_predict(params, model_state, images: Array, labels: Array):
        variables = {"params": params, **model_state}
        logits, intermediates = cast(Any, model.apply)(variables, data.normalise(images), train=False)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        wrong = (logits.argmax(-1) != labels).astype(jnp.float32)
        return wrong, loss, intermediates["pre_logits"].astype(jnp.float32)

    specs = (P(), P(), P(AXIS), P(AXIS))
    return jax.jit(
        jax.shard_map(local_predict, mesh=mesh, in_specs=specs, out_specs=P(AXIS), check_vma=False)
    )
