"""Random crop and flip inside the jitted step; every image has its own key, so devices do not matter."""

import jax
import jax.numpy as jnp
from jax import Array


def normalise(images: Array) -> Array:
    """uint8 [..., H, W, C] to float32 in [-1, 1]."""
    return images.astype(jnp.float32) / 127.5 - 1.0


def augment(keys: Array, images: Array, padding: int, flip: bool) -> Array:
    """Crop each image at random from its zero-padded self, and mirror half of them.

    keys: [B] random keys, images: uint8 [B, H, W, C] -> the same shape and type.
    """
    if padding:
        images = jax.vmap(lambda key, image: _crop(key, image, padding))(keys, images)
    if flip:
        mirrored = jax.vmap(lambda key: jax.random.bernoulli(jax.random.fold_in(key, 1)))(keys)
        images = jnp.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
    return images


def _crop(key: Array, image: Array, padding: int) -> Array:
    top, left = jax.random.randint(jax.random.fold_in(key, 0), (2,), 0, 2 * padding + 1)
    padded = jnp.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    return jax.lax.dynamic_slice(padded, (top, left, 0), image.shape)
