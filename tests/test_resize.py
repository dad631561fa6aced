"""Resizing of patch kernels, positions and images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from scalax.data.augment import low_frequencies, resize
from scalax.models.resize import resize_matrix, resize_patch_kernel, resize_positions

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("n_in", "n_out"), [(8, 3), (3, 8), (12, 24), (12, 5), (1, 4), (4, 1), (7, 7)])
def test_matrix_is_what_jax_image_resize_does(n_in, n_out):
    x = RNG.normal(size=(n_in,)).astype(np.float32)
    want = jax.image.resize(x, (n_out,), "bilinear", antialias=False)
    np.testing.assert_allclose(resize_matrix(n_in, n_out) @ x, want, atol=1e-5)


@pytest.mark.parametrize("patch", [4, 5, 8, 12])
def test_upsampled_kernel_keeps_every_token(patch):
    kernel = RNG.normal(size=(4, 4, 3, 6)).astype(np.float32)
    image = RNG.normal(size=(4, 4, 3)).astype(np.float32)
    larger = jax.image.resize(image, (patch, patch, 3), "bilinear", antialias=False)
    token = jnp.tensordot(larger, resize_patch_kernel(jnp.asarray(kernel), patch), 3)
    np.testing.assert_allclose(token, np.tensordot(image, kernel, 3), atol=1e-4)


def test_downsampled_kernel_is_the_least_squares_one():
    kernel = RNG.normal(size=(6, 6, 1, 2)).astype(np.float32)
    resize = np.kron(resize_matrix(6, 3), resize_matrix(6, 3))
    want, *_ = np.linalg.lstsq(resize.T, kernel.reshape(36, 2), rcond=None)
    got = resize_patch_kernel(jnp.asarray(kernel), 3)
    np.testing.assert_allclose(got.reshape(9, 2), want, atol=1e-4)


def test_equal_sizes_cost_no_operation():
    kernel, positions = jnp.ones((4, 4, 3, 2)), jnp.ones((5, 5, 2))
    assert resize_patch_kernel(kernel, 4) is kernel
    assert resize_positions(positions, (5, 5)) is positions


def test_positions_resize_as_an_image():
    positions = RNG.normal(size=(4, 4, 3)).astype(np.float32)
    want = jax.image.resize(positions, (6, 2, 3), "bilinear", antialias=False)
    np.testing.assert_allclose(resize_positions(jnp.asarray(positions), (6, 2)), want, atol=1e-5)


@pytest.mark.parametrize(("n", "kept"), [(32, 16), (32, 12), (15, 7), (9, 9)])
def test_low_frequencies_are_those_of_the_spectrum(n, kept):
    """Waves that the smaller row can hold are sampled as they are; faster ones are gone."""
    matrix = low_frequencies(n, kept)
    for frequency in range(n // 2):
        wave = np.cos(2 * np.pi * frequency * np.arange(n) / n + 0.3)
        sampled = np.cos(2 * np.pi * frequency * np.arange(kept) / kept + 0.3)
        if 2 * frequency < kept:
            np.testing.assert_allclose(matrix @ wave, sampled, atol=1e-5)
        elif 2 * frequency > kept:
            np.testing.assert_allclose(matrix @ wave, 0, atol=1e-5)


def test_low_frequencies_of_images_equal_those_of_scipy():
    images = np.random.default_rng(0).normal(size=(2, 15, 15, 3)).astype(np.float32)
    expected = scipy.signal.resample(scipy.signal.resample(images, 7, axis=1), 7, axis=2)
    np.testing.assert_allclose(resize(images, 7, 7, "frequencies"), expected, atol=1e-5)
