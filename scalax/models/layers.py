"""Layers that several families share: MLP, attention, pooling by attention, patch embedding."""

import functools
from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.experimental.layout import Layout, with_layout_constraint

from scalax.errors import UserError
from scalax.models.modules import Dense, DenseGeneral, LayerNorm, Module
from scalax.models.resize import resize_patch_kernel

Dtype = Any
Initializer = Callable[..., jax.Array]


class Dropout(nn.Module):
    """Zero entries of x [b, ...] at probability `rate`; without `example_ids` none.

    example_ids: [b] numbers of the examples in their whole batch. An example's mask comes from its own, so
    that it is the same however the batch is split over devices and micro-batches.
    """

    rate: float

    def __call__(self, x: jax.Array, example_ids: jax.Array | None) -> jax.Array:
        if not self.rate or example_ids is None:
            return x
        kept = keep_masks(self.make_rng("dropout"), example_ids, 1 - self.rate, x.shape[1:])
        return jnp.where(kept, x / (1 - self.rate), 0).astype(x.dtype)


def keep_masks(key: jax.Array, example_ids: jax.Array, keep: jax.Array | float, shape: tuple) -> jax.Array:
    """What dropout keeps: bool [b, *shape].

    - key: of the step.
    - example_ids: [b] numbers of the examples in their whole batch.
    - keep: probability of True.
    - shape: of one example's mask.
    """
    keys = jax.vmap(functools.partial(jax.random.fold_in, key))(example_ids)
    return jax.vmap(lambda key: jax.random.bernoulli(key, keep, shape))(keys)


class Mlp(nn.Module):
    """Two dense layers with a GELU and dropout between: [..., d] -> [..., d]."""

    hidden: int
    exact_gelu: bool = False
    dropout: float = 0.0
    dtype: Dtype = jnp.float32
    kernel_init: Initializer = nn.initializers.xavier_uniform()
    bias_init: Initializer = nn.initializers.normal(1e-6)

    @nn.compact
    def __call__(self, x: jax.Array, example_ids: jax.Array | None = None) -> jax.Array:
        dense = functools.partial(
            Dense,
            dtype=self.dtype,
            kernel_init=self.kernel_init,
            bias_init=self.bias_init,
        )
        d = x.shape[-1]
        x = nn.gelu(dense(self.hidden, name="in")(x), approximate=not self.exact_gelu)
        x = Dropout(self.dropout)(x, example_ids)
        return dense(d, name="out")(x)


ATTENTION = ("einsum", "fused", "auto")


class Attention(nn.Module):
    """Multi-head attention of queries [b, q, d] over keys [b, k, d] -> [b, q, d]; softmax in float32.

    Kernels stand as in the published checkpoints: query, key, value [d, heads, d / heads], out [heads,
    d / heads, d]. `attention` is einsum, fused (jax.nn.dot_product_attention, by cuDNN's kernel where that
    fits) or auto, which is fused where cuDNN's kernel fits and einsum elsewhere. With `causal` a query sees
    no key after its own place. The last `padding` queries and keys are no tokens: no query sees them, and
    their outputs mean nothing. Only fused attention has them.
    """

    heads: int
    dtype: Dtype = jnp.float32
    attention: str = "einsum"
    causal: bool = False
    padding: int = 0

    @nn.compact
    def __call__(self, queries: jax.Array, keys: jax.Array) -> jax.Array:
        d = queries.shape[-1]
        split = (self.heads, d // self.heads)
        init = nn.initializers.xavier_uniform()
        q = DenseGeneral(split, dtype=self.dtype, kernel_init=init, name="query")(queries)
        k = DenseGeneral(split, dtype=self.dtype, kernel_init=init, name="key")(keys)
        v = DenseGeneral(split, dtype=self.dtype, kernel_init=init, name="value")(keys)
        cudnn = fits_cudnn(self.dtype, split[1])
        if self.attention == "fused" or (self.attention == "auto" and cudnn):
            x = fused_attention(q, k, v, self.causal, "cudnn" if cudnn else "xla", self.padding)
        elif self.padding:
            raise ValueError("padding needs fused attention")
        else:
            # cost.model finds the recomputation of fused attention by this name.
            with jax.named_scope("attention_scores"):
                scores = jnp.einsum("bqhc,bkhc->bhqk", q * split[1] ** -0.5, k)
            if self.causal:
                seen = jnp.tri(*scores.shape[-2:], dtype=bool)
                scores = jnp.where(seen, scores, jnp.finfo(scores.dtype).min)
            weights = nn.softmax(scores.astype(jnp.float32)).astype(self.dtype)
            x = jnp.einsum("bhqk,bkhc->bqhc", weights, v)
        return DenseGeneral(d, axis=(-2, -1), dtype=self.dtype, kernel_init=init, name="out")(x)


def fused_attention(
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    causal: bool,
    implementation: Literal["cudnn", "xla"],
    padding: int = 0,
) -> jax.Array:
    """jax.nn.dot_product_attention of q [b, q, h, c] over k and v [b, k, h, c] -> [b, q, h, c].

    cuDNN's kernel trains on even numbers of queries and keys alone, so odd ones get one more, which no query
    sees.

    - q, k, v: queries, keys, values.
    - causal: a query sees no key after its own place.
    - implementation: whose kernel.
    - padding: how many of the last queries and keys are such additions already.
    """
    given = q.shape[1]
    count, seen = given - padding, k.shape[1] - padding
    lengths: dict[str, Any] = {}
    if padding or count % 2 or seen % 2:
        lengths = {
            "query_seq_lengths": jnp.full(len(q), count, jnp.int32),
            "key_value_seq_lengths": jnp.full(len(k), seen, jnp.int32),
        }
        q, k, v = (jnp.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, 0), (0, 0))) for x in (q, k, v))
    x = jax.nn.dot_product_attention(q, k, v, is_causal=causal, implementation=implementation, **lengths)
    return x[:, :given]


