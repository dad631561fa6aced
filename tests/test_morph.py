"""Changes of shape: what is kept bit for bit, what function is preserved, and that training can go on."""

import functools
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

from scalax import models, morph
from scalax.config import MorphConfig, OptimConfig
from scalax.models.resize import resize_matrix
from scalax.models.resnet import ResNet
from scalax.morph import depth, trees
from scalax.train.optimizer import make_optimizer
from tests.rejects import rejects

BASE = {
    "V": {"image_size": 8, "base_patch": 4, "base_grid": 2, "head_dim": 4},
    "M": {"image_size": 8, "base_patch": 4},
    "D": {"context": 6, "head_dim": 4},
}
OPTIMIZER = make_optimizer(OptimConfig()).transform
UPDATE = jax.jit(OPTIMIZER.update)
NORMAL = MorphConfig()


def build(name, **options) -> Any:
    """As models.build, but R{width}-{blocks of each stage}: e.g. R4-12 has a block, then two."""
    if name.startswith("R"):
        width, stages = name[1:].split("-")
        return ResNet(3, tuple(map(int, stages)), bottleneck=False, width=int(width), **options)
    return models.build(name, 3, **{**BASE[name[0]], **options})


def example(module) -> jax.ShapeDtypeStruct:
    return models.family_of(module).inputs.example(getattr(module, "context", 8), 3)


def shapes(module) -> dict:
    return unflatten_dict(trees.shapes(module, example(module)))


def variables(module, seed=0) -> tuple[dict, dict]:
    """(params, model_state) of normal numbers, with scales and variances about 1: no zero hides a mistake."""
    rng = np.random.default_rng(seed)

    def fill(path, leaf):
        noise = 0.3 * rng.normal(size=leaf.shape)
        return np.asarray(np.abs(1 + noise) if path[-1].key in ("scale", "var") else noise, leaf.dtype)

    filled = jax.tree_util.tree_map_with_path(fill, shapes(module))
    return filled.pop("params"), filled


def adam_state(params, optimizer=OPTIMIZER, seed=1):
    """A state of the optimiser as after an update: counts of 1, random moments, the second ones positive."""
    rng = np.random.default_rng(seed)

    def fill(path, leaf):
        second = any(getattr(key, "name", "") == "nu" for key in path)
        x = rng.normal(size=leaf.shape) if leaf.shape else np.ones(())
        return np.asarray(np.square(x) if second else x, leaf.dtype)

    return jax.tree_util.tree_map_with_path(fill, jax.eval_shape(optimizer.init, params))


@functools.partial(jax.jit, static_argnums=(0, 1, 4))
def _change(before, after, state, key, config):
    return morph.change(before, after, *state, key, config, example(before))


def change(before, after, state, config=NORMAL, seed=0):
    """`state`: (params, model_state, opt_state). The result is NumPy's."""
    return jax.tree.map(np.asarray, _change(before, after, state, jax.random.key(seed), config))


def abstract_change(before, after, state, config=NORMAL):
    """Structure, shapes and dtypes of what `change` gives."""
    key, one = jax.random.key(0), example(before)
    return jax.eval_shape(lambda s: morph.change(before, after, *s, key, config, one), state)


@functools.cache
def inputs_and_labels(module) -> tuple[np.ndarray, np.ndarray]:
    """Four fixed examples; a label for each logit."""
    one, rng = example(module), np.random.default_rng(7)
    if one.dtype == jnp.float32:
        return rng.normal(size=(4, *one.shape)).astype(np.float32), np.array([0, 1, 2, 1])
    return rng.integers(0, 3, (4, *one.shape), np.int32), rng.integers(0, 3, (4, *one.shape))


@functools.partial(jax.jit, static_argnums=(0, 3))
def logits(module, params, model_state, train=False):
    """Of the fixed inputs."""
    variables, mutable = {"params": params, **model_state}, list(model_state)
    return module.apply(variables, inputs_and_labels(module)[0], train=train, mutable=mutable)[0][0]


def gradients(module, params, model_state, train=False):
    """NumPy's gradients of the cross-entropy on the fixed inputs."""
    return jax.tree.map(np.asarray, _gradients(module, params, model_state, train))


