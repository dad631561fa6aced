"""Resize patch kernels and position embeddings, so that one set of parameters serves every patch size.

One convention for all that is trained here, stated here alone: bilinear, half-pixel centres, no antialiasing,
that is `jax.image.resize(..., "bilinear", antialias=False)`. Beyond the outermost centres the edge value
holds, so the rows of every matrix below sum to one.

Positions of published weights are resized as FlexiViT's code does it in its model (big_vision,
models/proj/flexi/vit.py): by `jax.image.resize(..., "linear")`, which is antialiased where it shrinks.
"""

import jax
import jax.numpy as jnp
import numpy as np


def resize_matrix(n_in: int, n_out: int, antialias: bool = False) -> np.ndarray:
    """R [n_out, n_in] float64: `R @ x` resizes a signal x [n_in] to n_out samples.

    antialias: where n_out < n_in, each sample is an average of n_in / n_out times as many.
    """
    centre = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
    if antialias and n_out < n_in:
        weights = np.maximum(0.0, 1.0 - np.abs(centre[:, None] - np.arange(n_in)) * n_out / n_in)
        return weights / weights.sum(1, keepdims=True)
    return np.maximum(0.0, 1.0 - np.abs(np.clip(centre, 0, n_in - 1)[:, None] - np.arange(n_in)))


def _pseudo_inverse(n_in: int, n_out: int) -> np.ndarray:
    """(R^T)^+ [n_out, n_in] in float32, from a pseudo-inverse of a small matrix in float64."""
    return np.linalg.pinv(resize_matrix(n_in, n_out).T).astype(np.float32)


def _both_axes(rows: np.ndarray, columns: np.ndarray, x: jax.Array) -> jax.Array:
    """Apply one matrix along each of the first two axes of x [h, w, ...]."""
    with jax.named_scope("resize"):
        x = jnp.tensordot(jnp.asarray(rows, x.dtype), x, 1, precision="highest")
        x = jnp.tensordot(jnp.asarray(columns, x.dtype), x, ((1,), (1,)), precision="highest")
    return x.swapaxes(0, 1)


def resize_patch_kernel(kernel: jax.Array, patch: int) -> jax.Array:
    """A patch embedding kernel [p0, p0, c, d] as one for patches of `patch` pixels: [p, p, c, d].

    FlexiViT (Beyer et al. 2023, section 3.4): w' = (R^T)^+ w, which for p >= p0 keeps every token,
    <R x, w'> = <x, w> for all patches x, and for p < p0 keeps them on average. R is the Kronecker product
    of two one-dimensional resizes, and so is its pseudo-inverse: two p x p0 matrices are all it takes.
    """
    p0 = kernel.shape[0]
    if p0 == patch:
        return kernel
    inverse = _pseudo_inverse(p0, patch)
    return _both_axes(inverse, inverse, kernel)


def resize_positions(positions: jax.Array, grid: tuple[int, int], antialias: bool = False) -> jax.Array:
    """Position embeddings [h0, w0, d] resized bilinearly to a grid of (h, w) tokens: [h, w, d].

    antialias: as in `resize_matrix`.
    """
    (h0, w0), (h, w) = positions.shape[:2], grid
    if (h0, w0) == (h, w):
        return positions
    return _both_axes(resize_matrix(h0, h, antialias), resize_matrix(w0, w, antialias), positions)
