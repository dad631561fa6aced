"""Shapes, names and parameter sharing of the models."""

import jax
import jax.numpy as jnp
import pytest

from scalax import models
from scalax.errors import UserError


def shapes(module, size, channels=3):
    """Abstract variables of `module`, for which nothing is computed."""
    image = jax.ShapeDtypeStruct((1, size, size, channels), jnp.float32)
    return jax.eval_shape(module.init, jax.random.key(0), image)


def parameters(name, classes, image_size=224):
    """Number of parameters of the model `name`."""
    variables = shapes(models.build(name, classes, image_size=image_size), image_size)
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def test_vit_gives_logits_and_one_intermediate_per_block():
    module = models.build("V64-4/4", 10, image_size=16)
    images = jax.ShapeDtypeStruct((2, 16, 16, 1), jnp.float32)
    variables = jax.eval_shape(module.init, jax.random.key(0), images)
    logits, layers = jax.eval_shape(module.apply, variables, images)
    assert logits.shape == (2, 10)
    assert logits.dtype == jnp.float32
    assert list(layers) == ["block00", "block01", "block02", "block03", "pre_logits"]
    assert layers["block00"].shape == (2, 16, 64)
    assert layers["pre_logits"].shape == (2, 64)


def test_patch_alone_leaves_parameters_as_they_are():
    trees = [
        shapes(models.build(f"V32-2/{patch}", 10, image_size=24, base_patch=8, base_grid=3), 24)
        for patch in (4, 6, 8, 12)
    ]
    assert all(tree == trees[0] for tree in trees)
    assert trees[0]["params"]["embedding"]["kernel"].shape == (8, 8, 3, 32)
    assert trees[0]["params"]["pos_embedding"].shape == (3, 3, 32)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("V64-4/7", {}, "patch 7 does not divide the image of 16 px; try 8"),
        ("vit-ti/16x", {}, "did you mean 'vit-ti/16'"),
        ("V64-0/4", {}, "at least 1"),
        ("V100-1/4", {}, None),
        ("V200-1/4", {}, "heads do not divide"),
        ("V64-4/4", {"pol": "gap"}, "did you mean 'pool'"),
        ("V64-4/4", {"pool": "max"}, "unknown pool 'max'"),
        ("V64-4/4", {"pool": "cls", "class_token": False}, "class_token"),
        ("V6-4/4", {"positions": "sincos"}, "sin-cos"),
        ("V64-4/4", {"base_patch": 32}, "base_grid"),
    ],
)
def test_bad_names_and_options_are_one_line(name, options, message):
    if message is None:
        models.build(name, 10, image_size=16, **options)
        return
    with pytest.raises(UserError) as error:
        models.build(name, 10, image_size=16, **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