@functools.partial(jax.jit, static_argnums=(0, 3))
def _gradients(module, params, model_state, train):
    labels = inputs_and_labels(module)[1]

    def loss(params):
        out = logits(module, params, model_state, train)
        return optax.softmax_cross_entropy_with_integer_labels(out, labels).mean()

    return jax.grad(loss)(params)


def block_order(before, after, config):
    growth = models.family_of(before).growth
    return depth.block_order(growth.stages(before), growth.stages(after), growth.first_copied, config)


def spec(tree):
    return jax.tree.map(lambda x: (x.shape, jnp.dtype(x.dtype)), tree)


def assert_is_state_of(module, state):
    """Structure, shapes and dtypes of a new state; and an update leaves it finite."""
    params, model_state, opt_state = state
    assert spec({"params": params, **model_state}) == spec(shapes(module))
    assert spec(opt_state) == spec(jax.eval_shape(OPTIMIZER.init, params))
    clip, adam = opt_state
    mu, nu = in_one_vector(adam.mu), in_one_vector(adam.nu)
    opt_state = (clip, adam._replace(mu=mu, nu=nu))
    updates, opt_state = UPDATE(np.ones_like(mu), opt_state, in_one_vector(params))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves((updates, opt_state)))


def in_one_vector(tree) -> np.ndarray:
    """All entries, then zeros: of one length, so that one program updates the state of any model here."""
    entries = np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])
    return np.pad(entries, (0, 20_000 - len(entries)))


CHAINS = {
    "V": ["V8-1/4", "V12-1/2", "V12-2/4", "V16-3/4"],
    "M": ["M8-1/4", "M12-1/2", "M16-2/4"],
    "R": ["R4-11", "R6-12"],
    "D": ["D8-1", "D12-2", "D16-3"],
}


@pytest.mark.parametrize("family", CHAINS)
def test_every_change_in_a_chain_gives_a_state_to_train(family):
    modules = [build(name) for name in CHAINS[family]]
    params, model_state = variables(modules[0])
    state = (params, model_state, adam_state(params))
    for before, after in itertools.pairwise(modules):
        state = change(before, after, state, MorphConfig(moments="scaled", depth="interleaved"))
        assert_is_state_of(after, state)


@pytest.mark.parametrize(
    ("mode", "moments"), [("normal", "zeros"), ("copy", "carried"), ("normal", "scaled")]
)
@pytest.mark.parametrize(
    ("first", "last"), [("V8-1/4", "V24-3/2"), ("M8-1/4", "M24-3/2"), ("R4-11", "R12-22"), ("D8-1", "D24-3")]
)
def test_all_at_once_has_the_structure_of_a_new_state(first, last, mode, moments):
    before, after = build(first), build(last)
    params, model_state = variables(before)
    config = MorphConfig(width=mode, moments=moments)
    got = abstract_change(before, after, (params, model_state, OPTIMIZER.init(params)), config)
    assert spec({"params": got[0], **got[1]}) == spec(shapes(after))
    assert spec(got[2]) == spec(jax.eval_shape(OPTIMIZER.init, got[0]))


def test_patch_of_a_vit_is_the_identity_bit_for_bit():
    before, after = build("V8-2/4"), build("V8-2/2")
    params, model_state = variables(before)
    state = (params, model_state, adam_state(params))
    for moments in ("zeros", "carried", "scaled"):
        jax.tree.map(
            np.testing.assert_array_equal, change(before, after, state, MorphConfig(moments=moments)), state
        )


@pytest.mark.parametrize("mode", ["normal", "zero"])
def test_old_heads_and_weights_stay_bit_for_bit(mode):
    before, after = build("V8-1/4", class_token=True), build("V12-1/4", class_token=True)
    params, _ = variables(before)
    wide = flatten_dict(change(before, after, (params, {}, ()), MorphConfig(width=mode))[0])
    for path, old in flatten_dict(params).items():
        corner = wide[path][tuple(slice(n) for n in old.shape)]
        if mode == "zero" and path[-1] == "scale":  # of a layer norm
            np.testing.assert_allclose(corner, old * np.sqrt(8 / 12), rtol=1e-6)
        else:
            np.testing.assert_array_equal(corner, old, err_msg="/".join(path))
    assert wide["block00", "attn", "query", "kernel"].shape == (12, 3, 4)


