"""More blocks, which start as the identity or as copies of the old ones (config.blocks).

identity: the function is unchanged. In a ViT with branch scalars those of a new block are 0, as they are in a
new model (ReZero); the old blocks keep theirs. In models without them the last layer of each branch starts at
zero: attn/out and mlp/out, of a Mixer token_mlp/out and channel_mlp/out, of a ResNet the last norm of the
block. The rest of a new block is drawn as in a new model.

copy (progressive stacking, Gong et al. 2019): the function changes. New blocks at the end repeat the old ones
from the first on; interleaved, each repeats the old block before it. Their moments come along.

split (after Chang et al. 2018): as copy, but each of the k copies of a block adds 1/k of what it did to the
stream, so that the function changes little.

The first block of each stage of a ResNet stays the first, for it may stride, and is not copied.
"""

import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict

from scalax.config import MorphConfig
from scalax.errors import UserError
from scalax.morph.trees import Flat, Path, block_index, is_masked

LAST = {("attn", "out"), ("mlp", "out"), ("token_mlp", "out"), ("channel_mlp", "out")}


def block_order(before: nn.Module, after: nn.Module, config: MorphConfig) -> list[int | None]:
    """For each block of `after`: the block of `before` that it was or copies, or None if it is drawn.

    config.depth: end puts new blocks last (of each stage), interleaved puts old block i of m at i * n // m.
    Raises UserError where a stage would shrink, or has no block to copy.
    """
    order, first = [], 0
    for old, new in zip(_stages(before), _stages(after), strict=True):
        if new < old:
            raise UserError(
                f"depth {_stages(before)} -> {_stages(after)}: depth only grows; blocks cannot go"
            )
        places = range(old) if config.depth == "end" else [i * new // old for i in range(old)]
        stage: list[int | None] = [None] * new
        for index, place in enumerate(places):
            stage[place] = index
        if config.blocks != "identity":
            stage = _copied(stage, old, config.depth == "end", first=1 if hasattr(before, "stages") else 0)
        order += [None if block is None else first + block for block in stage]
        first += old
    return order


def _copied(stage: list[int | None], old: int, at_end: bool, first: int) -> list[int | None]:
    """`stage` with the block to copy for each new one; first: the first block that may be copied."""
    if None in stage and old == first:
        raise UserError(f"depth: a stage of {old} block has none to copy; use morph.blocks identity")
    copied, last = [], 0
    for index, block in enumerate(stage):
        last = last if block is None else block
        donor = first + (index - old) % (old - first) if at_end and block is None else last
        copied.append(max(donor, first) if block is None else block)
    return copied


def add_blocks(
    flat: Flat,
    order: list[int | None],
    after: nn.Module,
    image_shape: tuple[int, ...],
    key: jax.Array,
    config: MorphConfig,
) -> Flat:
    """Variables of `after`: those of `flat` with the new blocks of `order` among them."""
    moved = _moved(flat, order)

    def shared(path: Path, leaf):
        index = block_index(path)
        if config.blocks == "copy" or index is None or not _ends_branch(path, after):
            return leaf
        return leaf / order.count(order[index])

    if config.blocks != "identity":
        return {path: shared(path, leaf) for path, leaf in moved.items()}
    image = jnp.zeros((1, *image_shape), jnp.float32)
    fresh: Flat = flatten_dict(dict(after.init(key, image)))
    new = {index for index, old in enumerate(order) if old is None}
    drawn = {path: leaf for path, leaf in fresh.items() if block_index(path) in new}
    return moved | {path: jnp.zeros_like(x) if _ends_branch(path, after) else x for path, x in drawn.items()}


def _ends_branch(path: Path, module: nn.Module) -> bool:
    """Whether this is a variable of a block in proportion to which one of its branches adds to the stream."""
    if path[0] != "params" or block_index(path) is None:
        return False
    if hasattr(module, "stages"):
        return path[2] == ("norm3" if getattr(module, "bottleneck", False) else "norm2")
    return path[-1] in ("scale1", "scale2") if getattr(module, "branch_scalars", False) else path[2:4] in LAST


def add_block_moments(
    flat: Flat, order: list[int | None], after: nn.Module, shapes: dict, second: bool, config: MorphConfig
) -> Flat:
    """First moments of drawn blocks are 0, second ones the mean of that weight's in the old block before.
    Those of copies are the old ones; scaled (scalax.morph.moments), what feeds a branch that was split among
    k has gradients 1/k of what they were."""
    moved = _moved(flat, order)
    before = list(itertools.accumulate(order, lambda last, old: last if old is None else old))
    for path, shape in shapes.items():
        index = block_index(path)
        if path[0] != "params" or index is None:
            continue
        if order[index] is not None:
            k = order.count(order[index])
            scaled = config.blocks == "split" and config.moments == "scaled" and not is_masked(moved[path])
            if scaled and not _ends_branch(path, after):
                moved[path] = moved[path] / (k**2 if second else k)
            continue
        donor = flat.get((path[0], f"block{before[index]:02d}", *path[2:]))
        if is_masked(donor):
            moved[path] = donor
        else:
            value = donor.mean() if second and donor is not None else 0.0
            moved[path] = jnp.full(shape.shape, value, shape.dtype if donor is None else donor.dtype)
    return moved


def _stages(module) -> tuple[int, ...]:
    return getattr(module, "stages", None) or (module.depth,)


def _moved(flat: Flat, order: list[int | None]) -> Flat:
    """Old blocks under their new names, and under those of their copies."""
    moved = {path: leaf for path, leaf in flat.items() if block_index(path) is None}
    for place, old in enumerate(order):
        names = (path for path in flat if old is not None and block_index(path) == old)
        moved |= {(path[0], f"block{place:02d}", *path[2:]): flat[path] for path in names}
    return moved
