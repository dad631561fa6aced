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
    transform: optax.GradientTransformation,
    example: jax.ShapeDtypeStruct,
    seed: int | Sequence[int],
    shardings: Any = None,
) -> TrainState:
    """The state before the first step, of one run or of a population.

    - model: that is trained.
    - transform: of the gradients.
    - example: what the model reads, without the batch.
    - seed: of the run, or of each run.
    - shardings: where to put it, a TrainState of these.
    """
    alone = isinstance(seed, int)
    # Host arrays, so that several processes may hand them to one program.
    keys = np.stack([np.asarray(jax.random.PRNGKey(s)) for s in ([seed] if alone else seed)])
    init = initializer(model, transform, example)
    return jax.jit(init if alone else jax.vmap(init), out_shardings=shardings)(keys[0] if alone else keys)


def abstract(
    model: nn.Module,
    transform: optax.GradientTransformation,
    example: jax.ShapeDtypeStruct,
    members: int | None = None,
) -> TrainState:
    """Shapes and types of what `create` gives.

    - model, transform, example: as of `create`.
    - members: of a population; None for a run alone.
    """
    init = initializer(model, transform, example)
    lead = () if members is None else (members,)
    key = jax.ShapeDtypeStruct((*lead, 2), jnp.uint32)
    return jax.eval_shape(init if members is None else jax.vmap(init), key)


def initializer(
    model: nn.Module, transform: optax.GradientTransformation, example: jax.ShapeDtypeStruct
) -> Callable[[Array], TrainState]:
    """From a key to the state of one run.

    - model: that is trained.
    - transform: of the gradients.
    - example: what the model reads, without the batch.
    """

    def init(key: Array) -> TrainState:
        variables = dict(model.init({"params": key}, jnp.zeros((1, *example.shape), example.dtype)))
        params = variables.pop("params")
        return TrainState(jnp.zeros((), jnp.int32), params, transform.init(params), variables, key)

    return init
