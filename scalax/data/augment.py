"""Crop, flip and resizing inside the jitted step; every image has its own key, so devices do not matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # JAX is imported where it is used: a config that registers a kind starts without it
    from jax import Array


# Mean and standard deviation of red, green and blue, of pixels in 0..1, that are taken off and divided by.
# imagenet: torchvision's and timm's for models trained on ImageNet; clip: github.com/openai/CLIP.
RANGES = {
    "symmetric": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}


def normalise(images: Array, range_name: str = "symmetric") -> Array:
    """uint8 [..., H, W, C] to float32: in [-1, 1], or in another of `RANGES`; imagenet and clip want RGB."""
    if range_name == "symmetric":
        return images.astype(np.float32) / 127.5 - 1.0
    mean, std = (np.array(values, np.float32) for values in RANGES[range_name])
    if range_name == "unit":
        mean, std = mean[:1], std[:1]
    return (images.astype(np.float32) / np.float32(255) - mean) / std


def range_of(mean: np.ndarray, std: np.ndarray) -> str:
    """The name in `RANGES` of a mean and a standard deviation, [3] each. Raises ValueError for others."""
    for name, known in RANGES.items():
        if np.shape(mean) == np.shape(std) == (3,) and np.allclose([mean, std], known, atol=1e-3):
            return name
    raise ValueError(f"no range has mean {np.ravel(mean)[:3]} and deviation {np.ravel(std)[:3]}")


def resize(images: Array, height: int, width: int, method: str = "linear") -> Array:
    """float [B, H, W, C] to [B, height, width, C]. Images of that size come back as they are.

    - images: to resize.
    - height, width: of the result, in pixels, H and W at most.
    - method: linear, antialiased; or frequencies, the lowest of each image alone ('EfficientTrain', Wang et
      al. 2023, section 4.1).
    """
    if images.shape[1:3] == (height, width):
        return images
    import jax
    import jax.numpy as jnp

    b, h, w, c = images.shape
    if method == "linear":
        return jax.image.resize(images, (b, height, width, c), "linear", antialias=True)
    down, across = low_frequencies(h, height), low_frequencies(w, width)
    return jnp.einsum("yh,bhwc,xw->byxc", down, images, across, precision="highest")  # as the other


def low_frequencies(n: int, kept: int) -> np.ndarray:
    """[kept, n] float32: from n pixels to those of a row with its lowest `kept` frequencies, the mean kept.

    They are -kept/2, ..., kept/2 - 1 for even numbers, of which the first counts by its real part.
    """
    centre = n // 2 - kept // 2
    spectrum = np.fft.fftshift(np.fft.fft(np.eye(n), axis=0), axes=0)[centre : centre + kept]
    rows = np.fft.ifft(np.fft.ifftshift(spectrum, axes=0), axis=0)
    return (rows.real * kept / n).astype(np.float32)


def augment(keys: Array, images: Array, padding: int, flip: bool) -> Array:
    """Crop each image at random from its zero-padded self, and mirror half of them.

    - keys: [B], random, one an image.
    - images: uint8 [B, H, W, C]; those returned have the same shape and type.
    - padding: pixels of zeros on each side; 0 for no crop.
    - flip: whether to mirror.
    """
    import jax
    import jax.numpy as jnp

    _, h, w, _ = images.shape
    y, x = jnp.arange(h)[None], jnp.arange(w)[None]
    if flip:
        mirrored = jax.vmap(lambda key: jax.random.bernoulli(jax.random.fold_in(key, 1)))(keys)
        x = jnp.where(mirrored[:, None], x[:, ::-1], x)
    if padding:
        corners = jax.vmap(lambda key: _corner(key, padding))(keys)
        y, x = y + corners[:, :1], x + corners[:, 1:]
        images = _take(images, y, 1)  # rows first: on a CPU twice as fast as one gather of windows
    return _take(images, x, 2) if flip or padding else images


def _corner(key: Array, padding: int) -> Array:
    """Of the crop, [2], in the image before its padding."""
    import jax

    return jax.random.randint(jax.random.fold_in(key, 0), (2,), 0, 2 * padding + 1) - padding


def _take(images: Array, places: Array, axis: int) -> Array:
    """images [B, H, W, C] at `places` [B, n] along `axis`, zero outside."""
    import jax.numpy as jnp

    places = jnp.expand_dims(places, (3 - axis, 3))
    size = images.shape[axis]
    taken = jnp.take_along_axis(images, jnp.clip(places, 0, size - 1), axis)
    return jnp.where((places >= 0) & (places < size), taken, 0).astype(images.dtype)
