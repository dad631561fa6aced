"""Variables as flat dicts from paths to arrays, whose shapes tell one model from the next."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from scalax.models import abstract_variables
from scalax.models.scan import stack_blocks, unstack_blocks

Path = tuple[str, ...]  # e.g. ("params", "block00", "attn", "query", "kernel"); the first is a collection
Flat = dict[Path, Any]  # arrays [...], or MaskedNode where an optimiser holds nothing for a parameter
Shapes = Mapping[Path, jax.ShapeDtypeStruct]


def shapes(module: nn.Module, example: jax.ShapeDtypeStruct) -> Shapes:
    """Shapes and dtypes of a looped module's variables. example: one input, without the batch axis."""
    flat: Flat = flatten_dict(abstract_variables(module, example))
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