def test_a_head_that_grows_keeps_the_scale_of_its_scores():
    before, after = build("V8-1/4", head_dim=64), build("V16-1/4", head_dim=64)
    params, _ = variables(before)
    attention = change(before, after, (params, {}, ()))[0]["block00"]["attn"]
    old = params["block00"]["attn"]
    np.testing.assert_allclose(
        attention["query"]["kernel"][:8, :, :8], old["query"]["kernel"] * 2**0.5, rtol=1e-6
    )
    np.testing.assert_array_equal(attention["key"]["kernel"][:8, :, :8], old["key"]["kernel"])


def test_new_entries_have_the_mean_of_the_old_and_gamma_times_their_variance():
    before, after = build("V32-1/4"), build("V96-1/4")
    params, _ = variables(before)
    params["block00"]["mlp"]["in"]["kernel"] += 0.5
    old = np.asarray(params["block00"]["mlp"]["in"]["kernel"])
    for gamma in (0.25, 0.75, 1.5):
        state = change(before, after, (params, {}, ()), MorphConfig(gamma=gamma))
        new = np.asarray(state[0]["block00"]["mlp"]["in"]["kernel"])
        for part in (new[:32, 128:], new[32:, :128], new[32:, 128:]):
            assert part.mean() == pytest.approx(old.mean(), abs=0.02)
            assert part.var() == pytest.approx(gamma * old.var(), rel=0.05)


PRESERVING = [
    ("V8-1/4", "V12-1/4", {"width": "zero"}, {"class_token": True}),
    ("V8-1/4", "V20-1/4", {"width": "zero"}, {"head_dim": 64}),
    ("V8-1/4", "V24-1/4", {"width": "copy", "gamma": 1.5}, {"class_token": True}),
    ("V8-1/4", "V16-1/4", {"width": "copy"}, {"head_dim": 64, "pool": "map", "representation": True}),
    ("M8-1/4", "M16-1/4", {"width": "copy"}, {}),
    ("R4-12", "R6-12", {"width": "zero"}, {}),
    ("R4-12", "R8-12", {"width": "copy"}, {}),
    ("V8-1/4", "V8-2/4", {"depth": "end"}, {}),
    ("V8-2/4", "V8-4/4", {"depth": "interleaved"}, {"branch_scalars": True}),
    ("V8-1/4", "V16-2/4", {"width": "copy"}, {"scan": True}),
    ("M8-1/4", "M8-2/4", {"depth": "interleaved"}, {}),
    ("R4-12", "R4-23", {"depth": "interleaved"}, {}),
    ("D8-1", "D12-1", {"width": "zero"}, {}),
    ("D8-1", "D20-2", {"width": "zero"}, {"head_dim": 64, "mlp_dim": 16}),
    ("D8-1", "D16-1", {"width": "copy", "gamma": 1.5}, {"head_dim": 64}),
    ("D8-2", "D8-4", {"depth": "interleaved"}, {"branch_scalars": True}),
]


@pytest.mark.parametrize(("a", "b", "config", "options"), PRESERVING)
def test_function_is_preserved(a, b, config, options):
    """To 1e-5 of the largest logit where the width grows and 1e-6 where depth alone does."""
    before, after = build(a, **options), build(b, **options)
    params, model_state = variables(before)
    new_params, new_state, _ = change(before, after, (params, model_state, ()), MorphConfig(**config))
    tolerance = 1e-5 if a.split("-")[0] != b.split("-")[0] else 1e-6
    for train in (False, True) if model_state else (False,):
        old, new = (
            logits(m, *s, train)
            for m, s in ((before, (params, model_state)), (after, (new_params, new_state)))
        )
        np.testing.assert_allclose(new, old, atol=tolerance * float(np.abs(old).max()))


def test_new_blocks_learn():
    """Where the function starts unchanged, the gradient still reaches what opens a new block."""
    for options, opens in (({}, ("attn", "out", "kernel")), ({"branch_scalars": True}, ("scale1",))):
        before, after = build("V8-1/4", **options), build("V8-2/4", **options)
        params, _ = variables(before)
        new, _, _ = change(before, after, (params, {}, ()))
        grads = flatten_dict(gradients(after, new, {}))
        assert np.abs(grads["block01", *opens]).max() > 1e-4
        assert not np.any(flatten_dict(new)["block01", *opens])


