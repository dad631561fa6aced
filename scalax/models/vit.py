"""Vision Transformers: fixed variants, and flexible ones whose parameters serve every patch size."""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from scalax.errors import UserError
from scalax.models.checks import check_choice, checked_heads, heads_of, patch_error
from scalax.models.family import Family
from scalax.models.growth import Growth, Path, one_stage
from scalax.models.layers import (
    ATTENTION,
    Block,
    Dropout,
    Dtype,
    MapHead,
    PatchEmbedding,
    fits_cudnn,
)
from scalax.models.modules import Dense, LayerNorm, Module
from scalax.models.resize import resize_positions
from scalax.schedule import MOST
from scalax.variants import VIT as VARIANTS

POOLS = ("gap", "cls", "map")
POSITIONS = ("learned", "sincos")


def sincos_positions(grid: tuple[int, int], base_grid: int, width: int) -> np.ndarray:
    """Fixed positions [h, w, width] (MoCo v3, Chen et al. 2021): sines and cosines of x, then of y.

    - grid: rows and columns of tokens.
    - base_grid: rows and columns of the base grid.
    - width: of the model, which 4 divides.

    Coordinates are in cells of the base grid, so that a token keeps its place in the image when the patch
    size changes; on the base grid itself they are 0, 1, 2, ...
    """
    frequency = 10_000.0 ** -(np.arange(width // 4) / (width // 4 - 1))
    y, x = ((np.arange(n) + 0.5) * base_grid / n - 0.5 for n in grid)
    y, x = np.meshgrid(y, x, indexing="ij")
    angles = [axis[..., None] * frequency for axis in (x, y)]
    return np.concatenate([f(a) for a in angles for f in (np.sin, np.cos)], -1).astype(np.float32)


class ViT(Module):
    """Vision Transformer: images [b, h, w, c] -> (logits [b, classes] float32, intermediates).

    Intermediates are 'block00', 'block01', ... [b, tokens, width] (the class token, if any, first) and
    'pre_logits' [b, width]. Parameters: embedding, pos_embedding [base_grid, base_grid, width], cls and
    cls_position [width] with a class token, block00 ..., norm, map_head with pool 'map', head.

    The kernel of the embedding is held at `base_patch` and the positions at `base_grid`; both are resized
    to the patch in use (models.resize), so modules that differ in `patch` alone share their parameters.
    `antialias` resizes the positions as FlexiViT's code does, antialiased to fewer.
    `representation` puts a dense layer and tanh before the head, as checkpoints with 'pre_logits' have it.
    `attention` is that of layers.Attention: how it is computed, not what (its costs are einsum's).
    `scan` holds all blocks as one, 'blocks', with a leading axis of depth (models.scan converts).
    `example_ids` [b] number the images of a part of a batch, so that it trains with the dropout masks (by the
    key 'dropout') that it has in the whole; left out they are 0, 1, ...
    """

    num_classes: int
    width: int
    depth: int
    heads: int
    mlp_dim: int
    patch: int
    base_patch: int
    base_grid: int
    pool: str = "gap"
    class_token: bool = False
    positions: str = "learned"
    antialias: bool = False
    exact_gelu: bool = False
    dropout: float = 0.0
    drop_path: float = 0.0
    branch_scalars: bool = False
    representation: bool = False
    scan: bool = False
    remat: bool = False
    attention: str = "einsum"
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, example_ids: jax.Array | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        chex.assert_rank(images, 4)
        x = PatchEmbedding(self.width, self.patch, self.base_patch, self.dtype, name="embedding")(images)
        b, h, w, _ = x.shape
        if example_ids is None:
            example_ids = jnp.arange(b)
        example_ids = example_ids if train else None
        x = x + self.position_grid((h, w)).astype(self.dtype)
        x = x.reshape(b, h * w, self.width)
        if self.class_token:
            cls = self.param("cls", nn.initializers.zeros, (self.width,))
            cls = cls + self.param("cls_position", nn.initializers.normal(self.width**-0.5), (self.width,))
            cls = jnp.broadcast_to(cls, (b, 1, self.width))
            x = jnp.concatenate([cls.astype(self.dtype), x], 1)
        x = Dropout(self.dropout)(x, example_ids)
        count = x.shape[1]
        padding = self.padding(count)
        if padding:
            x = jnp.pad(x, ((0, 0), (0, padding), (0, 0)))
        x, intermediates = self.encode(x, example_ids, padding)
        if padding:
            x, intermediates = jax.tree.map(lambda tokens: tokens[:, :count], (x, intermediates))
        x = LayerNorm(epsilon=1e-6, dtype=self.dtype, name="norm")(x)
        x = self.pooled(x)
        if self.representation:
            x = jnp.tanh(Dense(self.width, dtype=self.dtype, name="representation")(x))
        logits = Dense(self.num_classes, dtype=self.dtype, kernel_init=nn.initializers.zeros, name="head")(x)
        return logits.astype(jnp.float32), {**intermediates, "pre_logits": x}

    def position_grid(self, grid: tuple[int, int]) -> jax.Array:
        if self.positions == "sincos":
            return jnp.asarray(sincos_positions(grid, self.base_grid, self.width))
        init = nn.initializers.normal(self.width**-0.5)
        shape = (self.base_grid, self.base_grid, self.width)
        return resize_positions(self.param("pos_embedding", init, shape), grid, self.antialias)

    def padding(self, tokens: int) -> int:
        """How many more tokens all blocks get, so that cuDNN's attention, which trains on even numbers alone,
        need not pad and cut in each; it leaves zeros in their rows. None with dropout, whose masks are those
        of the tokens."""
        fused = self.attention != "einsum" and fits_cudnn(self.dtype, self.width // self.heads)
        return tokens % 2 if fused and not self.dropout else 0

    def encode(
        self, x: jax.Array, example_ids: jax.Array | None, padding: int
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        kind: Callable = Block
        if self.remat:
            kind = nn.remat(kind, prevent_cse=not self.scan)
        # The rate of stochastic depth grows linearly to `drop_path` at the last block.
        rates = jnp.linspace(0, self.drop_path, self.depth) if self.drop_path else None
        if self.scan:
            in_axes: Any = (nn.broadcast if rates is None else 0, nn.broadcast)
            kind = nn.scan(
                kind,
                variable_axes={"params": 0},
                split_rngs={"params": True, "dropout": True},
                in_axes=in_axes,
                length=self.depth,
            )
        block = functools.partial(
            kind,
            heads=self.heads,
            mlp_dim=self.mlp_dim,
            exact_gelu=self.exact_gelu,
            dropout=self.dropout,
            branch_scalars=self.branch_scalars,
            attention=self.attention,
            padding=padding,
            dtype=self.dtype,
        )
        names = [f"block{index:02d}" for index in range(self.depth)]
        if self.scan:
            x, outputs = block(name="blocks")(x, rates, example_ids)
            return x, {name: outputs[index] for index, name in enumerate(names)}
        intermediates = {}
        for index, name in enumerate(names):
            rate = None if rates is None else rates[index]
            x, intermediates[name] = block(name=name)(x, rate, example_ids)
        return x, intermediates

    def pooled(self, x: jax.Array) -> jax.Array:
        if self.pool == "map":
            return MapHead(self.heads, self.mlp_dim, self.exact_gelu, self.dtype, name="map_head")(x)
        if self.pool == "cls":
            return x[:, 0]
        return (x[:, 1:] if self.class_token else x).mean(1)


SHAPE = {"num_classes", "width", "depth", "heads", "mlp_dim", "patch"}
MODULE_FIELDS = {"parent", "name", "dtype"}
OPTIONS = tuple(f.name for f in dataclasses.fields(ViT) if f.name not in SHAPE | MODULE_FIELDS)


def parse(name: str) -> dict[str, Any] | None:
    """Shape of 'vit-b/16' or 'V192-12/8' (width-depth/patch): fields of ViT, or None for any other name."""
    if found := re.fullmatch(rf"vit-({'|'.join(VARIANTS)})/(\d+)", name):
        width, depth, mlp_dim, heads = VARIANTS[found[1]]
        return {"width": width, "depth": depth, "mlp_dim": mlp_dim, "heads": heads, "patch": int(found[2])}
    if found := re.fullmatch(r"V(\d+)-(\d+)/(\d+)", name):
        width, depth, patch = map(int, found.groups())
        fields = {"width": width, "depth": depth, "mlp_dim": 4 * width, "heads": heads_of(width)}
        return {**fields, "patch": patch}
    return None


def build(name: str, shape: Mapping[str, Any], outputs: int, image_size: int, options: dict[str, Any]) -> ViT:
    """The module of a shape.

    - name: of the model.
    - shape: of `parse`.
    - outputs: classes.
    - image_size: side in pixels.
    - options: fields of the module.

    'vit-*' pool by their class token and resize positions with antialiasing, as published; 'V*' average their
    tokens, have no class token and resize without.
    The option `head_dim` asks for max(1, width // head_dim) heads.
    """
    where = f"model {name!r}"
    width, patch = shape["width"], shape["patch"]
    fields = {"pool": "cls" if name.startswith("vit-") else "gap", **shape, **options}
    fields.setdefault("class_token", fields["pool"] == "cls")
    fields.setdefault("antialias", name.startswith("vit-"))
    if not (width and fields["depth"] and patch):
        raise UserError(f"{where}: width, depth and patch must be at least 1")
    fields["heads"] = checked_heads(where, width, fields["heads"], fields.pop("head_dim", None))
    for key, allowed in (("pool", POOLS), ("positions", POSITIONS), ("attention", ATTENTION)):
        check_choice(where, key, fields.get(key, allowed[0]), allowed)
    if fields["pool"] == "cls" and not fields["class_token"]:
        raise UserError(f"{where}: pool 'cls' needs class_token=True; or use pool 'gap' or 'map'")
    if image_size % patch:
        raise patch_error(where, patch, image_size)
    if fields.get("positions") == "sincos" and (width % 4 or width < 8):
        raise UserError(f"{where}: sin-cos positions need a width of 8 or more that 4 divides, got {width}")
    fields.setdefault("base_patch", patch)
    fields.setdefault("base_grid", image_size // max(1, fields["base_patch"]))
    if fields["base_patch"] < 1 or fields["base_grid"] < 1:
        raise UserError(f"{where}: base_patch and base_grid must be at least 1 on images of {image_size} px")
    if fields["base_grid"] > MOST["resolution"]:  # each position has parameters, and resizing has a matrix
        raise UserError(f"{where}: base_grid must be {MOST['resolution']} at most, got {fields['base_grid']}")
    return ViT(outputs, **fields)


def branch_ends(module: ViT) -> tuple[Path, ...]:
    return (("scale1",), ("scale2",)) if module.branch_scalars else (("attn", "out"), ("mlp", "out"))


def unserved(module: ViT, mode: str) -> str:
    if mode != "normal" and module.positions == "sincos":
        return "sin-cos positions change with the width; only morph.width normal serves them"
    if mode == "zero" and (module.pool == "map" or module.representation):
        return "morph.width zero serves no map head or representation; use copy or normal"
    return ""


FAMILY = Family(
    name="V",
    title="Vision Transformer",
    module=ViT,
    parse=parse,
    build=build,
    names=(*(f"vit-{variant}/{patch}" for variant in VARIANTS for patch in (8, 14, 16, 32)), "V192-12/8"),
    examples=("vit-b/16", "V192-12/8"),
    options=(*OPTIONS, "head_dim"),
    growth=Growth(
        axes={
            "patch": ("patch",),
            "width": ("width", "heads", "mlp_dim"),
            "depth": ("depth",),
            "resolution": (),
        },
        free=("scan", "remat", "dropout", "drop_path", "attention", "dtype"),
        stages=one_stage,
        branch_ends=branch_ends,
        queries=("query",),
        keys=("key",),
        values=("value",),
        norms=("norm1", "norm2", "norm"),
        readers=("in", "head"),
        zero="stream",
        unserved=unserved,
    ),
    embedding=("embedding", "pos_embedding", "cls", "cls_position"),
    head=("head", "representation"),
    # The source of the V models' published counts has the transformer blocks alone.
    apart=lambda name: ("embedding", "head") if name.startswith("V") else ("head",),
)
