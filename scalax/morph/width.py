"""A wider model: every weight W becomes [[W, W1], [W2, W3]]; rows are what it reads, columns what it writes.

Heads are concatenated: attention kernels grow along their axis of heads, and the old heads stay in place.
Where the size of a head grows (V32 -> V64, with one head each, unless head_dim is fixed), the query is first
multiplied by sqrt(new / old size), so that the old part of the scores keeps its scale. The modes:

normal (the paper's): new entries of each weight, bias and norm are drawn from N(mean(W), gamma var(W)); old
  ones stay as they are. New running statistics of batch norm are the mean of the old ones. The function
  changes.
zero: the function stays. Of a ViT, new channels of the residual stream hold the mean of the old ones: then
  layer norm, whose scale is multiplied by sqrt(old / new width), gives the old ones as before and zeros for
  the new, so that what reads the new channels may be drawn as in `normal`; what new heads and hidden units
  write is zero. Exact but for the epsilon of layer norm (relative error about 1e-6 / the variance of the
  stream). Of a ResNet, new channels are drawn, and what the old ones and the head read of them is zero. Not
  for a Mixer, whose token MLPs would have to map zero to the mean of their outputs.
copy (Net2Net, Chen et al. 2016): the function stays, for whole factors k. All units are repeated k times, and
  what reads them is divided by k. Copies would stay equal for good, so that noise is added to what reads
  them, drawn from N(0, gamma var(W) / k^2) less its mean over the copies: the function does not feel it.
"""

from itertools import accumulate
from math import prod, sqrt

import flax.linen as nn
import jax
import jax.numpy as jnp

from scalax.config import MorphConfig
from scalax.errors import UserError
from scalax.models import Growth
from scalax.morph.trees import Flat, Path, Shapes, is_masked


def check_width(
    flat: Shapes, shapes: Shapes, before: nn.Module, after: nn.Module, growth: Growth, mode: str
) -> None:
    """Raises UserError where the width shrinks, heads would, or the mode does not serve this model.

    - flat, shapes: of the variables before and after.
    - before, after: the modules.
    - growth: what reads and writes the width.
    - mode: config.width.
    """
    old, new = (getattr(module, growth.axes["width"][0]) for module in (before, after))
    what = f"width {old} -> {new}"
    for path, leaf in flat.items():
        if any(n < m for n, m in zip(shapes[path].shape, leaf.shape, strict=True)):
            if path[-2] in growth.projections and new >= old:
                sizes = f"{leaf.shape[-2:]} -> {shapes[path].shape[-2:]}"
                raise UserError(
                    f"{what}: (heads, size) {sizes} would shrink; set model.head_dim to keep the size"
                )
            raise UserError(f"{what}: width only grows; give a width that does not shrink")
    if mode == "zero" and not growth.zero:
        kind = type(before).__name__
        raise UserError(f"{what}: morph.width zero does not serve a {kind}; use copy or normal")
    if why := growth.unserved(before, mode):
        raise UserError(f"{what}: {why}")
    for path, leaf in flat.items() if mode == "copy" else ():
        if any(n % m for n, m in zip(shapes[path].shape, leaf.shape, strict=True)):
            raise UserError(
                f"{what}: morph.width copy needs whole factors, {'/'.join(path)} would go from"
                f" {leaf.shape} to {shapes[path].shape}; use zero or normal"
            )


def widen(flat: Flat, shapes: Shapes, growth: Growth, config: MorphConfig, key: jax.Array) -> Flat:
    """Wider variables.

    - flat: before, by path.
    - shapes: after.
    - growth: what reads and writes the width.
    - config: width and gamma.
    - key: that new entries are drawn from.
    """

    def wider(path: Path, leaf: jax.Array, noise: jax.Array) -> jax.Array:
        leaf = leaf * _factor(path, leaf.shape, noise.shape, growth, config.width)
        noise = jnp.sqrt(config.gamma * leaf.var()) * noise
        if config.width == "copy":
            return _copied(path, leaf, noise, growth)
        if path[0] == "batch_stats":
            return _corner(jnp.full(noise.shape, leaf.mean(), leaf.dtype), leaf)
        drawn = _corner(leaf.mean() + noise, leaf)
        return drawn if config.width == "normal" else SILENCED[growth.zero](path, leaf, drawn, growth)

    wide = dict(flat)
    grown = sorted(path for path, leaf in flat.items() if leaf.shape != shapes[path].shape)
    # One draw for all, for each costs a second of compilation.
    sizes = [prod(shapes[path].shape) for path in grown]
    draws = jnp.split(jax.random.normal(key, (sum(sizes),)), list(accumulate(sizes))[:-1])
    for path, draw in zip(grown, draws, strict=True):
        leaf = flat[path]
        wide[path] = wider(path, leaf, draw.reshape(shapes[path].shape).astype(leaf.dtype))
    return wide