@pytest.mark.parametrize(
    ("a", "b", "options"),
    [
        ("V8-1/4", "V16-1/4", {}),
        ("V8-1/4", "V16-1/4", {"head_dim": 64}),
        ("M8-1/4", "M16-1/4", {}),
        ("R4-12", "R8-12", {}),
        ("D8-1", "D16-1", {}),
    ],
)
def test_scaled_moments_of_copies_are_the_gradients_of_the_wider_model(a, b, options):
    before, after = build(a, **options), build(b, **options)
    params, model_state = variables(before)
    grads = gradients(before, params, model_state, True)
    moments = optax.ScaleByAdamState(jnp.ones((), jnp.int32), grads, jax.tree.map(np.square, grads))
    config = MorphConfig(width="copy", gamma=0.0, moments="scaled")
    params, model_state, moments = change(before, after, (params, model_state, moments), config)
    wanted = gradients(after, params, model_state, True)
    largest = max(float(np.abs(x).max()) for x in jax.tree.leaves(wanted))
    for path, want in flatten_dict(wanted).items():
        mu, nu = (flatten_dict(tree)[path] for tree in (moments.mu, moments.nu))
        np.testing.assert_allclose(mu, want, atol=1e-4 * largest, err_msg="/".join(path))
        np.testing.assert_allclose(nu, want**2, atol=1e-4 * largest**2, err_msg="/".join(path))


def test_scaled_moments_of_zero_are_the_gradients_of_what_reads_the_stream():
    options = {"head_dim": 64}
    before, after = build("V8-1/4", **options), build("V20-1/4", **options)
    params, _ = variables(before)
    grads = gradients(before, params, {})
    state = change(
        before, after, (params, {}, optax.TraceState(grads)), MorphConfig(width="zero", moments="scaled")
    )
    wanted = flatten_dict(gradients(after, state[0], {}))
    for path, trace in flatten_dict(state[2].trace).items():
        if {"query", "key", "value", "in", "norm", "norm1", "norm2", "head"} & set(path):
            old = tuple(slice(n) for n in flatten_dict(params)[path].shape)
            np.testing.assert_allclose(trace[old], wanted[path][old], atol=2e-5, err_msg="/".join(path))


def test_moments_follow_by_the_named_rule():
    before, after = build("V8-1/4"), build("V12-2/4")
    params, _ = variables(before)
    optimizer = optax.chain(OPTIMIZER, optax.scale_by_schedule(lambda count: 1.0))
    state = adam_state(params, optimizer)
    old = state[0][1]
    path = ("attn", "query", "kernel")

    def follow(moments):
        (_, adam, *_), schedule = change(before, after, (params, {}, state), MorphConfig(moments=moments))[2]
        mu, nu = (flatten_dict(tree) for tree in (adam.mu, adam.nu))
        return adam.count, schedule.count, mu, nu

    count, others, mu, nu = follow("carried")
    assert (count, others) == (1, 1)
    old_mu, old_nu = (flatten_dict(tree)["block00", *path] for tree in (old.mu, old.nu))
    np.testing.assert_array_equal(mu["block00", *path][:8, :2], old_mu)
    np.testing.assert_array_equal(nu["block00", *path][:8, :2], old_nu)
    assert not np.any(mu["block00", *path][8:])
    np.testing.assert_allclose(nu["block00", *path][8:], old_nu.mean(), rtol=1e-5)
    assert not np.any(mu["block01", *path])
    np.testing.assert_allclose(nu["block01", *path], nu["block00", *path].mean(), rtol=1e-5)
    count, others, mu, nu = follow("zeros")
    assert (count, others) == (0, 1)  # bias correction starts anew, the schedule does not
    assert not any(np.any(x) for x in jax.tree.leaves((mu, nu)))