def fits_cudnn(dtype: Dtype, head_dim: int) -> bool:
    """Whether cuDNN's attention takes these, forward and backward, on the present device: 16-bit floats,
    heads of up to 128 channels that 8 divides, an NVIDIA GPU of compute capability 8.0 (Ampere) or later."""
    if jnp.dtype(dtype) not in (jnp.bfloat16, jnp.float16) or head_dim % 8 or head_dim > 128:
        return False
    device = jax.local_devices()[0]
    if device.platform != "gpu" or "cuda" not in device.client.platform_version:
        return False
    return float(device.compute_capability) >= 8.0


def row_major(x: jax.Array) -> jax.Array:
    """x, kept in memory with its last axis innermost, and its gradient too, where XLA compiles for a GPU.

    Left to itself XLA may lay out all tokens of a ViT with the batch innermost, which costs it transposes in
    every layer.
    """
    if jax.default_backend() != "gpu":
        return x
    return with_layout_constraint(x, Layout(tuple(range(x.ndim))))


class Block(Module):
    """Pre-norm transformer block [b, n, d] -> [b, n, d]; returns its output twice, as a scan body does.

    With `branch_scalars` each residual branch has a scalar factor that starts at 0 (ReZero, Bachlechner et
    al. 2021), so that a block put into a trained network leaves its function as it was. In training,
    `example_ids` [b] number the examples for their dropout; else they are None. `causal` and `padding` as of
    Attention.
    """

    heads: int
    mlp_dim: int
    exact_gelu: bool = False
    dropout: float = 0.0
    branch_scalars: bool = False
    attention: str = "einsum"
    causal: bool = False
    padding: int = 0
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, drop_path: jax.Array | None, example_ids: jax.Array | None
    ) -> tuple[jax.Array, jax.Array]:
        if self.attention != "einsum":
            x = row_major(x)
        h = LayerNorm(epsilon=1e-6, dtype=self.dtype, name="norm1")(x)
        h = Attention(self.heads, self.dtype, self.attention, self.causal, self.padding, name="attn")(h, h)
        x = x + self.branch(h, "scale1", drop_path, example_ids)
        h = LayerNorm(epsilon=1e-6, dtype=self.dtype, name="norm2")(x)
        h = Mlp(self.mlp_dim, self.exact_gelu, self.dropout, self.dtype, name="mlp")(h, example_ids)
        x = x + self.branch(h, "scale2", drop_path, example_ids)
        return x, x

    def branch(
        self, h: jax.Array, scale: str, drop_path: jax.Array | None, example_ids: jax.Array | None
    ) -> jax.Array:
        """What a residual branch adds, from its output h [b, n, d]: with dropout, scalar factor and
        stochastic depth.

        - h: of the branch.
        - scale: name of its scalar factor.
        - drop_path: rate of stochastic depth; None for none.
        - example_ids: as of the block.
        """
        h = Dropout(self.dropout)(h, example_ids)
        if self.branch_scalars:
            h = h * self.param(scale, nn.initializers.zeros, ()).astype(h.dtype)
        return drop_branch(self, h, drop_path, example_ids)


class MapHead(Module):
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
        h = LayerNorm(epsilon=1e-6, dtype=self.dtype, name="norm")(x)
        return (x + Mlp(self.mlp_dim, self.exact_gelu, 0.0, self.dtype, name="mlp")(h))[:, 0]


class PatchEmbedding(Module):
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


def drop_branch(
    module: nn.Module, h: jax.Array, rate: jax.Array | float | None, example_ids: jax.Array | None
) -> jax.Array:
    """Stochastic depth (Huang et al. 2016): zero the branch of an example at random.

    - module: whose key 'dropout' is drawn from.
    - h: [b, ...], of the branch.
    - rate: probability; None for no example.
    - example_ids: [b], see Dropout; None for no example.
    """
    if rate is None or example_ids is None:
        return h
    keep = 1.0 - rate
    kept = keep_masks(module.make_rng("dropout"), example_ids, keep, (1,) * (h.ndim - 1))
    return h * (kept / keep).astype(h.dtype)
