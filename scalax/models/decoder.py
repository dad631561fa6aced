"""A pre-norm transformer decoder that predicts the next token."""

import re
from collections.abc import Mapping
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from scalax.errors import UserError
from scalax.models.checks import check_choice, checked_heads, heads_of
from scalax.models.family import TOKENS, Family
from scalax.models.growth import Growth, Path, one_stage
from scalax.models.layers import ATTENTION, Block, Dropout, Dtype
from scalax.models.modules import Dense, LayerNorm, Module


class Decoder(Module):
    """Decoder: tokens int [b, t] -> (logits [b, t, vocabulary] float32, intermediates).

    The logits at a place are those of the token after it, and see no token beyond the place. t is at most
    `context`. Intermediates are 'block00', ... [b, t, width] and 'pre_logits' [b, t, width]. Parameters:
    embedding [vocabulary, width], pos_embedding [context, width], block00 ... (as of a ViT), norm, head.
    `example_ids` as in models.vit.
    """

    vocabulary: int
    width: int
    depth: int
    heads: int
    mlp_dim: int
    context: int
    dropout: float = 0.0
    branch_scalars: bool = False
    attention: str = "einsum"
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, tokens: jax.Array, train: bool = False, example_ids: jax.Array | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        chex.assert_rank(tokens, 2)
        chex.assert_type(tokens, int)
        b, t = tokens.shape
        if t > self.context:
            raise UserError(f"{t} tokens do not fit into a context of {self.context}")
        if example_ids is None:
            example_ids = jnp.arange(b)
        example_ids = example_ids if train else None
        init = nn.initializers.normal(self.width**-0.5)
        embedding = self.param("embedding", init, (self.vocabulary, self.width))
        positions = self.param("pos_embedding", init, (self.context, self.width))
        x = (embedding[tokens] + positions[:t]).astype(self.dtype)
        x = Dropout(self.dropout)(x, example_ids)
        intermediates = {}
        for index in range(self.depth):
            block = Block(
                heads=self.heads,
                mlp_dim=self.mlp_dim,
                dropout=self.dropout,
                branch_scalars=self.branch_scalars,
                attention=self.attention,
                causal=True,
                dtype=self.dtype,
                name=f"block{index:02d}",
            )
            x, intermediates[f"block{index:02d}"] = block(x, None, example_ids)
        x = LayerNorm(epsilon=1e-6, dtype=self.dtype, name="norm")(x)
        head = Dense(self.vocabulary, dtype=self.dtype, kernel_init=nn.initializers.zeros, name="head")
        return head(x).astype(jnp.float32), {**intermediates, "pre_logits": x}


def parse(name: str) -> dict[str, Any] | None:
    """Shape of 'D128-4' (width-depth), as fields of Decoder, or None for any other name."""
    found = re.fullmatch(r"D([1-9]\d*)-([1-9]\d*)", name)
    if not found:
        return None
    width, depth = map(int, found.groups())
    return {"width": width, "depth": depth, "heads": heads_of(width), "mlp_dim": 4 * width}


def build(
    name: str, shape: Mapping[str, Any], outputs: int, context: int, options: dict[str, Any]
) -> Decoder:
    """The module of a shape.

    - name: of the model.
    - shape: of `parse`.
    - outputs: tokens of the vocabulary.
    - context: tokens of a sequence.
    - options: fields of the module.

    The option `head_dim` asks for max(1, width // head_dim) heads; `mlp_dim` stands in place of 4 width.
    """
    where = f"model {name!r}"
    fields = {**shape, **options}
    check_choice(where, "attention", fields.get("attention", ATTENTION[0]), ATTENTION)
    fields["heads"] = checked_heads(where, shape["width"], shape["heads"], fields.pop("head_dim", None))
    if fields["mlp_dim"] < 1:
        raise UserError(f"{where}: mlp_dim must be at least 1, got {fields['mlp_dim']}")
    return Decoder(outputs, context=context, **fields)


def branch_ends(module: Decoder) -> tuple[Path, ...]:
    return (("scale1",), ("scale2",)) if module.branch_scalars else (("attn", "out"), ("mlp", "out"))


FAMILY = Family(
    name="D",
    title="decoder",
    module=Decoder,
    parse=parse,
    build=build,
    names=("D64-2", "D128-4"),
    examples=("D128-4",),
    options=("head_dim", "mlp_dim", "dropout", "branch_scalars", "attention"),
    inputs=TOKENS,
    growth=Growth(
        axes={"width": ("width", "heads", "mlp_dim"), "depth": ("depth",)},
        free=("dropout", "attention", "dtype"),
        stages=one_stage,
        branch_ends=branch_ends,
        queries=("query",),
        keys=("key",),
        values=("value",),
        norms=("norm1", "norm2", "norm"),
        readers=("in", "head"),
        zero="stream",
    ),
    embedding=("embedding", "pos_embedding"),
)