def widen_moments(flat: Flat, shapes: Shapes, growth: Growth, config: MorphConfig, second: bool) -> Flat:
    """Moments that follow `widen`, by config.moments (scalax.morph.moments).

    - flat: before, by path.
    - shapes: after.
    - growth: what reads and writes the width.
    - config: width, gamma and moments.
    - second: whether these are second moments.
    """

    def wider(path: Path, leaf):
        if is_masked(leaf) or leaf.shape == shapes[path].shape:
            return leaf
        target = shapes[path].shape
        ratio = 1.0
        if config.moments == "scaled":
            ratio /= _factor(path, leaf.shape, target, growth, config.width)
            if config.width == "copy":
                ratio /= prod(_growth(leaf.shape, target)) / _copies_read(path, leaf.shape, target, growth)
        leaf = leaf * (ratio**2 if second else ratio)
        if config.width == "copy":
            return jnp.tile(leaf, _growth(leaf.shape, target))
        fill = leaf.mean() if second else jnp.zeros((), leaf.dtype)
        return _corner(jnp.full(target, fill, leaf.dtype), leaf)

    return {path: wider(path, leaf) for path, leaf in flat.items()}


def _factor(path: Path, shape: tuple[int, ...], target: tuple[int, ...], growth: Growth, mode: str) -> float:
    """What an old weight is multiplied by, besides the division among copies."""
    if path[-2] in growth.queries:  # scores are q k / sqrt(size of a head); copies in a head add up in q k
        size = target[-1] / shape[-1]
        return 1 / sqrt(size) if mode == "copy" else sqrt(size)
    if mode == "zero" and path[-2] in growth.norms and path[-1] == "scale":
        return sqrt(shape[0] / target[0])
    return 1.0


def _growth(shape: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(new // old for new, old in zip(target, shape, strict=True))


def _reads(path: Path, ndim: int, growth: Growth) -> tuple[int, ...]:
    """The axes of a weight over which it sums its input; the others are those of its output."""
    if path[-1] != "kernel":
        return ()
    return (0,) if path[-2] in growth.projections else tuple(range(ndim - 1))


def _copies_read(path: Path, shape: tuple[int, ...], target: tuple[int, ...], growth: Growth) -> int:
    grown = _growth(shape, target)
    return prod(grown[axis] for axis in _reads(path, len(target), growth))


def _copied(path: Path, leaf: jax.Array, noise: jax.Array, growth: Growth) -> jax.Array:
    """`leaf` repeated to the shape of `noise`, which is added less its mean over the copies read."""
    grown, copies = _growth(leaf.shape, noise.shape), _copies_read(path, leaf.shape, noise.shape, growth)
    whole = jnp.tile(leaf, grown)
    if copies == 1:
        return whole
    by_copy = noise.reshape([n for pair in zip(grown, leaf.shape, strict=True) for n in pair])
    over = tuple(2 * axis for axis in _reads(path, noise.ndim, growth))
    return (whole + (by_copy - by_copy.mean(over, keepdims=True)).reshape(noise.shape)) / copies


def _silenced_stream(path: Path, leaf: jax.Array, drawn: jax.Array, growth: Growth) -> jax.Array:
    """New channels of the stream hold its mean, new heads and hidden units write nothing."""
    if path[-2] in growth.norms and path[-1] == "bias":
        return _corner(jnp.zeros_like(drawn), leaf)
    if path[-2] in growth.keys:  # what an old head's new channels add to its scores
        heads, size = leaf.shape[-2:]
        return drawn.at[..., :heads, size:].set(0)
    if path[-2] in (*growth.projections, *growth.norms, *growth.readers):
        return drawn
    new = drawn.shape[-1] - leaf.shape[-1]
    means = jnp.broadcast_to(leaf.mean(-1, keepdims=True), (*leaf.shape[:-1], new))
    return _corner(jnp.zeros_like(drawn), jnp.concatenate([leaf, means], -1))


def _silenced_channels(path: Path, leaf: jax.Array, drawn: jax.Array, growth: Growth) -> jax.Array:
    """Old channels and the head read nothing of the new ones."""
    if path[-1] != "kernel":
        return drawn
    reads, writes = leaf.shape[-2:]
    return drawn.at[..., reads:, :writes].set(0)


SILENCED = {"stream": _silenced_stream, "channels": _silenced_channels}  # by Growth.zero


def _corner(whole: jax.Array, leaf: jax.Array) -> jax.Array:
    """`whole` with `leaf` in its first entries along every axis."""
    return whole.at[tuple(slice(n) for n in leaf.shape)].set(leaf)
