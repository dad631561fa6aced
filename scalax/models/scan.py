"""Parameters of a model whose blocks are looped over as those of a scanned one, and back.

A module that can do either has a field `scan`; scanned, it holds all blocks as one, 'blocks'.
"""

import re
from collections.abc import Callable, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp


def is_scanned(module: nn.Module) -> bool:
    return getattr(module, "scan", False)


def looped(module: nn.Module) -> nn.Module:
    """The same model with a loop over its blocks."""
    return module.clone(scan=False) if is_scanned(module) else module


def stack_blocks(params: Mapping, stack: Callable = jnp.stack) -> dict:
    """{'block00': t, 'block01': t, ...} -> {'blocks': t with a leading axis of depth}; the rest as it is.

    Raises ValueError where a block is missing, or the blocks differ in what they hold.
    """
    there = [key for key in params if re.fullmatch(r"block[0-9]+", key)]
    names = [f"block{index:02d}" for index in range(len(there))]
    if absent := [name for name in names if name not in params]:
        raise ValueError(f"there is no {absent[0]}")
    blocks = jax.tree.map(lambda *leaves: stack(leaves), *(params[name] for name in names))
    return {**{key: tree for key, tree in params.items() if key not in names}, "blocks": blocks}


def unstack_blocks(params: Mapping) -> dict:
    """The inverse of `stack_blocks`."""
    depth = len(jax.tree.leaves(params["blocks"])[0])
    looped = {
        f"block{index:02d}": jax.tree.map(lambda leaf, i=index: leaf[i], params["blocks"])
        for index in range(depth)
    }
    return {**{key: tree for key, tree in params.items() if key != "blocks"}, **looped}
