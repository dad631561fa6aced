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
from scalax.config import DataConfig, RunConfig
from scalax.errors import UserError
from scalax.train import mesh as meshes
from scalax.train.mesh import AXIS
from scalax.train.optimizer import Knobs, descend
from scalax.train.state import TrainState

DROPOUT = 2**32 - 1  # folded into a step's key for its dropout; images take 0, 1, ... for theirs


def update(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    smoothing: float,
    state: TrainState,
    images: Array,
    labels: Array,
    knobs: Knobs,
    *,
    skip_nonfinite: bool = False,
) -> tuple[TrainState, dict[str, Array]]:
    """One update on normalised images [B, H, W, C] and labels [B]; the cost of a step is this function's.

    Metrics: loss (mean smoothed cross-entropy, nats) and grad_norm (before clipping).
    """
    found = gradients(model, smoothing, state, images, labels, jnp.arange(len(labels)))
    return apply_gradients(optimizer, state, found, knobs, skip_nonfinite)


def gradients(model: nn.Module, smoothing: float, state, images: Array, labels: Array, positions: Array):
    """(loss, model_state, gradients) of the mean smoothed cross-entropy.

    positions: [B] numbers of the images in the global batch, from which their dropout masks come.
    """
    extra = {}
    if getattr(model, "dropout", 0) or getattr(model, "drop_path", 0):
        key = jax.random.fold_in(jax.random.fold_in(state.seed_key, state.step), DROPOUT)
        extra = {"positions": positions, "rngs": {"dropout": key}}

    def loss_of(params):
        variables = {"params": params, **state.model_state}
        mutable = list(state.model_state)
        (logits, _), model_state = model.apply(variables, images, train=True, mutable=mutable, **extra)
        targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), smoothing)
        return optax.softmax_cross_entropy(logits, targets).mean(), model_state

    (loss, model_state), grads = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    return loss, model_state, grads


def apply_gradients(
    optimizer: optax.GradientTransformation, state: TrainState, found, knobs: Knobs, skip_nonfinite: bool
) -> tuple[TrainState, dict[str, Array]]:
    """The state after the step whose (loss, model_state, gradients) were `found`, and its metrics.

    With skip_nonfinite a step whose loss or gradient is not finite counts, but changes nothing else; the
    metric `skipped` is 1 there, else 0.
    """
    loss, model_state, grads = found
    directions, opt_state = optimizer.update(grads, state.opt_state, state.params)
    new = state._replace(
        step=state.step + 1,
        params=descend(state.params, directions, knobs),
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
    optimizer: optax.GradientTransformation,
    config: RunConfig,
    mesh: Mesh,
    members: int | None = None,
    skip_nonfinite: bool = False,
):
    """(state, dataset, batch, knobs) -> (state, metrics), jitted; the state's buffers are reused.

    dataset: (images uint8 [N, H, W, C], labels [N]) on every device, with batch: row numbers [B];
    or dataset: (), with batch: {'image': uint8 [B, H, W, C], 'label': [B]}. B is the global batch.
    With `members` the batch is [M, B, ...], and all of state, knobs and metrics have a leading axis [M].
    config.accumulate splits each device's part of the batch into so many micro-batches, and
    config.shard_optimizer the optimiser's state over the devices; neither changes the result. Raises
    UserError when it is first traced where micro-batches would: statistics of batch norm would be theirs.
    """
    if hasattr(model, "axis_name"):
        model = model.clone(axis_name=AXIS)  # batch norm over the global batch
    smoothing = config.optim.label_smoothing

    def local_gradients(state: TrainState, dataset, batch):
        key = jax.random.fold_in(state.seed_key, state.step)

        def of_part(images, labels, positions):
            return gradients(model, smoothing, state, data.normalise(images), labels, positions)

        found = _averaged(of_part, config.accumulate, *local_batch(config.data, key, dataset, batch))
        return jax.lax.pmean(found, AXIS)

    def train_step(state: TrainState, dataset, batch, knobs: Knobs):
        check_accumulate(config.accumulate, state.model_state)
        compute, apply = local_gradients, partial(apply_gradients, optimizer, skip_nonfinite=skip_nonfinite)
        batch_spec = P(AXIS)
        if members is not None:
            compute, apply = jax.vmap(compute, in_axes=(0, None, 0)), jax.vmap(apply)
            batch_spec = P(None, AXIS)
        specs = (P(), P(), batch_spec)
        mapped = jax.shard_map(compute, mesh=mesh, in_specs=specs, out_specs=P(), check_vma=False)
        found = mapped(state._replace(opt_state=()), dataset, batch)
        state, metrics = apply(state, found, knobs)
        # Where the optimiser's state is split, this is what makes the partitioner update it piece by piece.
        shardings = meshes.state_shardings(mesh, state, config.shard_optimizer, members)
        everywhere = jax.tree.map(lambda _: meshes.replicated(mesh), metrics)
        return jax.lax.with_sharding_constraint((state, metrics), (shardings, everywhere))

    return jax.jit(train_step, donate_argnums=0)


def local_batch(config: DataConfig, key: Array, dataset, batch) -> tuple[Array, Array, Array]:
    """This device's part of a step's batch, for shard_map: images uint8 [b, H, W, C], augmented by the step's
    key, labels [b], and their positions [b] in the whole batch. dataset, batch: as of make_train_step."""
    images, labels = (dataset[0][batch], dataset[1][batch]) if dataset else (batch["image"], batch["label"])
    positions = jax.lax.axis_index(AXIS) * len(labels) + jnp.arange(len(labels))
    keys = jax.vmap(partial(jax.random.fold_in, key))(positions)
    return data.augment(keys, images, config.crop_padding, config.flip), labels, positions


def check_accumulate(accumulate: int, model_state) -> None:
    if accumulate > 1 and model_state:
        raise UserError(
            f"accumulate {accumulate}: the model's batch norm would see micro-batches; use --accumulate 1"
        )


def _averaged(of_part: Callable, parts: int, *batch: Array):
    """Mean over `parts` of the batch, one after the other, of what `of_part` gives for each."""
    if parts == 1:
        return of_part(*batch)
    pieces = [array.reshape(parts, -1, *array.shape[1:]) for array in batch]
    total = jax.tree.map(
        lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(of_part, *(p[0] for p in pieces))
    )
    total, _ = jax.lax.scan(
        lambda total, piece: (jax.tree.map(jnp.add, total, of_part(*piece)), None), total, pieces
    )
    return jax.tree.map(lambda x: x / parts, total)


def make_predict(model: nn.Module, mesh: Mesh) -> Callable:
    """(params, model_state, images uint8 [B, H, W, C], labels [B]) -> wrong [B] (0 or 1), loss [B]
    (cross-entropy without smoothing, nats) and the frozen features [B, d], all of them on every device."""

    def local_predict(params, model_state, images: Array, labels: Array):
        variables = {"params": params, **model_state}
        logits, intermediates = cast(Any, model.apply)(variables, data.normalise(images), train=False)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        wrong = (logits.argmax(-1) != labels).astype(jnp.float32)
        return wrong, loss, intermediates["pre_logits"].astype(jnp.float32)

    specs = (P(), P(), P(AXIS), P(AXIS))
    mapped = jax.shard_map(local_predict, mesh=mesh, in_specs=specs, out_specs=P(AXIS), check_vma=False)
    return jax.jit(mapped, out_shardings=meshes.replicated(mesh))
