"""Shapes, names and behaviour of the models."""

import functools
import itertools
from typing import Any

import chex
import flax.errors
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec

from scalax import models
from scalax.models import layers, modules, vit
from scalax.models.layers import Attention, Dropout
from scalax.models.resnet import BatchNorm
from scalax.models.vit import sincos_positions
from tests.rejects import rejects


def shapes(module, size, channels=3, batch=1):
    """Abstract variables of `module`, and abstract logits and intermediates."""
    image = jax.ShapeDtypeStruct((batch, size, size, channels), jnp.float32)
    variables = models.abstract_variables(module, jax.ShapeDtypeStruct(image.shape[1:], image.dtype))
    return variables, jax.eval_shape(module.apply, variables, image)


def random_variables(module, size, seed=0):
    """Variables of normal numbers: no compilation of init, and no zero to hide a mistake."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda x: jnp.asarray(0.2 * rng.normal(size=x.shape), x.dtype),
        models.abstract_variables(module, jax.ShapeDtypeStruct((size, size, 3), jnp.float32)),
    )


@functools.partial(jax.jit, static_argnums=(0,), static_argnames=("train",))
def apply(module, variables, images, key=None, train=False):
    return module.apply(variables, images, train=train, rngs=None if key is None else {"dropout": key})


def images_of(size, batch=2):
    return jnp.asarray(np.random.default_rng(7).normal(size=(batch, size, size, 3)), jnp.float32)


@pytest.mark.parametrize(
    ("name", "blocks", "width", "first"),
    [
        ("V64-4/4", 4, 64, (2, 64, 64)),
        ("vit-ti/16", 12, 192, (2, 5, 192)),
        ("mixer-s/16", 8, 512, (2, 4, 512)),
        ("resnet18", 8, 512, (2, 8, 8, 64)),
        ("resnet50", 16, 2048, (2, 8, 8, 256)),
        ("bit-r50x1", 16, 2048, (2, 8, 8, 256)),
    ],
)
def test_every_family_gives_logits_and_an_intermediate_per_block(name, blocks, width, first):
    module = models.build(name, 10, image_size=32)
    variables, (logits, layers) = shapes(module, 32, channels=1, batch=2)
    assert (logits.shape, logits.dtype) == ((2, 10), jnp.float32)
    assert list(layers) == [f"block{index:02d}" for index in range(blocks)] + ["pre_logits"]
    assert layers["block00"].shape == first
    assert layers["pre_logits"].shape == (2, width)
    assert {"head", *(f"block{index:02d}" for index in range(blocks))} < set(variables["params"])
    half = models.build(name, 10, image_size=32, dtype=jnp.bfloat16)
    again, (logits, layers) = shapes(half, 32, channels=1, batch=2)
    assert again == variables
    assert (logits.dtype, layers["block00"].dtype) == (jnp.float32, jnp.bfloat16)


def test_patch_alone_leaves_parameters_as_they_are():
    trees = [
        shapes(models.build(f"V32-2/{patch}", 10, image_size=24, base_patch=8, base_grid=3), 24)[0]
        for patch in (4, 6, 8, 12)
    ]
    assert all(tree == trees[0] for tree in trees)
    assert trees[0]["params"]["embedding"]["kernel"].shape == (8, 8, 3, 32)
    assert trees[0]["params"]["pos_embedding"].shape == (3, 3, 32)


def test_flexible_patch_sees_the_same_tokens_in_an_enlarged_image():
    small = models.build("V32-1/4", 5, image_size=8, base_patch=4, base_grid=2)
    large = models.build("V32-1/8", 5, image_size=16, base_patch=4, base_grid=2)
    variables = random_variables(small, 8)
    images = images_of(8)
    # Every patch enlarged on its own: whole-image resizing would mix neighbours at the seams.
    patches = images.reshape(2, 2, 4, 2, 4, 3).swapaxes(2, 3)
    patches = jax.image.resize(patches, (2, 2, 2, 8, 8, 3), "bilinear", antialias=False)
    enlarged = patches.swapaxes(2, 3).reshape(2, 16, 16, 3)
    got = apply(large, variables, enlarged)[0]
    np.testing.assert_allclose(got, apply(small, variables, images)[0], atol=1e-4)


@pytest.mark.parametrize(("pool", "cls"), [("gap", False), ("gap", True), ("cls", True), ("map", False)])
@pytest.mark.parametrize("positions", ["learned", "sincos"])
def test_pools_and_positions(pool, cls, positions):
    module = models.build("V32-1/4", 5, image_size=8, pool=pool, class_token=cls, positions=positions)
    variables, (_, layers) = shapes(module, 8)
    names = set(variables["params"])
    assert layers["block00"].shape == (1, 4 + cls, 32)
    assert ("cls" in names) == ("cls_position" in names) == cls
    assert ("pos_embedding" in names) == (positions == "learned")
    assert ("map_head" in names) == (pool == "map")


def test_sincos_keeps_places_when_the_grid_changes():
    base = sincos_positions((4, 4), 4, 16)
    np.testing.assert_allclose(base[0, 2, :4], np.sin(2.0 * 10_000.0 ** -np.linspace(0, 1, 4)), atol=1e-6)
    fine = sincos_positions((12, 12), 4, 16)
    np.testing.assert_allclose(fine[1::3, 1::3], base, atol=1e-6)


@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1e-6), ("bfloat16", 2e-2)])
def test_fused_attention_is_that_of_einsum(dtype, limit):
    """Outputs and gradients; in bfloat16 within its rounding (2^-8), of which each takes several."""
    results = []
    for attention in ("einsum", "fused"):
        layer = Attention(4, jnp.dtype(dtype), attention)
        x = np.random.default_rng(1).normal(size=(2, 9, 32)).astype(np.float32)
        params = jax.jit(layer.init)(jax.random.key(0), x, x)

        def loss(params, layer=layer, x=x):
            y = layer.apply(params, x, x)
            return (y.astype(jnp.float32) ** 2).sum(), y

        grads, y = jax.jit(jax.grad(loss, has_aux=True))(params)
        assert y.dtype == jnp.dtype(dtype)
        # A key's bias moves all scores of a query alike: its gradient is zero, and rounding here.
        del grads["params"]["key"]["bias"]
        results.append(jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (grads, y)))
    for einsum, fused in zip(*map(jax.tree.leaves, results), strict=True):
        assert np.linalg.norm(fused - einsum) <= limit * np.linalg.norm(einsum)


@pytest.mark.parametrize(
    ("queries", "keys", "causal"), [(5, 5, False), (4, 4, False), (1, 5, False), (5, 5, True), (4, 4, True)]
)
def test_fused_attention_of_an_odd_number_of_tokens(queries, keys, causal):
    """cuDNN trains on even numbers alone; what is added is seen by nobody, forward or backward."""
    rng = np.random.default_rng(0)
    q, k, v = (jnp.asarray(rng.normal(size=(2, n, 3, 8)), jnp.float32) for n in (queries, keys, keys))

    def plain(q, k, v):
        scores = jnp.einsum("bqhc,bkhc->bhqk", q, k) * 8**-0.5
        scores = jnp.where(jnp.tri(queries, keys, dtype=bool), scores, -1e30) if causal else scores
        return jnp.einsum("bhqk,bkhc->bqhc", jax.nn.softmax(scores), v)

    def fused(q, k, v):
        return layers.fused_attention(q, k, v, causal, "xla")

    @functools.partial(jax.jit, static_argnums=0)
    def outputs_and_gradients(f, *arrays):
        gradients = jax.grad(lambda *a: (f(*a) ** 2).sum(), argnums=(0, 1, 2))
        return f(*arrays), gradients(*arrays)

    ours, theirs = (outputs_and_gradients(f, q, k, v) for f in (fused, plain))
    chex.assert_trees_all_close(ours, theirs, atol=1e-5)


def test_cudnn_is_given_even_numbers_and_their_lengths(monkeypatch):
    given = []

    def kernel(q, k, v, is_causal, implementation, **lengths):
        given.append((q.shape[1], k.shape[1], {name: x.tolist() for name, x in lengths.items()}))
        return q

    monkeypatch.setattr(jax.nn, "dot_product_attention", kernel)
    for tokens in (197, 196):
        x = jnp.ones((2, tokens, 1, 8))
        assert layers.fused_attention(x, x, x, False, "cudnn").shape == x.shape
    lengths = {"query_seq_lengths": [197, 197], "key_value_seq_lengths": [197, 197]}
    assert given == [(198, 198, lengths), (196, 196, {})]


@pytest.mark.parametrize("scan", [False, True])
def test_a_vit_pads_its_tokens_once_and_is_the_same(monkeypatch, scan):
    """An odd number of tokens, of which cuDNN's attention trains on even ones alone."""
    x = jnp.linspace(-1, 1, 2 * 8 * 8 * 3).reshape(2, 8, 8, 3)
    module = models.build("vit-ti/4", 3, image_size=8, attention="fused", scan=scan).clone(depth=2)
    variables = random_variables(module, 8)

    def loss(variables):
        logits, intermediates = module.apply(variables, x)
        return sum(jnp.square(leaf).sum() for leaf in intermediates.values()) + logits.sum(), intermediates

    outputs = jax.jit(jax.grad(loss, has_aux=True))
    plain = outputs(variables)
    assert plain[1]["block00"].shape[1] == 5
    attended = []
    attention = layers.fused_attention

    def fused(q, k, v, causal, implementation, padding):
        attended.append((q.shape[1], padding))
        return attention(q, k, v, causal, implementation, padding)

    monkeypatch.setattr(layers, "fused_attention", fused)
    monkeypatch.setattr(vit, "fits_cudnn", lambda dtype, head_dim: True)
    padded = jax.jit(jax.grad(lambda v: loss(v), has_aux=True))(variables)
    assert set(attended) == {(6, 1)}
    # Relative to the whole leaf; the gradient of a key's bias is zero, and rounding here.
    for (path, one), other in zip(jax.tree.leaves_with_path(plain), jax.tree.leaves(padded), strict=True):
        if "['key']['bias']" not in jax.tree_util.keystr(path):
            assert np.linalg.norm(other - one) <= 1e-4 * np.linalg.norm(one), path


