"""The count agrees with arithmetic by hand, with XLA, and with itself however a model is run."""

import functools

import jax
import jax.numpy as jnp
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import AxisType, PartitionSpec

from scalax import cost, models
from scalax.cost.model import forward_flops


def struct(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


def step_of(module, images):
    """A training step (gradient and Adam) and its abstract arguments."""
    optimizer = optax.adam(1e-3)
    params = jax.eval_shape(module.init, jax.random.key(0), images)["params"]

    def loss(params, images, labels):
        logits, _ = module.apply({"params": params}, images, train=True)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    def step(params, state, images, labels):
        value, grads = jax.value_and_grad(loss)(params, images, labels)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    labels = struct(*images.shape[: 2 if images.dtype == jnp.int32 else 1], dtype=jnp.int32)
    return step, (params, jax.eval_shape(optimizer.init, params), images, labels)


def test_matmul_by_hand():
    got = cost.count(lambda a, b: jnp.tanh(a @ b) + 1, struct(3, 5), struct(5, 7))
    assert (got.matmul, got.elementwise, got.transcendental) == (2 * 3 * 5 * 7, 21, 21)


def test_unused_work_does_not_count():
    def fn(a):
        _ = a @ a
        return a + 1

    assert cost.count(fn, struct(4, 4)).matmul == 0


def test_cond_is_its_dearest_branch_and_while_is_named():
    def fn(a, flag):
        a = jax.lax.cond(flag, lambda a: a @ a, lambda a: a, a)
        return jax.lax.while_loop(lambda a: a[0, 0] < 1, lambda a: a @ a, a)

    got = cost.count(fn, struct(4, 4), struct(dtype=jnp.bool_))
    assert got.matmul == 2 * 2 * 4**3
    assert got.uncounted == ("while",)


def test_unknown_primitives_are_named():
    assert cost.count(jnp.linalg.cholesky, struct(4, 4)).uncounted == ("cholesky",)


@pytest.mark.parametrize("scan", [False, True])
@pytest.mark.parametrize("remat", [False, True])
def test_xla_is_explained_for_a_tiny_vit_step(scan, remat):
    module = models.build("V32-3/8", 10, image_size=16, base_patch=4, scan=scan, remat=remat)
    step, args = step_of(module, struct(4, 16, 16, 1))
    got = cost.count(step, *args)
    xla = cost.count_both(step, *args).xla_flops
    parts = cost.reconcile(got, xla)
    assert not got.uncounted
    assert abs(parts["unexplained"]) < 0.03 * xla
    assert got.elementwise > 0.1 * xla
    assert (parts["remat"] > 0) == remat
    assert (parts["repeated"] < 0) == scan


@pytest.mark.parametrize(("mlp_dim", "depth"), [(None, 2), (24, 1)])
def test_a_decoder_costs_what_arithmetic_says(mlp_dim, depth):
    b, t, d, vocabulary = 3, 6, 16, 11
    options = {} if mlp_dim is None else {"mlp_dim": mlp_dim}
    module = models.build(f"D{d}-{depth}", vocabulary, context=t, head_dim=8, **options)
    tokens = struct(b, t, dtype=jnp.int32)
    step, args = step_of(module, tokens)
    per_token = depth * (4 * d**2 + 2 * t * d + 2 * d * (mlp_dim or 4 * d))
    forward = forward_flops(module, {"params": args[0]}, tokens)
    assert forward["blocks"] == 2 * b * t * per_token
    assert forward["head"] == 2 * b * t * d * vocabulary
    assert forward["attention_scores"] == 2 * b * t * t * d * depth
    got, xla = cost.count(step, *args), cost.count_both(step, *args).xla_flops
    assert got.matmul == 3 * (forward["blocks"] + forward["head"])
    assert not got.uncounted
    assert abs(cost.reconcile(got, xla)["unexplained"]) < 0.03 * xla


@pytest.mark.parametrize(
    ("depth", "width", "patch", "pool", "batch"),
    [(1, 128, 8, "gap", 4), (2, 16, 2, "cls", 4), (1, 32, 4, "map", 8)],
)
def test_model_flops_do_not_depend_on_how_the_model_runs(depth, width, patch, pool, batch):
    """Scanned or looped, rematerialised or not, sharded, vmapped or neither: one count."""
    images = struct(batch, 8, 8, 3)
    counts = set()
    for scan in (False, True):
        for remat in (False, True):
            options = {"scan": scan, "remat": remat, "pool": pool}
            module = models.build(f"V{width}-{depth}/{patch}", 10, image_size=8, **options)
            variables = jax.eval_shape(module.init, jax.random.key(0), images)
            grad = jax.grad(lambda v, x, m=module: m.apply(v, x, train=True)[0].sum())
            counts.add(cost.count(grad, variables, images).matmul)
    assert len(counts) == 1

    module = models.build(f"V{width}-{depth}/{patch}", 10, image_size=8, pool=pool)
    variables = jax.eval_shape(module.init, jax.random.key(0), images)

    def forward(variables, images):
        return module.apply(variables, images)[0]

    want = cost.count(forward, variables, images).matmul
    vmapped = jax.vmap(lambda v, image: forward(v, image[None])[0], (None, 0))
    # One learned query serves all samples: vmap projects it once, a batch once a sample.
    once = 2 * width**2 * (batch - 1) if pool == "map" else 0
    assert cost.count(vmapped, variables, images).matmul == want - once
    mesh = jax.sharding.AbstractMesh((4,), ("data",), axis_types=(AxisType.Auto,))
    specs = {"in_specs": (PartitionSpec(), PartitionSpec("data")), "out_specs": PartitionSpec("data")}
    sharded = jax.shard_map(forward, mesh=mesh, **specs)
    assert cost.count(sharded, variables, images).matmul == want


def test_count_is_that_of_the_group_axis_under_vmap_and_grad_of_convolutions():
    """vmap over kernels becomes a grouped convolution, and its gradient one of batch groups."""
    dims = ("NHWC", "HWIO", "NHWC")

    def conv(x, w):
        return jax.lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=dims)

    x, w, ws = struct(2, 8, 8, 4), struct(3, 3, 4, 6), struct(5, 3, 3, 4, 6)
    one = cost.count(conv, x, w).matmul
    assert cost.count(jax.vmap(conv, (None, 0)), x, ws).matmul == 5 * one
    assert cost.count(jax.vmap(conv), struct(5, *x.shape), ws).matmul == 5 * one
    grad = jax.grad(lambda w, x: (conv(x, w) ** 2).sum())
    assert cost.count(jax.vmap(grad, (0, None)), ws, x).matmul == 5 * cost.count(grad, w, x).matmul


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    size=st.integers(5, 12),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    groups=st.sampled_from([1, 2, 4]),
)
def test_any_convolution_is_xlas_count_plus_padding(size, kernel, stride, dilation, padding, groups):
    if dilation * (kernel - 1) + 1 > size:
        return
    conv = functools.partial(
        jax.lax.conv_general_dilated,
        window_strides=(stride, stride),
        padding=[padding, padding],
        rhs_dilation=(dilation, dilation),
        feature_group_count=groups,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    x, w = struct(2, size, size, 4), struct(kernel, kernel, 4 // groups, 8)
    got = cost.count(conv, x, w)
    side = (size + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1
    assert got.matmul == 2 * 2 * side**2 * 8 * kernel**2 * 4 // groups
    assert cost.reconcile(got, cost.count_both(conv, x, w).xla_flops)["unexplained"] == 0


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_convolutions_agree_with_xla_forward_and_back(groups, stride, padding):
    conv = functools.partial(
        jax.lax.conv_general_dilated,
        window_strides=(stride, stride),
        padding=padding,
        feature_group_count=groups,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    x, w = struct(2, 12, 12, 8), struct(3, 3, 8 // groups, 16)
    got = cost.count(conv, x, w)
    side = (12 if padding == "SAME" else 10 if stride == 1 else 11) // stride
    assert got.matmul == 2 * 2 * side**2 * 16 * 9 * 8 // groups
    assert cost.reconcile(got, cost.count_both(conv, x, w).xla_flops)["unexplained"] == 0
    back = jax.grad(lambda x, w: conv(x, w).sum(), (0, 1))
    got = cost.count(back, x, w)
    parts = cost.reconcile(got, cost.count_both(back, x, w).xla_flops)
    assert abs(parts["unexplained"]) <= 0.01 * got.matmul
