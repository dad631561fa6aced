"""Everything that training changes, in one pytree."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array


class TrainState(NamedTuple):
    """step: updates made so far. model_state: what is not trained (running statistics), often empty.
    seed_key: the run's key; every random number of step i comes from fold_in(seed_key, i).

    In a population of M runs every leaf has a leading axis [M].
    """

    step: Array
    params: Any
    opt_state: Any
    model_state: Any
    seed_key: Array


def create(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    image_shape,
    seed: int | Sequence[int],
    shardings=None,
) -> TrainState:
    """The state before the first step, of one run or of a population with these seeds.

    image_shape: (H, W, C); shardings: where to put it, as a TrainState of shardings.
    """
    alone = isinstance(seed, int)
    # Host arrays, so that several processes may hand them to one program.
    keys = np.stack([np.asarray(jax.random.PRNGKey(s)) for s in ([seed] if alone else seed)])
    init = initializer(model, optimizer, image_shape)
    return jax.jit(init if alone else jax.vmap(init), out_shardings=shardings)(keys[0] if alone else keys)


def abstract(
    model: nn.Module, optimizer: optax.GradientTransformation, image_shape, members: int | None = None
) -> TrainState:
    """Shapes and types of what `create` gives; `members` runs in a population, or one run."""
    init = initializer(model, optimizer, image_shape)
    lead = () if members is None else (members,)
    key = jax.ShapeDtypeStruct((*lead, 2), jnp.uint32)
    return jax.eval_shape(init if members is None else jax.vmap(init), key)


def initializer(model: nn.Module, optimizer: optax.GradientTransformation, image_shape) -> Callable:
    """From a key to the state of one run."""

    def init(key: Array) -> TrainState:
        variables = dict(model.init({"params": key}, jnp.zeros((1, *image_shape), jnp.float32)))
        params = variables.pop("params")
        return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params), variables, key)

    return init
