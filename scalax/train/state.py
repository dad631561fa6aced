"""Everything that training changes, in one pytree."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import Array


class TrainState(NamedTuple):
    """step: updates made so far. model_state: what is not trained (running statistics), often empty.
    seed_key: the run's key; every random number of step i comes from fold_in(seed_key, i)."""

    step: Array
    params: Any
    opt_state: Any
    model_state: Any
    seed_key: Array


def create(model: nn.Module, optimizer: optax.GradientTransformation, image_shape, seed: int) -> TrainState:
    """The state before the first step. image_shape: (H, W, C)."""

    def init(key: Array) -> TrainState:
        variables = dict(model.init({"params": key}, jnp.zeros((1, *image_shape), jnp.float32)))
        params = variables.pop("params")
        return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params), variables, key)

    return jax.jit(init)(jax.random.PRNGKey(seed))
