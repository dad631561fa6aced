"""Flax's modules, which trace in half the time: a parameter that is there is checked by its shape alone.

Flax traces a parameter's initialiser whenever a module is applied, to learn the shape that it would have.
Here that shape is the initialiser's first argument.
"""

from collections.abc import Callable
from typing import Any

import flax.errors
import flax.linen as nn
import jax.numpy as jnp


class Module(nn.Module):
    """A module whose initialisers take (key, shape, ...)."""

    @nn.nowrap
    def param(self, name: str, init_fn: Callable[..., Any], *init_args: Any, **init_kwargs: Any) -> Any:
        """The parameter `name`, as of flax.linen.Module; ScopeParamShapeError where it has another shape."""
        if not self.has_variable("params", name):
            return super().param(name, init_fn, *init_args, **init_kwargs)
        value = self.get_variable("params", name)
        if jnp.shape(value) != tuple(init_args[0]):
            raise flax.errors.ScopeParamShapeError(
                name, "/".join(self.path), jnp.shape(value), tuple(init_args[0])
            )
        return value


class Dense(Module, nn.Dense):
    """As Flax's."""


class DenseGeneral(Module, nn.DenseGeneral):
    """As Flax's."""


class Conv(Module, nn.Conv):
    """As Flax's."""


class LayerNorm(Module, nn.LayerNorm):
    """As Flax's."""


class GroupNorm(Module, nn.GroupNorm):
    """As Flax's."""