def test_tokens_are_row_major_on_a_gpu_and_the_same(monkeypatch):
    x = jnp.linspace(-1, 1, 2 * 8 * 8 * 3).reshape(2, 8, 8, 3)
    module = models.build("vit-ti/4", 3, image_size=8, attention="fused", scan=True)
    variables = random_variables(module, 8)

    def loss(variables):
        _, intermediates = module.apply(variables, x)
        return jnp.square(intermediates["pre_logits"]).sum()

    plain = jax.jit(jax.grad(loss)).lower(variables)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    pinned = jax.jit(jax.grad(loss)).lower(variables)
    assert "LayoutConstraint" in pinned.as_text()
    assert "LayoutConstraint" not in plain.as_text()
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        plain.compile()(variables),
        pinned.compile()(variables),
    )


class FakeGpu:
    platform, compute_capability = "gpu", "9.0"

    class client:
        platform_version = "PJRT C API\ncuda 13000"


def test_auto_attention_is_fused_only_where_cudnn_has_a_kernel(monkeypatch):
    fits = layers.fits_cudnn
    assert not fits(jnp.bfloat16, 64)  # no GPU here
    device = FakeGpu()
    monkeypatch.setattr(jax, "local_devices", lambda: [device])
    assert fits(jnp.bfloat16, 64)
    assert not any((fits(jnp.float32, 64), fits(jnp.bfloat16, 60), fits(jnp.bfloat16, 136)))
    asked = []
    monkeypatch.setattr(
        jax.nn,
        "dot_product_attention",
        lambda q, k, v, is_causal, implementation, **lengths: (
            asked.append(implementation) or jnp.zeros_like(q)
        ),
    )
    for attention, dtype in itertools.product(layers.ATTENTION, (jnp.bfloat16, jnp.float32)):
        module = models.build("V64-1/4", 3, image_size=8, attention=attention, dtype=dtype)
        shapes(module, 8)
    assert set(asked) == {"cudnn", "xla"}  # the second where fused is asked for in float32
    asked.clear()
    shapes(models.build("V64-1/4", 3, image_size=8, attention="auto"), 8)
    assert not asked
    device.compute_capability = "7.5"
    assert not fits(jnp.bfloat16, 64)
    with rejects("attention", "'fuse'", "'fused'"):
        models.build("V64-1/4", 3, image_size=8, attention="fuse")


