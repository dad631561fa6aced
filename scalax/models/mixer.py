"""MLP-Mixer."""

import re
from collections.abc import Mapping
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from scalax.errors import UserError
from scalax.models.checks import patch_error
from scalax.models.family import Family
from scalax.models.growth import Growth, one_stage
from scalax.models.layers import Dtype, Mlp, PatchEmbedding, drop_branch
from scalax.models.modules import Dense, LayerNorm
from scalax.variants import MIXER as VARIANTS

# There the channel MLPs are 4 times as wide as the embedding and the token MLPs half as wide.
CHANNEL_FACTOR, TOKEN_DIVISOR = 4, 2


class MixerBlock(nn.Module):
    """Mix tokens, then channels: [b, n, d] -> [b, n, d]."""

    channel_dim: int
    token_dim: int
    drop_path: float
    exact_gelu: bool
    dtype: Dtype

    @nn.compact
    def __call__(self, x: jax.Array, example_ids: jax.Array | None) -> jax.Array:
        rate = self.drop_path or None
        init = {"kernel_init": nn.initializers.lecun_normal(), "bias_init": nn.initializers.zeros}
        fields = {"exact_gelu": self.exact_gelu, "dtype": self.dtype, **init}
        h = LayerNorm(epsilon=1e-6, dtype=self.dtype, name="norm1")(x).swapaxes(1, 2)
        h = Mlp(self.token_dim, name="token_mlp", **fields)(h).swapaxes(1, 2)
        x = x + drop_branch(self, h, rate, example_ids)
        h = LayerNorm(epsilon=1e-6, dtype=self.dtype, name="norm2")(x)
        h = Mlp(self.channel_dim, name="channel_mlp", **fields)(h)
        return x + drop_branch(self, h, rate, example_ids)


class Mixer(nn.Module):
    """MLP-Mixer: images [b, h, w, c] -> (logits [b, classes] float32, intermediates).

    Intermediates are 'block00', ... [b, tokens, width] and 'pre_logits' [b, width]. The token MLPs fix the
    number of tokens, hence the image size; the kernel of the embedding is held at `base_patch` and resized.
    Parameters: embedding, block00/{norm1, token_mlp, norm2, channel_mlp}, ..., norm, head. `example_ids` as
    in models.vit.
    """

    num_classes: int
    width: int
    depth: int
    channel_dim: int
    token_dim: int
    patch: int
    base_patch: int
    drop_path: float = 0.0
    exact_gelu: bool = False
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, example_ids: jax.Array | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        chex.assert_rank(images, 4)
        x = PatchEmbedding(self.width, self.patch, self.base_patch, self.dtype, name="embedding")(images)
        x = x.reshape(x.shape[0], -1, self.width)
        if example_ids is None:
            example_ids = jnp.arange(x.shape[0])
        example_ids = example_ids if train else None
        intermediates = {}
        for index in range(self.depth):
            rate = self.drop_path * index / max(self.depth - 1, 1)
            block = MixerBlock(
                self.channel_dim, self.token_dim, rate, self.exact_gelu, self.dtype, name=f"block{index:02d}"
            )
            x = intermediates[f"block{index:02d}"] = block(x, example_ids)
        x = LayerNorm(epsilon=1e-6, dtype=self.dtype, name="norm")(x).mean(1)
        head = Dense(self.num_classes, dtype=self.dtype, kernel_init=nn.initializers.zeros, name="head")
        return head(x).astype(jnp.float32), {**intermediates, "pre_logits": x}


def parse(name: str) -> dict[str, Any] | None:
    """Shape of 'mixer-b/16' or 'M64-4/8' (width-depth/patch): fields of Mixer, or None for any other name."""
    if found := re.fullmatch(rf"mixer-({'|'.join(VARIANTS)})/([1-9]\d*)", name):
        fields = ("width", "depth", "channel_dim", "token_dim")
        return {**dict(zip(fields, VARIANTS[found[1]], strict=True)), "patch": int(found[2])}
    if found := re.fullmatch(r"M([1-9]\d*)-([1-9]\d*)/([1-9]\d*)", name):
        width, depth, patch = map(int, found.groups())
        mlps = {"channel_dim": CHANNEL_FACTOR * width, "token_dim": width // TOKEN_DIVISOR}
        return {"width": width, "depth": depth, **mlps, "patch": patch}
    return None


def build(
    name: str, shape: Mapping[str, Any], outputs: int, image_size: int, options: dict[str, Any]
) -> Mixer:
    """The module of a shape; its base_patch is its patch unless given.

    - name: of the model.
    - shape: of `parse`.
    - outputs: classes.
    - image_size: side in pixels.
    - options: fields of the module.
    """
    where = f"model {name!r}"
    if image_size % shape["patch"]:
        raise patch_error(where, shape["patch"], image_size)
    if shape["width"] % TOKEN_DIVISOR:
        raise UserError(f"{where}: width must be even, for token MLPs of half of it; got {shape['width']}")
    fields = {"base_patch": shape["patch"], **options}
    if fields["base_patch"] < 1:
        raise UserError(f"{where}: base_patch must be at least 1, got {fields['base_patch']}")
    return Mixer(outputs, **shape, **fields)


FAMILY = Family(
    name="M",
    title="MLP-Mixer",
    module=Mixer,
    parse=parse,
    build=build,
    names=(*(f"mixer-{variant}/{patch}" for variant in VARIANTS for patch in (16, 32)), "M64-4/8"),
    examples=("mixer-b/16", "M64-4/8"),
    options=("base_patch", "drop_path", "exact_gelu"),
    growth=Growth(
        axes={
            "patch": ("patch",),
            "width": ("width", "channel_dim", "token_dim"),
            "depth": ("depth",),
            "resolution": (),
        },
        free=("drop_path", "dtype"),
        stages=one_stage,
        branch_ends=lambda module: (("token_mlp", "out"), ("channel_mlp", "out")),
        grid_readers=(("token_mlp", "in", "kernel"),),
        grid_writers=(("token_mlp", "out", "kernel"), ("token_mlp", "out", "bias")),
        # Token MLPs would have to map zero to the mean of their outputs.
        zero="",
    ),
)
