"""Layers that several families share: MLP, attention, pooling by attention, patch embedding."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from scalax.errors import UserError
from scalax.models.resize import resize_patch_kernel

Dtype = Any
Initializer = Callable[..., jax.Array]


class Mlp(nn.Module):
    """Two dense layers with a GELU between: [..., d] -> [..., d]."""

    hidden: int
    exact_gelu: bool = False
    dropout: float = 0.0
    dtype: Dtype = jnp.float32
    kernel_init: Initializer = nn.initializers.xavier_uniform()
    bias_init: Initializer = nn.initializers.normal(1e-6)

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        dense = functools.partial(
            nn.Dense,
            dtype=self.dtype,
            kernel_init=self.kernel_init,
            bias_init=self.bias_init,
        )
        d = x.shape[-1]
        x = nn.gelu(dense(self.hidden, name="in")(x), approximate=not self.exact_gelu)
        x = nn.Dropout(self.dropout)(x, deterministic=not train)
        return dense(d, name="out")(x)


class Attention(nn.Module):
    """Multi-head attention of queries [b, q, d] over keys [b, k, d] -> [b, q, d]; softmax in float32.

    Kernels stand as in the published checkpoints: query, key, value [d, heads, d / heads], out [heads,
    d / heads, d].
    """

    heads: int
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, queries: jax.Array, keys: jax.Array) -> jax.Array:
        d = queries.shape[-1]
        split = (self.heads, d // self.heads)
        init = nn.initializers.xavier_uniform()
        q = nn.DenseGeneral(split, dtype=self.dtype, kernel_init=init, name="query")(queries)
        k = nn.DenseGeneral(split, dtype=self.dtype, kernel_init=init, name="key")(keys)
        v = nn.DenseGeneral(split, dtype=self.dtype, kernel_init=init, name="value")(keys)
        # cost.model finds the recomputation of fused attention by this name.
        with jax.named_scope("attention_scores"):
            scores = jnp.einsum("bqhc,bkhc->bhqk", q * split[1] ** -0.5, k)
        weights = nn.softmax(scores.astype(jnp.float32)).astype(self.dtype)
        x = jnp.einsum("bhqk,bkhc->bqhc", weights, v)
        return nn.DenseGeneral(d, axis=(-2, -1), dtype=self.dtype, kernel_init=init, name="out")(x)


class MapHead(nn.Module):
    """Pool tokens [b, n, d] -> [b, d] by attention from one learned query (Zhai et al. 2022, section 3.5)."""

    heads: int
    mlp_dim: int
    exact_gelu: bool = False
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        b, _, d = x.shape
        probe = self.param("probe", nn.initializers.xavier_uniform(), (1, 1, d))
        query = jnp.broadcast_to(probe, (b, 1, d)).astype(self.dtype)
        x = Attention(self.heads, self.dtype, name="attn")(query, x)
        h = nn.LayerNorm(epsilon=1e-6, dtype=self.dtype, name="norm")(x)
        return (x + Mlp(self.mlp_dim, self.exact_gelu, 0.0, self.dtype, name="mlp")(h, False))[:, 0]


class PatchEmbedding(nn.Module):
    """Images [b, h, w, c] -> tokens [b, h / patch, w / patch, width], by a kernel held at `base_patch`."""

    width: int
    patch: int
    base_patch: int
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        b, h, w, c = images.shape
        p = self.patch
        if h % p or w % p:
            raise UserError(f"patch {p} does not divide images of {h} x {w} px; choose a divisor of both")
        # The kernel is a dense layer over the pixels of one patch: its fan-in is base_patch^2 c.
        init = nn.initializers.lecun_normal(in_axis=(0, 1, 2))
        kernel = self.param("kernel", init, (self.base_patch, self.base_patch, c, self.width))
        bias = self.param("bias", nn.initializers.zeros, (self.width,))
        kernel = resize_patch_kernel(kernel, p).reshape(p * p * c, self.width).astype(self.dtype)
        patches = images.astype(self.dtype).reshape(b, h // p, p, w // p, p, c).swapaxes(2, 3)
        return patches.reshape(b, h // p, w // p, p * p * c) @ kernel + bias.astype(self.dtype)


def drop_branch(module: nn.Module, h: jax.Array, rate: jax.Array | float) -> jax.Array:
    """Stochastic depth (Huang et al. 2016): zero the branch h [b, ...] of a sample at probability `rate`."""
    keep = 1.0 - rate
    kept = jax.random.bernoulli(module.make_rng("dropout"), keep, (h.shape[0],) + (1,) * (h.ndim - 1))
    return h * (kept / keep).astype(h.dtype)


def patch_error(where: str, patch: int, image_size: int) -> UserError:
    """What to raise where `patch` does not divide the image; names the divisor nearest to it."""
    near = min((p for p in range(1, image_size + 1) if image_size % p == 0), key=lambda p: abs(p - patch))
    return UserError(f"{where}: patch {patch} does not divide the image of {image_size} px; try {near}")