OPTIMIZERS = {
    "sgd": optax.sgd(0.1, momentum=0.9),
    "lion": optax.lion(0.1),
    "amsgrad": optax.amsgrad(0.1),
    "adam, half precision": optax.adam(0.1, mu_dtype=jnp.bfloat16),
    "adagrad": optax.adagrad(0.1),
    "masked": optax.masked(optax.adam(0.1), lambda params: jax.tree.map(lambda x: x.ndim > 1, params)),
    "accumulating": optax.MultiSteps(optax.adamw(0.1), 2).gradient_transformation(),
    "of two kinds": optax.multi_transform(
        {"body": optax.adam(0.1), "head": optax.sgd(0.1)},
        lambda params: jax.tree_util.tree_map_with_path(
            lambda path, _: "head" if path[0].key == "head" else "body", params
        ),
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_states_of_other_optimisers_follow(name):
    before, after, optimizer = build("V8-1/4"), build("V16-2/4"), OPTIMIZERS[name]
    params, _ = variables(before)
    new, _, got = abstract_change(before, after, (params, {}, jax.eval_shape(optimizer.init, params)))
    assert spec(got) == spec(jax.eval_shape(optimizer.init, new))


@pytest.mark.parametrize(
    "optimizer", [optax.contrib.prodigy(), optax.adafactor(0.1, min_dim_size_to_factor=4)]
)
def test_states_without_a_rule_are_rejected(optimizer):
    before, after = build("V8-1/4"), build("V16-1/4")
    params, _ = variables(before)
    with rejects("optimiser state"):
        change(before, after, (params, {}, optimizer.init(params)))


def test_mixer_reads_and_writes_the_same_on_another_grid():
    """Token MLPs resized from 2x2 to 4x4 tokens: interpolated signals are read as before, and written so."""
    before, after = build("M8-1/4"), build("M8-1/2")
    params, _ = variables(before)
    old, new = (p["block00"]["token_mlp"] for p in (params, change(before, after, (params, {}, ()))[0]))
    up = np.kron(resize_matrix(2, 4), resize_matrix(2, 4)).astype(np.float32)
    signal = np.random.default_rng(0).normal(size=4).astype(np.float32)
    np.testing.assert_allclose((up @ signal) @ new["in"]["kernel"], signal @ old["in"]["kernel"], atol=1e-5)
    np.testing.assert_allclose(new["out"]["kernel"], old["out"]["kernel"] @ up.T, atol=1e-6)
    np.testing.assert_allclose(new["out"]["bias"], up @ old["out"]["bias"], atol=1e-6)


def test_mixer_moments_stay_moments_on_another_grid():
    before, after = build("M8-1/4"), build("M8-1/2")
    params, _ = variables(before)
    state = (params, {}, adam_state(params))
    old = state[2][1]
    results = {}
    for moments in ("carried", "scaled"):
        results[moments] = change(before, after, state, MorphConfig(moments=moments))[2][1]
        assert all(x.min() >= 0 for x in jax.tree.leaves(results[moments].nu))
    carried, scaled = (results[k].mu["block00"]["token_mlp"]["out"]["kernel"] for k in results)
    np.testing.assert_allclose(scaled, carried / 4, rtol=1e-6)  # 16 tokens share the loss that 4 did
    bias, old_bias = (adam.mu["block00"]["token_mlp"]["out"]["bias"] for adam in (results["carried"], old))
    np.testing.assert_allclose(bias.mean(), old_bias.mean(), rtol=1e-4)


def test_result_depends_on_the_key_alone():
    before, after = build("V8-1/4"), build("V16-2/4")
    params, _ = variables(before)
    first, again, other = (change(before, after, (params, {}, ()), seed=seed)[0] for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    kernels = (tree["block00"]["mlp"]["in"]["kernel"] for tree in (first, other))
    assert not np.array_equal(*kernels)


def test_scanned_blocks_follow_as_looped_ones_do():
    looped, scanned = ([build(name, scan=scan) for name in ("V8-1/4", "V16-2/4")] for scan in (False, True))
    params, _ = variables(looped[0])
    state = adam_state(params)
    stacked = models.stack_blocks(params)
    adam = state[1]._replace(mu=models.stack_blocks(state[1].mu), nu=models.stack_blocks(state[1].nu))
    want, _, want_state = change(*looped, (params, {}, state))
    got, _, got_state = change(*scanned, (stacked, {}, (state[0], adam, *state[2:])))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6), models.unstack_blocks(got), want)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-6),
        models.unstack_blocks(got_state[1].nu),
        want_state[1].nu,
    )


