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
    def param(
        self, name: str, init_fn: Callable[..., Any], *init_args: Any, unbox: bool = True, **init_kwargs: Any
    ) -> Any:
        """The parameter `name`, as of flax.linen.Module.

        Raises flax.errors.ScopeParamShapeError where it has another shape, and ValueError for a name that is
        in use.
        """
        if not init_args or not self.has_variable("params", name):
            return super().param(name, init_fn, *init_args, unbox=unbox, **init_kwargs)
        assert self.scope is not None
        self.scope.reserve(name, "params")
        boxed, shape = self.get_variable("params", name), tuple(init_args[0])
        value = nn.meta.unbox(boxed)
        if jnp.shape(value) != shape:
            raise flax.errors.ScopeParamShapeError(name, self.scope.path_text, jnp.shape(value), shape)
        return value if unbox else boxed


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
