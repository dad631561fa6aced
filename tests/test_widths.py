"""Rates and initial values by width: the maximal-update parametrisation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scalax import models
from scalax.config import OptimConfig
from scalax.tasks.image_classification import ImageClassification
from scalax.train import rates, state, step, widths
from scalax.train.optimizer import make_optimizer
from tests.rejects import rejects

IMAGE = jax.ShapeDtypeStruct((8, 8, 1), jnp.float32)
TOKENS = jax.ShapeDtypeStruct((8,), jnp.int32)
CONFIG = OptimConfig(clip_norm=1e9, weight_decay=0.0, weight_decay_head=0.0)


def model_of(name, **options):
    return models.build(name, 3, **{"image_size": 8} | options)


SUMS = {  # kernels that sum over the width, by the end of their path
    "V16-1/4": {"query", "key", "value", "out", "in", "head"},
    "D16-1": {"query", "key", "value", "out", "in", "head"},
    # A token MLP reads the grid, as wide as ever, into half of the width, and sums over that.
    "M16-1/4": {"token_mlp/out", "channel_mlp/in", "channel_mlp/out", "head"},
}


@pytest.mark.parametrize("name", SUMS)
def test_which_parameters_learn_slower(name):
    text = name.startswith("D")
    module = models.build(name, 3, context=8) if text else model_of(name)
    example = TOKENS if text else IMAGE
    optimizer = widths.scaled(make_optimizer(CONFIG), module, example, 4)
    slower = set()
    for path, _ in jax.tree_util.tree_leaves_with_path(models.abstract_variables(module, example)["params"]):
        names = [key.key for key in path]
        factor = optimizer.rate_factor(path)
        if factor != 1:
            assert factor == 0.25
            assert names[-1] == "kernel"
            slower.add("/".join(names[-3:-1]) if name.startswith("M") and names[0] != "head" else names[-2])
    assert slower == SUMS[name]


def test_all_of_a_resnet_but_its_stem_and_norms():
    module = models.build("R8-18", 3, image_size=16)
    example = jax.ShapeDtypeStruct((16, 16, 3), jnp.float32)
    optimizer = widths.scaled(make_optimizer(CONFIG), module, example, 4)
    for path, _ in jax.tree_util.tree_leaves_with_path(models.abstract_variables(module, example)["params"]):
        names = [key.key for key in path]
        inside = names[-1] == "kernel" and names[0] != "stem"
        assert optimizer.rate_factor(path) == (0.5 if inside else 1.0), names


def begun(width, base_width, seed=0):
    model = model_of(f"V{width}-1/4", head_dim=4)
    transform = make_optimizer(CONFIG).transform

    def begin(params):
        return widths.scale_initial(params, model, base_width)

    return model, state.creator(model, transform, IMAGE, begin=begin)(seed)


def test_initial_values():
    """Positions have the variance that they have at the base width; all else is as drawn."""
    _, plain = begun(128, 0)
    _, scaled = begun(128, 16)
    grids = [np.asarray(each.params["pos_embedding"]) for each in (plain, scaled)]
    np.testing.assert_allclose(grids[1], np.sqrt(8) * grids[0], rtol=1e-6)
    assert grids[1].std() == pytest.approx(1 / 4, rel=0.1)
    for each in (plain, scaled):
        del each.params["pos_embedding"]
    for one, other in zip(jax.tree.leaves(plain.params), jax.tree.leaves(scaled.params), strict=True):
        np.testing.assert_array_equal(one, other)


@functools.cache
def moved(width, base_width, steps=3, lr=0.02):
    """How far features move in a few steps: rms of the change of pre_logits, before the head."""
    config = CONFIG
    model, before = begun(width, base_width)
    task = ImageClassification((8, 8, 1), 3, 0.0, 0, False)
    optimizer = widths.scaled(make_optimizer(config), model, IMAGE, base_width)
    images = jax.random.normal(jax.random.PRNGKey(2), (16, 8, 8, 1))
    labels = jax.random.randint(jax.random.PRNGKey(3), (16,), 0, 3)
    hyperparams = rates.hyperparams(lr, [config])
    update = jax.jit(lambda s: step.update(model, optimizer, task, s, images, labels, hyperparams)[0])
    after = before
    for _ in range(steps):
        after = update(after)
    apply = jax.jit(model.apply)
    logits = [apply({"params": each.params}, images)[0] for each in (before, after)]
    return float(jnp.sqrt(((logits[1] - logits[0]) ** 2).mean()))


def test_updates_keep_their_size_over_widths():
    """The coordinate check of the paper (section D.1): logits move alike at every width; without it they
    move the more the wider the model is."""
    plain = moved(128, 0) / moved(16, 0)
    scaled = moved(128, 16) / moved(16, 16)
    assert plain > 2.5
    assert 0.5 < scaled < 2


def test_the_base_width_itself_trains_as_without():
    assert moved(16, 16) == moved(16, 0)


def test_sgd_has_other_rules():
    with rejects("optim.base_width"):
        OptimConfig(name="sgd", base_width=16)
