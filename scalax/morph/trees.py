"""Variables as flat dicts from paths to arrays, whose shapes tell one model from the next."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from scalax import models

Path = tuple[str, ...]  # e.g. ("params", "block00", "attn", "query", "kernel"); the first is a collection
Flat = dict[Path, Any]  # arrays [...], or MaskedNode where an optimiser holds nothing for a parameter


@functools.lru_cache(maxsize=64)
def shapes(module: nn.Module, image_shape: tuple[int, ...]) -> dict[Path, jax.ShapeDtypeStruct]:
    """Shapes and dtypes of a looped module's variables for images of `image_shape` (H, W, C)."""
    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    flat: Flat = flatten_dict(dict(jax.eval_shape(module.init, jax.random.key(0), image)))
    return flat


def flatten(variables: dict, scan: bool) -> Flat:
    """{collection: tree} -> flat; parameters stacked for a scan become those of a loop."""
    if scan:
        variables = {**variables, "params": models.unstack_blocks(variables["params"])}
    return flatten_dict(variables)


def unflatten(flat: Flat, scan: bool) -> dict:
    """The inverse of `flatten`."""
    variables = unflatten_dict(flat)
    if scan:
        variables["params"] = models.stack_blocks(variables["params"])
    return variables


def block_index(path: Path) -> int | None:
    """7 for ("params", "block07", ...); None outside the blocks."""
    name = path[1]
    return int(name[5:]) if name.startswith("block") and name[5:].isdigit() else None


def is_masked(leaf) -> bool:
    return isinstance(leaf, optax.MaskedNode)
