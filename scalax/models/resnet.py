"""ResNet v1.5 with batch norm, as in torchvision."""

import functools
import re
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from scalax.errors import UserError
from scalax.models.family import Family
from scalax.models.growth import Growth, Path
from scalax.models.layers import Dtype
from scalax.models.modules import Conv, Dense, Module

# Blocks per stage, bottleneck or basic: "Deep Residual Learning" (He et al. 2016), table 1. v1.5 strides in
# the 3x3 convolution of a bottleneck, not in its first 1x1 (Goyal et al. 2017; torchvision's choice).
VARIANTS = {
    "18": ((2, 2, 2, 2), False),
    "34": ((3, 4, 6, 3), False),
    "50": ((3, 4, 6, 3), True),
    "101": ((3, 4, 23, 3), True),
    "152": ((3, 8, 36, 3), True),
}


class BatchNorm(Module):
    """Batch norm over all axes of x [..., c] but the last, as PyTorch has it.

    Training normalises by the batch's biased variance and moves the running statistics ('batch_stats': mean,
    var) a tenth of the way to the batch's mean and unbiased variance. With `axis_name` the batch is that of
    all shards of the mesh axis of this name. Statistics are float32 whatever `dtype` is.
    """

    axis_name: str | None = None
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        c = x.shape[-1]
        mean = self.variable("batch_stats", "mean", jnp.zeros, (c,))
        var = self.variable("batch_stats", "var", jnp.ones, (c,))
        scale = self.param("scale", nn.initializers.ones, (c,))
        bias = self.param("bias", nn.initializers.zeros, (c,))
        use_mean, use_var = mean.value, var.value
        if train:
            wide = x.astype(jnp.float32)
            axes = tuple(range(x.ndim - 1))
            count = x.size // c
            use_mean = wide.mean(axes)
            if self.axis_name:
                use_mean = jax.lax.pmean(use_mean, self.axis_name)
                count = count * jax.lax.axis_size(self.axis_name)
            use_var = jnp.square(wide - use_mean).mean(axes)
            if self.axis_name:
                use_var = jax.lax.pmean(use_var, self.axis_name)
            if not self.is_initializing():
                unbiased = use_var * (count / max(count - 1, 1))
                mean.value += 0.1 * (use_mean - mean.value)
                var.value += 0.1 * (unbiased - var.value)
        x = (x - use_mean) * (scale * jax.lax.rsqrt(use_var + 1e-5)) + bias
        return x.astype(self.dtype)


class ResNetBlock(nn.Module):
    """Basic (3x3, 3x3) or bottleneck (1x1, 3x3, 1x1) block: [b, h, w, c] -> [b, h', w', c']."""

    features: int
    stride: int
    bottleneck: bool
    axis_name: str | None
    dtype: Dtype

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        f, stride = self.features, self.stride
        # (features, kernel, stride) of each convolution.
        plan = [(f, 1, 1), (f, 3, stride), (4 * f, 1, 1)] if self.bottleneck else [(f, 3, stride), (f, 3, 1)]
        norm = functools.partial(BatchNorm, self.axis_name, self.dtype)
        h = x
        for index, (features, kernel, step) in enumerate(plan, 1):
            if index > 1:
                h = nn.relu(h)
            h = conv(features, kernel, step, self.dtype, f"conv{index}")(h)
            h = norm(name=f"norm{index}")(h, train)
        if x.shape != h.shape:
            x = norm(name="proj_norm")(conv(h.shape[-1], 1, stride, self.dtype, "proj")(x), train)
        return nn.relu(x + h)


def conv(features: int, kernel: int, stride: int, dtype: Dtype, name: str) -> Conv:
    """Convolution padded by half its kernel, no bias, He initialisation by fan-out.

    - features: channels out.
    - kernel: its side in pixels.
    - stride: in pixels.
    - dtype: of computation.
    - name: of its parameters.
    """
    return Conv(
        features,
        (kernel, kernel),
        stride,
        padding=kernel // 2,
        use_bias=False,
        dtype=dtype,
        kernel_init=nn.initializers.variance_scaling(2.0, "fan_out", "normal"),
        name=name,
    )


class ResNet(nn.Module):
    """ResNet: images [b, h, w, c] -> (logits [b, classes] float32, intermediates).

    Intermediates are 'block00', ... [b, h', w', c'] through all stages and 'pre_logits' [b, c'], the mean
    over places. Parameters: stem, stem_norm, block00/{conv1, norm1, ..., proj, proj_norm}, head; running
    statistics stand under 'batch_stats' by the same names, and change with `train=True`. `width` is that of
    the stem and the first stage; it doubles at each stage. `axis_name` is the mesh axis over which batch norm
    synchronises.
    """

    num_classes: int
    stages: tuple[int, ...]
    bottleneck: bool
    width: int = 64
    axis_name: str | None = None
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> tuple[jax.Array, dict[str, jax.Array]]:
        chex.assert_rank(images, 4)
        x = conv(self.width, 7, 2, self.dtype, "stem")(images)
        x = nn.relu(BatchNorm(self.axis_name, self.dtype, name="stem_norm")(x, train))
        one: Any = ((1, 1), (1, 1))
        x = nn.max_pool(x, (3, 3), (2, 2), padding=one)
        intermediates = {}
        for stage, blocks in enumerate(self.stages):
            for index in range(blocks):
                name = f"block{len(intermediates):02d}"
                stride = 2 if stage and not index else 1
                width = self.width * 2**stage
                block = ResNetBlock(width, stride, self.bottleneck, self.axis_name, self.dtype, name=name)
                x = intermediates[name] = block(x, train)
        x = x.mean((1, 2))
        logits = Dense(self.num_classes, dtype=self.dtype, name="head")(x)
        return logits.astype(jnp.float32), {**intermediates, "pre_logits": x}


def parse(name: str) -> dict[str, Any] | None:
    """Shape of 'resnet50' or 'R64-50' (width-depth), as fields of ResNet, or None for any other name."""
    found = re.fullmatch(r"(?:resnet|R([1-9]\d*)-)(\d+)", name)
    if not found:
        return None
    width, variant = found[1] or 64, found[2]
    if variant not in VARIANTS:
        raise UserError(f"model {name!r}: depth {variant} of a ResNet is none of {', '.join(VARIANTS)}")
    stages, bottleneck = VARIANTS[variant]
    return {"stages": stages, "bottleneck": bottleneck, "width": int(width)}


def branch_ends(module: ResNet) -> tuple[Path, ...]:
    return (("norm3",),) if module.bottleneck else (("norm2",),)


FAMILY = Family(
    name="R",
    title="ResNet",
    module=ResNet,
    parse=parse,
    build=lambda name, fields, outputs, size, options: ResNet(outputs, **fields, **options),
    names=(*(f"resnet{variant}" for variant in VARIANTS), *(f"R64-{variant}" for variant in VARIANTS)),
    examples=("resnet50", "R64-50"),
    options=("axis_name",),
    growth=Growth(
        axes={"width": ("width",), "depth": ("stages",), "resolution": ()},
        free=("axis_name", "dtype"),
        stages=lambda module: module.stages,
        first_copied=1,  # the first block of a stage strides and projects
        branch_ends=branch_ends,
        zero="channels",
    ),
    embedding=("stem", "stem_norm"),
)
