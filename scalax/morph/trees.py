"""Variables as flat dicts from paths to arrays, whose shapes tell one model from the next."""

import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from scalax.models.scan import stack_blocks, unstack_blocks

Path = tuple[str, ...]  # e.g. ("params", "block00", "attn", "query", "kernel"); the first is a collection
Flat = dict[Path, Any]  # arrays [...], or MaskedNode where an optimiser holds nothing for a parameter
Shapes = Mapping[Path, jax.ShapeDtypeStruct]


@functools.lru_cache(maxsize=64)
def shapes(module: nn.Module, example: jax.ShapeDtypeStruct) -> Shapes:
    """Shapes and dtypes of a looped module's variables. example: one input, without the batch axis."""
    batch = jax.ShapeDtypeStruct((1, *example.shape), example.dtype)
    flat: Flat = flatten_dict(dict(jax.eval_shape(module.init, jax.random.key(0), batch)))
    return flat


def flatten(variables: Mapping[str, Any], scan: bool) -> Flat:
    """{collection: tree} -> flat; parameters stacked for a scan become those of a loop."""
    if scan:
        variables = {**variables, "params": unstack_blocks(variables["params"])}
    return flatten_dict(variables)


def unflatten(flat: Flat, scan: bool) -> dict[str, Any]:
    """The inverse of `flatten`."""
    variables = unflatten_dict(flat)
    if scan:
        variables["params"] = stack_blocks(variables["params"])
    return variables


def block_index(path: Path) -> int | None:
    """7 for ("params", "block07", ...); None outside the blocks."""
    name = path[1]
    return int(name[5:]) if name.startswith("block") and name[5:].isdigit() else None


def is_masked(leaf: Any) -> bool:
    return isinstance(leaf, optax.MaskedNode)