def test_places_of_old_blocks():
    def order(first, last, **options):
        return block_order(build(first), build(last), MorphConfig(**options))

    assert order("V8-2/4", "V8-5/4") == [0, 1, None, None, None]
    assert order("V8-2/4", "V8-5/4", depth="interleaved") == [0, None, 1, None, None]
    assert order("R4-12", "R4-24") == [0, None, 1, 2, None, None]
    assert order("V8-2/4", "V8-5/4", blocks="copy") == [0, 1, 0, 1, 0]
    assert order("V8-2/4", "V8-5/4", blocks="copy", depth="interleaved") == [0, 0, 1, 1, 1]
    assert order("R4-23", "R4-46", blocks="copy") == [0, 1, 1, 1, 2, 3, 4, 3, 4, 3]
    assert order("R4-23", "R4-46", blocks="copy", depth="interleaved") == [0, 1, 1, 1, 2, 3, 3, 3, 4, 4]
    with rejects("morph.blocks"):
        order("R4-12", "R4-24", blocks="copy")


@pytest.mark.parametrize(
    ("first", "last"), [("V8-2/4", "V8-5/4"), ("M8-2/4", "M8-3/4"), ("R4-22", "R4-33"), ("D8-2", "D8-3")]
)
def test_copied_blocks_are_old_ones_and_train(first, last):
    before, after = build(first), build(last)
    params, model_state = variables(before)
    config = MorphConfig(blocks="copy")
    state = change(before, after, (params, model_state, adam_state(params)), config)
    assert_is_state_of(after, state)
    order = block_order(before, after, config)
    for new, old in ((state[0], params), (state[2][1].mu, adam_state(params)[1].mu)):
        for place, block in enumerate(order):
            same = jax.tree.map(np.array_equal, new[f"block{place:02d}"], old[f"block{block:02d}"])
            assert all(jax.tree.leaves(same))


@pytest.mark.parametrize(("first", "last"), [("V8-1/4", "V8-2/4"), ("M8-1/4", "M8-2/4"), ("R4-22", "R4-33")])
def test_scaled_moments_of_split_blocks_follow_their_gradients(first, last):
    """Where branches add little, gradients of the split model are those that the moments were scaled to."""
    before, after = build(first), build(last)
    params, model_state = variables(before)
    small, ends = flatten_dict(params), models.family_of(before).growth.branch_ends(before)
    small |= {p: 0.01 * x for p, x in small.items() if depth.ends_branch(("params", *p), ends)}
    params = unflatten_dict(small)
    grads = gradients(before, params, model_state)
    state = optax.TraceState(grads)
    config = MorphConfig(blocks="split", moments="scaled")
    new, new_state, moved = change(before, after, (params, model_state, state), config)
    want, got = flatten_dict(gradients(after, new, new_state)), flatten_dict(moved.trace)
    for path, leaf in got.items():
        if path[0].startswith("block") and np.abs(want[path]).max() > 1e-7:
            close = np.abs(leaf - want[path]).max() / np.abs(want[path]).max()
            assert close < 0.2, path


@pytest.mark.parametrize(
    ("first", "last", "options"),
    [
        ("V8-2/4", "V8-4/4", {}),
        ("V8-2/4", "V8-4/4", {"branch_scalars": True}),
        ("M8-2/4", "M8-4/4", {}),
        ("R4-22", "R4-44", {}),
        ("D8-2", "D8-4", {}),
    ],
)
def test_blocks_that_share_their_work_change_the_function_in_second_order(first, last, options):
    """A quarter of what branches add changes what comes out a sixteenth as much; with copies, a quarter."""
    before, after = build(first, **options), build(last, **options)
    params, model_state = variables(before)
    changes = {"copy": [], "split": []}
    ends = models.family_of(before).growth.branch_ends(before)
    for size in (0.1, 0.025):
        scaled = flatten_dict(params)
        for path, leaf in scaled.items():
            if depth.ends_branch(("params", *path), ends):
                scaled[path] = size * leaf
        scaled = unflatten_dict(scaled)
        want = logits(before, scaled, model_state)
        for blocks, found in changes.items():
            new, new_state, _ = change(before, after, (scaled, model_state, ()), MorphConfig(blocks=blocks))
            found.append(float(np.abs(logits(after, new, new_state) - want).max()))
    assert changes["copy"][1] / changes["copy"][0] == pytest.approx(1 / 4, rel=0.3)
    assert changes["split"][1] / changes["split"][0] == pytest.approx(1 / 16, rel=0.4)
    assert changes["split"][0] < changes["copy"][0] / (2.5 if first.startswith("D") else 4)


