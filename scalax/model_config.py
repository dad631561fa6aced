"""What a user may set of models: a part of scalax.config."""

import dataclasses
import re
from typing import Any, Literal

from scalax import bounds
from scalax.bounds import positive, share
from scalax.errors import UserError
from scalax.schedule import Shape, check_size
from scalax.variants import variant


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The models of a study, without their patch sizes.

    Attributes:
      names: a letter for the family of models (scalax.models), then {width}-{depth}: V64-4 is a Vision
        Transformer, M64-4 an MLP-Mixer, R64-18 a ResNet, D64-4 a decoder. Or published models: vit-s/16 is
        V384-12 with that model's heads and pool, with base_patch 16, and with base_grid to fit.
      base_patch: patch size, in pixels, at which the patch kernel's parameters live; it is resized for
        the patch size in use.
      base_grid: side of the grid at which the position embeddings live; likewise resized.
      head_dim: channels of an attention head; there are max(1, width // head_dim) heads.
      pool: of a Vision Transformer: gap averages its tokens, cls adds a class token and reads that, map
        attends; auto is cls for a published model, else gap.
      representation: of a Vision Transformer: a dense layer and tanh before the head, as checkpoints with
        'pre_logits' have it.
      exact_gelu: of a Vision Transformer or MLP-Mixer: GELU itself, as timm's models have it, in place of its
        approximation by tanh.
      branch_scalars: each residual branch of a Vision Transformer or decoder has a factor that starts at 0
        (ReZero).
      precision: auto is bfloat16 compute on accelerators and float32 on CPU; parameters are float32.
      scan: hold all blocks as one and loop over them in the program: faster to compile; other random numbers.
      remat: compute the activations of a block again in its backward pass: less memory, a third more time.
      attention: of a Vision Transformer or decoder. einsum; fused, by jax.nn.dot_product_attention; auto is
        fused on a GPU in bfloat16 where cuDNN's kernel takes the heads, else einsum.
      dropout: share of activations that dropout zeroes.
      drop_path: share of images for which stochastic depth leaves out the last block; less for those before.
    """

    names: tuple[str, ...] = ("V64-4",)
    base_patch: int = 4
    base_grid: int = 4
    head_dim: int = 64
    pool: Literal["auto", "gap", "cls", "map"] = "auto"
    representation: bool = False
    exact_gelu: bool = False
    branch_scalars: bool = False
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    scan: bool = False
    remat: bool = False
    attention: Literal["auto", "einsum", "fused"] = "auto"
    dropout: float = 0.0
    drop_path: float = 0.0

    def __post_init__(self):
        bounds.numbers(self, "model.")
        share("model.dropout", self.dropout)
        share("model.drop_path", self.drop_path)
        positive("model.base_patch", self.base_patch)
        positive("model.base_grid", self.base_grid)
        positive("model.head_dim", self.head_dim)
        if not self.names:
            raise UserError("model.names is empty; name at least one, e.g. V64-4")
        for name in self.names:
            parse_name(name)
        self._of_names()

    def shape(self, name: str, patch: int = 1, resolution: int = 0) -> Shape:
        """The shape of a model; whether its family has such a one is checked when it is built.

        - name: of the model.
        - patch: its patch size in pixels.
        - resolution: side in pixels that images are resized to; 0 is the data's own.

        Raises UserError where `name` is no name of a model.
        """
        family, width, depth = parse_name(name)
        return Shape(patch, width, depth, family, resolution)

    def patch_of(self, name: str) -> int | None:
        """The patch size that a published model's name says; None where it says none."""
        found = variant(name)
        return found.patch if found else None

    def resolved(self, image_size: int) -> "ModelConfig":
        """With what names of published models, and auto, stand for. image_size: side in pixels."""
        own = self._of_names()
        patch = own.pop("base_patch", None)
        if patch is not None:
            own |= {"base_patch": patch, "base_grid": max(1, image_size // patch)}
        pool = own.pop("pool", "gap")
        return dataclasses.replace(self, pool=pool if self.pool == "auto" else self.pool, **own)

    def _of_names(self) -> dict[str, Any]:
        """Settings that the names stand for. Raises UserError where two stand for different ones."""
        found: dict[str, Any] = {}
        for name in self.names:
            known = variant(name)
            own = known.settings if known else {"pool": "gap"} if parse_name(name)[0] == "V" else {}
            if known and known.patch:
                own = {**own, "base_patch": known.patch}
            for key, value in own.items():
                if found.setdefault(key, value) != value and not (key == "pool" and self.pool != "auto"):
                    raise UserError(
                        f"model.names: {', '.join(self.names)} need different model.{key} ({found[key]},"
                        f" {value}); train them apart"
                    )
        return found


def parse_name(name: str) -> tuple[str, int, int]:
    """(family, width, depth) of e.g. V64-4 or vit-s/16. Raises UserError where it is no such name."""
    known = variant(name)
    match = re.fullmatch(
        r"([A-Z][A-Za-z]*)([1-9][0-9]{0,9})-([1-9][0-9]{0,9})", known.name if known else name
    )
    if not match:
        raise UserError(
            f"model.names: {name!r} is no model; want a letter, the width, the depth, e.g. V64-4 (ViT),"
            " M64-4 (Mixer), R64-18 (ResNet) or D64-4 (decoder)"
        )
    for axis, value in zip(("width", "depth"), match.groups()[1:], strict=True):
        check_size(axis, int(value), f"model.names {name}")
    return match[1], int(match[2]), int(match[3])
