"""A Vision Transformer as textbooks of Flax write it, with a plain train step, to measure scalax against."""

import time
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from scalax.errors import UserError
from scalax.models import vit
from scalax.throughput.spec import Round, Spec


class Block(nn.Module):
    heads: int
    mlp_dim: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x):
        h = nn.LayerNorm(dtype=self.dtype)(x)
        x = x + nn.MultiHeadDotProductAttention(self.heads, dtype=self.dtype)(h, h)
        h = nn.Dense(self.mlp_dim, dtype=self.dtype)(nn.LayerNorm(dtype=self.dtype)(x))
        return x + nn.Dense(x.shape[-1], dtype=self.dtype)(nn.gelu(h))


class PlainViT(nn.Module):
    """Images [b, h, w, c] -> logits [b, classes]; the mean of the tokens is classified."""

    classes: int
    width: int
    depth: int
    heads: int
    mlp_dim: int
    patch: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, images):
        size = (self.patch, self.patch)
        x = nn.Conv(self.width, size, size, padding="VALID", dtype=self.dtype)(images)
        x = x.reshape(len(x), -1, self.width)
        x = x + self.param("positions", nn.initializers.normal(0.02), x.shape[1:]).astype(self.dtype)
        for _ in range(self.depth):
            x = Block(self.heads, self.mlp_dim, self.dtype)(x)
        x = nn.LayerNorm(dtype=self.dtype)(x).mean(1)
        return nn.Dense(self.classes, dtype=self.dtype)(x).astype(jnp.float32)


def check(spec: Spec) -> dict[str, Any]:
    """The shape of `spec`; raises UserError where it is no Vision Transformer."""
    shape = vit.parse(spec.model)
    if shape is None:
        raise UserError(f"`against` flax-reference has Vision Transformers only, not {spec.model!r}")
    return shape


class PlainTraining:
    """AdamW on one batch of random images, which stays on the device. compile_s: of its step."""

    def __init__(self, spec: Spec, precision: str):
        model = PlainViT(spec.classes, **check(spec), dtype=jnp.dtype(precision))
        optimizer = optax.adamw(1e-4)
        keys = jax.random.split(jax.random.key(0), 3)
        images = jax.random.uniform(keys[0], (spec.batch, spec.image, spec.image, 3), minval=-1)
        labels = jax.random.randint(keys[1], (spec.batch,), 0, spec.classes)
        params = jax.jit(model.init)(keys[2], images[:1])
        self.state = (params, jax.jit(optimizer.init)(params))

        @jax.jit
        def step(params, moments):
            def loss_of(params):
                logits: Any = model.apply(params, images)
                return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

            loss, grads = jax.value_and_grad(loss_of)(params)
            updates, moments = optimizer.update(grads, moments, params)
            return optax.apply_updates(params, updates), moments, loss

        started = time.perf_counter()
        self.program = step.lower(*self.state).compile()
        self.compile_s = time.perf_counter() - started
        self._round(2)

    def rounds(self) -> dict[str, Round]:
        return {"reference": self._round}

    def about(self) -> dict:
        notes = ["flax-reference: one batch that stays on the device, no clipping, no augmentation"]
        return {"compile_s": {"reference": self.compile_s}, "notes": notes}

    def _round(self, steps: int) -> float:
        started = time.perf_counter()
        for _ in range(steps):
            *self.state, _ = self.program(*self.state)
        jax.block_until_ready(self.state)
        return time.perf_counter() - started