@pytest.mark.parametrize(
    ("a", "b", "config", "options", "names"),
    [
        ("V16-1/4", "V8-1/4", {}, {}, ["width 16 -> 8"]),
        ("V8-2/4", "V8-1/4", {}, {}, ["depth (2,) -> (1,)"]),
        ("V8-1/4", "M8-1/4", {}, {}, ["ViT", "Mixer"]),
        ("R4-12", "R4-11", {}, {}, ["depth (1, 2) -> (1, 1)"]),
        ("V6-1/4", "V8-1/4", {}, {}, ["width 6 -> 8", "model.head_dim"]),
        ("V8-1/4", "V12-1/4", {"width": "copy"}, {}, ["width 8 -> 12", "morph.width copy", "zero", "normal"]),
        ("M8-1/4", "M16-1/4", {"width": "zero"}, {}, ["morph.width zero", "Mixer"]),
        ("V8-1/4", "V16-1/4", {"width": "zero"}, {"pool": "map"}, ["width 8 -> 16", "zero", "map"]),
        ("V8-1/4", "V16-1/4", {"width": "zero"}, {"positions": "sincos"}, ["width 8 -> 16", "sin-cos"]),
    ],
)
def test_what_cannot_be_changed_is_one_line(a, b, config, options, names):
    before, after = build(a, **options), build(b, **options)
    params, model_state = shapes(before)["params"], {k: v for k, v in shapes(before).items() if k != "params"}
    with rejects(*names):
        morph.change(
            before, after, params, model_state, (), jax.random.key(0), MorphConfig(**config), example(before)
        )


def test_config_rejects_unknown_rules():
    with rejects("morph.width", "'zeros'", "'zero'"):
        MorphConfig(width="zeros")  # type: ignore[arg-type]
    with rejects("morph.gamma", -1.0):
        MorphConfig(gamma=-1.0)


SHARDED = """
import sys; sys.path.insert(0, ".")
import jax; jax.config.update("jax_num_cpu_devices", 4)
from jax.sharding import NamedSharding, PartitionSpec as P
from tests import test_morph as t
from scalax.train import mesh as meshes

mesh = meshes.make_mesh()
before, after = t.build("V8-1/4"), t.build("V16-2/4")
params, _ = t.variables(before)
moments = t.OPTIMIZER.init(params)

def place(tree):  # moments split along their first axis where 4 divides it, as a sharded optimiser may
    def spec(x):
        return NamedSharding(mesh, P("data") if x.ndim and x.shape[0] % 4 == 0 else P())
    return jax.tree.map(spec, tree)

state = (meshes.replicate(mesh, params), {}, jax.device_put(moments, place(moments)))
abstract = t.abstract_change(before, after, state)
wanted = (jax.tree.map(lambda x: NamedSharding(mesh, P()), abstract[0]), {}, place(abstract[2]))
rest = (jax.random.key(0), t.NORMAL, t.example(before))
got = jax.jit(lambda s: t.morph.change(before, after, *s, *rest), out_shardings=wanted)(state)
assert all(jax.tree.leaves(jax.tree.map(lambda x, s: x.sharding.is_equivalent_to(s, x.ndim), got, wanted)))
alone = jax.device_put((params, {}, moments), jax.devices()[0])
want = jax.jit(lambda s: t.morph.change(before, after, *s, *rest))(alone)
jax.tree.map(lambda a, b: t.np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7), got, want)
print("placed")
"""


@pytest.mark.slow
def test_result_is_placed_as_asked_on_four_devices():
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", SHARDED], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "placed", done.stderr[-2000:]
