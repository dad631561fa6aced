"""More blocks, which start as the identity or as copies of the old ones (config.blocks).

identity: the function is unchanged. In a ViT with branch scalars those of a new block are 0, as they are in a
new model (ReZero); the old blocks keep theirs. In models without them the last layer of each branch starts at
zero: attn/out and mlp/out, of a Mixer token_mlp/out and channel_mlp/out, of a ResNet the last norm of the
block (models.Growth.branch_ends). The rest of a new block is drawn as in a new model.

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
from scalax.morph.trees import Flat, Path, Shapes, block_index, is_masked

Order = list[int | None]


def block_order(old: tuple[int, ...], new: tuple[int, ...], first_copied: int, config: MorphConfig) -> Order:
    """For each block of a deeper model: the block of the old one that it was or copies, None if it is drawn.

    - old, new: blocks of each stage.
    - first_copied: the first block of a stage that may be copied.
    - config: depth 'end' puts new blocks last (of each stage), 'interleaved' puts old block i of m at
      i * n // m; blocks says whether they are drawn ('identity') or copied.

    Raises UserError where a stage would shrink, or has no block to copy.
    """
    order, first = [], 0
    for m, n in zip(old, new, strict=True):
        if n < m:
            raise UserError(f"depth {old} -> {new}: depth only grows; give a depth that does not shrink")
        places = range(m) if config.depth == "end" else [i * n // m for i in range(m)]
        stage: Order = [None] * n
        for index, place in enumerate(places):
            stage[place] = index
        if config.blocks != "identity":
            stage = _copied(stage, m, config.depth == "end", first_copied)
        order += [None if block is None else first + block for block in stage]
        first += m
    return order


def _copied(stage: Order, old: int, at_end: bool, first: int) -> Order:
    """`stage`, with the number of the block to copy in place of each None. first: the first block that may be
    copied."""
    if None in stage and old == first:
        raise UserError(
            f"depth: a stage of {old} block(s) has no block that can be copied; use morph.blocks identity"
        )
    copied, last = [], 0
    for index, block in enumerate(stage):
        last = last if block is None else block
        donor = first + (index - old) % (old - first) if at_end and block is None else last
        copied.append(max(donor, first) if block is None else block)
    return copied


def add_blocks(
    flat: Flat,
    order: Order,
    ends: tuple[Path, ...],
    after: nn.Module,
    example: jax.ShapeDtypeStruct,
    key: jax.Array,
    config: MorphConfig,
) -> Flat:
    """Variables of `after`: those of `flat` with new blocks among them.

    - flat: variables before, by path.
    - order: where each block comes from.
    - ends: what ends a branch (models.Growth.branch_ends).
    - after: the deeper module.
    - example, key: as in `change`.
    - config: what new blocks start as.
    """
    moved = _moved(flat, order)

    def shared(path: Path, leaf):
        index = block_index(path)
        if config.blocks == "copy" or index is None or not ends_branch(path, ends):
            return leaf
        return leaf / order.count(order[index])

    if config.blocks != "identity":
        return {path: shared(path, leaf) for path, leaf in moved.items()}
    batch = jnp.zeros((1, *example.shape), example.dtype)
    fresh: Flat = flatten_dict(dict(after.init(key, batch)))
    new = {index for index, old in enumerate(order) if old is None}
    drawn = {path: leaf for path, leaf in fresh.items() if block_index(path) in new}
    return moved | {path: jnp.zeros_like(x) if ends_branch(path, ends) else x for path, x in drawn.items()}


def ends_branch(path: Path, ends: tuple[Path, ...]) -> bool:
    """Whether this is a variable of a block in proportion to which one of its branches adds to the stream."""
    if path[0] != "params" or block_index(path) is None:
        return False
    return any(path[2 : 2 + len(end)] == end for end in ends)


def add_block_moments(
    flat: Flat,
    order: Order,
    ends: tuple[Path, ...],
    shapes: Shapes,
    second: bool,
    config: MorphConfig,
) -> Flat:
    """Moments of the optimiser with those of new blocks among them.

    - flat: moments before, by path.
    - order: where each block comes from.
    - ends: what ends a branch (models.Growth.branch_ends).
    - shapes: of the variables after.
    - second: whether these are second moments.
    - config: what new blocks start as, and the rule of moments.

    First moments of drawn blocks are 0, second ones the mean of that weight's in the old block before. Those
    of copies are the old ones; scaled (scalax.morph.moments), what feeds a branch that was split among k has
    gradients 1/k of what they were.
    """
    moved = _moved(flat, order)
    before = list(itertools.accumulate(order, lambda last, old: last if old is None else old))
    for path, shape in shapes.items():
        index = block_index(path)
        if path[0] != "params" or index is None:
            continue
        if order[index] is not None:
            k = order.count(order[index])
            scaled = config.blocks == "split" and config.moments == "scaled" and not is_masked(moved[path])
            if scaled and not ends_branch(path, ends):
                moved[path] = moved[path] / (k**2 if second else k)
            continue
        donor = flat.get((path[0], f"block{before[index]:02d}", *path[2:]))
        if is_masked(donor):
            moved[path] = donor
        else:
            value = donor.mean() if second and donor is not None else 0.0
            moved[path] = jnp.full(shape.shape, value, shape.dtype if donor is None else donor.dtype)
    return moved


def _moved(flat: Flat, order: Order) -> Flat:
    """Old blocks under their new names, and under those of their copies."""
    moved = {path: leaf for path, leaf in flat.items() if block_index(path) is None}
    for place, old in enumerate(order):
        names = (path for path in flat if old is not None and block_index(path) == old)
        moved |= {(path[0], f"block{place:02d}", *path[2:]): flat[path] for path in names}
    return moved
