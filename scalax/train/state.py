"""Everything that training changes, in one pytree."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from scalax import models


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


def creator(
    model: nn.Module,
    transform: optax.GradientTransformation,
    example: jax.ShapeDtypeStruct,
    members: int | None = None,
    shardings: Any = None,
    begin: Callable[[Any], Any] = lambda params: params,
) -> Callable[[int | Sequence[int]], TrainState]:
    """From the seed of a run, or the seeds of a population, to the state before the first step.

    - model: that is trained.
    - transform: of the gradients.
    - example: what the model reads, without the batch.
    - members: of a population; None for a run alone.
    - shardings: where to put it, a TrainState of these.
    - begin: from the parameters that the model draws to those that it begins with.

    The program is made at the first call, and serves all later ones.
    """
    init = initializer(model, transform, example, begin)
    program = jax.jit(init if members is None else jax.vmap(init), out_shardings=shardings)

    def create(seed: int | Sequence[int]) -> TrainState:
        # Host arrays, so that several processes may hand them to one program.
        keys = [np.asarray(jax.random.PRNGKey(s)) for s in ([seed] if isinstance(seed, int) else seed)]
        return program(keys[0] if members is None else np.stack(keys))

    return create


def abstract(
    model: nn.Module,
    transform: optax.GradientTransformation,
    example: jax.ShapeDtypeStruct,
    members: int | None = None,
) -> TrainState:
    """Shapes and types of what `creator` makes.

    - model, transform, example: as of `creator`.
    - members: of a population; None for a run alone.
    """
    variables = models.abstract_variables(model, example)
    params = variables.pop("params")
    opt_state = jax.eval_shape(transform.init, params)
    step: Any = jax.ShapeDtypeStruct((), jnp.int32)
    key: Any = jax.ShapeDtypeStruct((2,), jnp.uint32)
    alone = TrainState(step, params, opt_state, variables, key)
    lead = () if members is None else (members,)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((*lead, *leaf.shape), leaf.dtype), alone)


def initializer(
    model: nn.Module,
    transform: optax.GradientTransformation,
    example: jax.ShapeDtypeStruct,
    begin: Callable[[Any], Any],
) -> Callable[[Array], TrainState]:
    """From a key to the state of one run.

    - model: that is trained.
    - transform: of the gradients.
    - example: what the model reads, without the batch.
    - begin: as of `creator`.
    """

    def init(key: Array) -> TrainState:
        variables = dict(model.init({"params": key}, jnp.zeros((1, *example.shape), example.dtype)))
        params = begin(variables.pop("params"))
        return TrainState(jnp.zeros((), jnp.int32), params, transform.init(params), variables, key)

    return init
