"""Shapes and types of a model's variables: traced once for all that ask."""

import functools
from typing import Any

import flax.linen as nn
import jax


def abstract_variables(module: nn.Module, example: jax.ShapeDtypeStruct) -> dict[str, Any]:
    """Shapes and dtypes of what module.init gives: {'params': ..., ...}.

    - module: whose variables they are.
    - example: one input, without the batch axis.
    """
    return jax.tree.map(lambda leaf: leaf, _traced(module, example))  # dicts of the caller's own


@functools.lru_cache(maxsize=128)
def _traced(module: nn.Module, example: jax.ShapeDtypeStruct) -> dict[str, Any]:
    batch = jax.ShapeDtypeStruct((1, *example.shape), example.dtype)
    return dict(jax.eval_shape(module.init, jax.random.key(0), batch))