def test_scan_and_remat_leave_the_function_as_it_is():
    results = []
    variables = random_variables(models.build("V16-2/8", 5, image_size=8), 8)
    for run in ({}, {"remat": True}, {"scan": True, "remat": True}):
        module = models.build("V16-2/8", 5, image_size=8, **run)
        params = variables["params"]
        params = models.stack_blocks(params) if "scan" in run else params

        def loss(params, module=module):
            return (module.apply({"params": params}, images_of(8))[0] ** 2).sum()

        value, grad = jax.jit(jax.value_and_grad(loss))(params)
        results.append((value, models.unstack_blocks(grad) if "scan" in run else grad))
    (want, grads), *others = results
    for value, grad in others:
        np.testing.assert_allclose(value, want, rtol=1e-5)
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-4), grad, grads)


@pytest.mark.parametrize("scan", [False, True])
def test_dropout_and_stochastic_depth_act_in_training_alone(scan):
    module = models.build("V16-2/4", 5, image_size=8, dropout=0.2, drop_path=0.5, scan=scan)
    variables = random_variables(module, 8)
    images = images_of(8)
    plain = apply(module, variables, images, jax.random.key(0))[0]
    np.testing.assert_array_equal(plain, apply(module, variables, images, jax.random.key(1))[0])
    first, second = (apply(module, variables, images, jax.random.key(s), train=True)[0] for s in (0, 1))
    assert not np.allclose(first, plain)
    assert not np.allclose(first, second)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("V16-2/4", {"drop_path": 0.5, "dropout": 0.2}),
        ("V16-2/4", {"drop_path": 0.5, "dropout": 0.2, "scan": True, "remat": True}),
        ("M16-2/4", {"drop_path": 0.5}),
        ("D16-2", {"dropout": 0.2}),
    ],
)
def test_dropout_of_an_example_goes_by_its_number_in_the_batch(name, options):
    size = {"context": 5} if name.startswith("D") else {"image_size": 8}
    module = models.build(name, 5, **size, **options)
    inputs = jnp.repeat(jnp.arange(5)[None] if name.startswith("D") else images_of(8)[:1], 4, 0)
    rng, tree = np.random.default_rng(0), jax.eval_shape(module.init, jax.random.key(0), inputs)
    variables = jax.tree.map(lambda x: (0.1 * rng.normal(size=x.shape)).astype(np.float32), tree)

    @jax.jit
    def logits(example_ids):
        rngs = {"dropout": jax.random.key(0)}
        return module.apply(variables, inputs, train=True, example_ids=example_ids, rngs=rngs)[0]

    whole = logits(jnp.arange(4))
    assert len({row.tobytes() for row in np.asarray(whole)}) > 1  # one example, different masks
    others = jnp.array([2, 3, 0, 3])
    np.testing.assert_allclose(logits(others), whole[others], rtol=1e-4, atol=1e-6)


