"""BiT: pre-activation ResNets with group norm and weight standardisation."""

import re
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from scalax.models.family import Family
from scalax.models.layers import Dtype
from scalax.models.modules import Dense, GroupNorm, Module

# Blocks per stage: "Big Transfer" (Kolesnikov et al. 2020), section 3; xN multiplies all widths by N.
VARIANTS = {"50": (3, 4, 6, 3), "101": (3, 4, 23, 3), "152": (3, 8, 36, 3)}
WIDTHS = (1, 2, 3, 4)


class StdConv(Module):
    """Convolution by a kernel standardised to mean 0, variance 1 per output (Qiao et al. 2019); no bias."""

    features: int
    size: int
    stride: int = 1
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.variance_scaling(2.0, "fan_in", "normal"), shape)
        kernel = kernel - kernel.mean((0, 1, 2))
        kernel = kernel / jnp.sqrt(jnp.square(kernel).mean((0, 1, 2)) + 1e-10)
        return jax.lax.conv_general_dilated(
            x.astype(self.dtype),
            kernel.astype(self.dtype),
            (self.stride, self.stride),
            [(self.size // 2, self.size // 2)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )


class BitBlock(nn.Module):
    """Pre-activation bottleneck: [b, h, w, c] -> [b, h / stride, w / stride, 4 features]."""

    features: int
    stride: int
    dtype: Dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        f = self.features
        h = normed(x, "norm1", self.dtype)
        if self.stride > 1 or x.shape[-1] != 4 * f:
            x = StdConv(4 * f, 1, self.stride, self.dtype, name="proj")(h)
        h = StdConv(f, 1, 1, self.dtype, name="conv1")(h)
        h = StdConv(f, 3, self.stride, self.dtype, name="conv2")(normed(h, "norm2", self.dtype))
        return x + StdConv(4 * f, 1, 1, self.dtype, name="conv3")(normed(h, "norm3", self.dtype))


def normed(x: jax.Array, name: str, dtype: Dtype) -> jax.Array:
    """Group norm of 32 groups, then ReLU: x [b, h, w, c] -> the same shape; `name` has the parameters."""
    norm = GroupNorm(32, epsilon=1e-5, dtype=dtype, use_fast_variance=False, name=name)
    return nn.relu(norm(x))


class Bit(nn.Module):
    """BiT ResNet: images [b, h, w, c] -> (logits [b, classes] float32, intermediates).

    Intermediates are 'block00', ... [b, h', w', c'] through all stages and 'pre_logits' [b, c'].
    Parameters: stem, block00/{norm1, conv1, ..., proj}, norm, head.
    """

    num_classes: int
    stages: tuple[int, ...]
    width: int
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> tuple[jax.Array, dict[str, jax.Array]]:
        chex.assert_rank(images, 4)
        x = StdConv(64 * self.width, 7, 2, self.dtype, name="stem")(images)
        # BiT pads its pooling by zeros, where max_pool would by -inf; the input is signed, so it matters.
        x = nn.max_pool(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), (2, 2))
        intermediates = {}
        for stage, blocks in enumerate(self.stages):
            for index in range(blocks):
                name = f"block{len(intermediates):02d}"
                stride = 2 if stage and not index else 1
                x = BitBlock(64 * self.width * 2**stage, stride, self.dtype, name=name)(x)
                intermediates[name] = x
        x = normed(x, "norm", self.dtype).mean((1, 2))
        head = Dense(self.num_classes, dtype=self.dtype, kernel_init=nn.initializers.zeros, name="head")
        return head(x).astype(jnp.float32), {**intermediates, "pre_logits": x}


NAMES = tuple(f"bit-r{depth}x{width}" for depth in VARIANTS for width in WIDTHS)


def parse(name: str) -> dict[str, Any] | None:
    """Shape of 'bit-r50x1', as fields of Bit, or None for any other name."""
    found = re.fullmatch(r"bit-r(\d+)x(\d+)", name) if name in NAMES else None
    return {"stages": VARIANTS[found[1]], "width": int(found[2])} if found else None


FAMILY = Family(
    name="BiT",
    title="BiT ResNet",
    module=Bit,
    parse=parse,
    build=lambda name, fields, outputs, size, options: Bit(outputs, **fields, **options),
    names=NAMES,
    examples=("bit-r50x1",),
    options=(),
    embedding=("stem",),
)