def test_dropout_keeps_the_mean_and_its_share():
    x = jnp.ones((64, 40, 10))
    rngs = {"dropout": jax.random.key(0)}
    y = jax.jit(lambda x: Dropout(0.2).apply({}, x, jnp.arange(64), rngs=rngs))(x)
    assert float((y == 0).mean()) == pytest.approx(0.2, abs=0.01)
    np.testing.assert_allclose(y[y != 0], 1.25)
    assert len({mask.tobytes() for mask in np.asarray(y == 0)}) == 64


def test_branch_scalars_start_a_block_as_the_identity():
    module = models.build("V32-2/4", 5, image_size=8, branch_scalars=True)
    variables = random_variables(module, 8)
    params = variables["params"]
    params["block01"] |= {"scale1": jnp.zeros(()), "scale2": jnp.zeros(())}
    _, layers = apply(module, variables, images_of(8))
    np.testing.assert_array_equal(layers["block00"], layers["block01"])


def test_batch_norm_keeps_running_statistics_as_pytorch_does():
    x = np.random.default_rng(0).normal(2, 3, (4, 5, 5, 2)).astype(np.float32)
    module = BatchNorm()
    variables = module.init(jax.random.key(0), x, False)
    result: Any = module.apply(variables, x, True, mutable="batch_stats")
    y, changed = result
    np.testing.assert_allclose(np.mean(y, (0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(np.var(y, (0, 1, 2)), 1, rtol=1e-4)
    flat = x.reshape(-1, 2)
    np.testing.assert_allclose(changed["batch_stats"]["mean"], 0.1 * flat.mean(0), rtol=1e-5)
    np.testing.assert_allclose(changed["batch_stats"]["var"], 0.9 + 0.1 * flat.var(0, ddof=1), rtol=1e-5)


def test_batch_norm_synchronises_over_the_mesh_axis():
    x = np.random.default_rng(0).normal(2, 3, (8, 3, 3, 2)).astype(np.float32)
    variables = BatchNorm().init(jax.random.key(0), x, False)
    alone: Any = BatchNorm().apply(variables, x, True, mutable="batch_stats")
    want, want_stats = alone
    synced = BatchNorm(axis_name="data")
    # vmap names an axis as shard_map does, on one device.
    run = jax.vmap(lambda v, x: synced.apply(v, x, True, mutable="batch_stats"), (None, 0), axis_name="data")
    result: Any = run(variables, x.reshape(4, 2, 3, 3, 2))
    got, stats = result
    np.testing.assert_allclose(got.reshape(x.shape), want, atol=1e-5)
    for key in ("mean", "var"):
        for shard in stats["batch_stats"][key]:
            np.testing.assert_allclose(shard, want_stats["batch_stats"][key], rtol=1e-5)


@pytest.mark.parametrize("attention", ["einsum", "fused"])
def test_a_decoder_sees_no_later_token(attention):
    module = models.build("D32-2", 7, context=6, head_dim=16, attention=attention)
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 7, (2, 6), np.int32)
    tree = models.abstract_variables(module, jax.ShapeDtypeStruct((6,), jnp.int32))
    variables = jax.tree.map(lambda x: rng.normal(size=x.shape).astype(np.float32), tree)
    run = jax.jit(module.apply)
    logits, layers = jax.tree.map(np.asarray, run(variables, tokens))
    chex.assert_shape(logits, (2, 6, 7))
    chex.assert_shape(list(layers.values()), (2, 6, 32))
    assert list(layers) == ["block00", "block01", "pre_logits"]
    for place in range(6):
        others = tokens.copy()
        others[:, place] = (others[:, place] + 1) % 7
        changed = np.asarray(run(variables, others)[0])
        np.testing.assert_array_equal(changed[:, :place], logits[:, :place])
        assert (np.abs(changed - logits)[:, place:].max((0, 2)) > 1e-3).all()
    np.testing.assert_allclose(run(variables, tokens[:, :4])[0], logits[:, :4], rtol=1e-4, atol=1e-4)


def test_resnet_traces_in_shard_map():
    module = models.build("resnet18", 5, image_size=32, axis_name="data")
    images = jax.ShapeDtypeStruct((8, 32, 32, 3), jnp.float32)
    variables, _ = shapes(module, 32)
    mesh = jax.sharding.AbstractMesh((4,), ("data",), axis_types=(AxisType.Auto,))
    data, same = PartitionSpec("data"), PartitionSpec()

    def step(variables, images):
        (logits, _), stats = module.apply(variables, images, train=True, mutable=["batch_stats"])
        return logits, stats

    run = jax.shard_map(step, mesh=mesh, in_specs=(same, data), out_specs=(data, same))
    logits, stats = jax.eval_shape(run, variables, images)
    assert logits.shape == (8, 5)
    assert jax.tree.structure(stats["batch_stats"]) == jax.tree.structure(variables["batch_stats"])


@pytest.mark.parametrize(
    ("name", "options", "names"),
    [
        ("V64-4/7", {}, ["patch 7", "16 px", 8]),
        ("mixer-s/7", {}, ["patch 7"]),
        ("vit-ti/16x", {}, ["'vit-ti/16'"]),
        ("resnet-50", {}, ["'resnet50'"]),
        ("V64-0/4", {}, ["depth", 1]),
        ("V200-1/4", {}, ["heads", "width 200"]),
        ("V64-4/4", {"pol": "gap"}, ["'pol'", "'pool'"]),
        ("resnet18", {"dropout": 0.1}, ["'dropout'"]),
        ("V64-4/4", {"pool": "max"}, ["pool", "'max'"]),
        ("V64-4/4", {"pool": "cls", "class_token": False}, ["class_token", "'cls'"]),
        ("V6-4/4", {"positions": "sincos"}, ["sin-cos", 6]),
        ("V64-4/4", {"base_patch": 32}, ["base_patch", "base_grid"]),
        ("V64-4/4", {"base_grid": 10**9}, ["base_grid", 10**9]),
        ("V64-4/\u0664", {}, ["ASCII"]),
        ("D64-2", {"image_size": None}, ["context", None]),
        ("D64-2", {"context": 8}, ["image_size"]),
        ("V64-4/4", {"context": 8}, ["context"]),
        ("D100-2", {"image_size": None, "context": 8, "head_dim": 30}, ["3 heads", "width 100"]),
    ],
)
def test_bad_names_and_options_are_one_line(name, options, names):
    with rejects(name, *names):
        models.build(name, 10, **{"image_size": 16, **options})


def test_modules_are_flaxs():
    x = jnp.ones((2, 6, 6, 4))
    for own, theirs in [
        (modules.Dense(3), nn.Dense(3)),
        (modules.DenseGeneral((2, 3), axis=(-2, -1)), nn.DenseGeneral((2, 3), axis=(-2, -1))),
        (modules.Conv(3, (3, 3)), nn.Conv(3, (3, 3))),
        (modules.LayerNorm(), nn.LayerNorm()),
        (modules.GroupNorm(2), nn.GroupNorm(2)),
    ]:
        variables = own.init(jax.random.key(0), x)
        chex.assert_trees_all_equal(variables, theirs.init(jax.random.key(0), x))
        assert str(jax.make_jaxpr(own.apply)(variables, x)) == str(jax.make_jaxpr(theirs.apply)(variables, x))
        for name, array in variables["params"].items():
            other = {**variables["params"], name: np.ones((*array.shape, 1), np.float32)}
            with pytest.raises(flax.errors.ScopeParamShapeError):
                own.apply({"params": other}, x)


class Twice(modules.Module):
    """A parameter's name is used twice."""

    @nn.compact
    def __call__(self, x):
        return x + self.param("a", nn.initializers.ones, (3,)) + self.param("a", nn.initializers.zeros, (3,))


def test_a_parameter_is_named_once():
    with pytest.raises(ValueError, match="a"):
        Twice().init(jax.random.key(0), jnp.ones(3))
    with pytest.raises(ValueError, match="a"):
        Twice().apply({"params": {"a": jnp.ones(3)}}, jnp.ones(3))


def test_partitioned_parameters():
    init, x = nn.with_partitioning(nn.initializers.ones, (None, "model")), jnp.ones((2, 4))
    own, theirs = modules.Dense(3, kernel_init=init), nn.Dense(3, kernel_init=init)
    variables = own.init(jax.random.key(0), x)
    np.testing.assert_array_equal(own.apply(variables, x), theirs.apply(variables, x))
