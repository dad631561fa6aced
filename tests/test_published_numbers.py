"""Parameters, MACs and training FLOPs of the variants equal the published ones; shapes only."""

import functools
import json

import jax
import jax.numpy as jnp
import pytest

from scalax import cli, models
from scalax.cost.model import forward_flops, model_cost
from tests.rejects import rejected

PARAMETERS = [
    ("vit-ti/16", 1000, 5_717_416, 0),
    ("vit-s/16", 1000, 22_050_664, 0),
    ("vit-b/16", 1000, 86_567_656, 0),
    ("vit-l/16", 1000, 304_326_632, 0),
    ("mixer-s/16", 1000, 18.53e6, 5e-4),
    ("mixer-b/16", 1000, 59.88e6, 5e-4),
    ("mixer-l/16", 1000, 208.20e6, 5e-4),
    ("resnet18", 1000, 11_689_512, 0),
    ("resnet34", 1000, 21_797_672, 0),
    ("resnet50", 1000, 25_557_032, 0),
    ("resnet101", 1000, 44_549_160, 0),
    ("resnet152", 1000, 60_192_808, 0),
    ("bit-r50x1", 1000, 25.55e6, 5e-4),
    ("bit-r101x1", 1000, 44.54e6, 5e-4),
    ("bit-r50x3", 1000, 217.3e6, 5e-4),
    ("bit-r101x3", 1000, 387.9e6, 5e-4),
    ("bit-r152x4", 1000, 936.5e6, 5e-4),
    ("resnet18", 25, 11_189_337, 0),
    ("vit-s/16", 25, 21_675_289, 0),
    ("vit-ti/32", 18291, 9.4687e6, 5e-5),
    ("vit-s/32", 18291, 2.9536e7, 5e-5),
    ("vit-b/32", 18291, 1.0152e8, 5e-5),
    ("vit-l/32", 18291, 3.2426e8, 5e-5),
    ("bit-r50x1", 18291, 61e6, 5e-3),
    ("bit-r101x3", 18291, 494e6, 5e-3),
    ("mixer-b/16", 18291, 73e6, 5e-3),
    ("mixer-l/16", 18291, 226e6, 5e-3),
]

# 120 px, 1000 classes, underlying patch 12, positions 8x8: parameters (M), GMACs at patch 8 and at 24. The
# source calls the MACs GFLOPs, and counts the transformer blocks alone.
FLEXIBLE = [
    ("V256-6", 5.1, 1.22, 0.120),
    ("V192-12", 5.6, 1.43, 0.136),
    ("V256-12", 9.9, 2.44, 0.240),
    ("V384-12", 21.8, 5.25, 0.538),
    ("V512-12", 38.6, 9.13, 0.953),
    ("V640-12", 60.0, 14.1, 1.49),
    ("V768-12", 86.2, 20.1, 2.14),
]


@pytest.mark.parametrize(("name", "classes", "want", "tolerance"), PARAMETERS)
def test_parameters(name, classes, want, tolerance):
    body, head = parameters(name)
    assert body + head * classes == pytest.approx(want, rel=tolerance, abs=0)


@functools.cache
def parameters(name) -> tuple[int, int]:
    """Of all but the head, and of the head for each class."""
    image = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    scan = {"scan": True} if "scan" in models.find(name)[0].options else {}  # one block to trace
    module = models.build(name, 2, image_size=224, **scan)
    params = jax.eval_shape(module.init, jax.random.key(0), image)["params"]
    head = {leaf.shape: leaf.size for leaf in jax.tree.leaves(params.pop("head"))}
    assert all(shape[-1] == 2 for shape in head)
    return sum(leaf.size for leaf in jax.tree.leaves(params)), sum(head.values()) // 2


@pytest.mark.parametrize(("name", "params", "fine", "coarse"), FLEXIBLE)
def test_flexible_models(name, params, fine, coarse):
    image = jax.ShapeDtypeStruct((1, 120, 120, 3), jnp.float32)
    for patch, macs in ((8, fine), (24, coarse)):
        module = models.build(f"{name}/{patch}", 1000, image_size=120, base_patch=12, base_grid=8, scan=True)
        variables = jax.eval_shape(module.init, jax.random.key(0), image)
        size = sum(leaf.size for leaf in jax.tree.leaves(variables))
        assert size / 1e6 == pytest.approx(params, rel=0.015)
        assert forward_flops(module, variables, image)["blocks"] / 2e9 == pytest.approx(macs, rel=0.015)


def test_a_flexible_model_is_counted_without_embedding_and_resizing():
    got = model_cost("V256-6/12", image=120, patch=24, base_grid=8, batch=2)
    assert (got.patch, got.params) == (24, 5_123_304)
    assert got.no_head_leaves_out == ["embedding", "head"]
    assert got.forward_macs_no_head == got.forward_macs_by_group["blocks"]
    assert got.forward_macs_by_group["embedding"] == 25 * 24 * 24 * 3 * 256
    # Two 24 x 12 matrices along the axes of the kernel, then two 5 x 8 ones along those of the positions.
    kernel, positions = 24 * 12 * (12 + 24) * 3 * 256, 5 * 8 * (8 + 5) * 256
    assert got.resize_macs_per_step == kernel + positions


@pytest.mark.parametrize(
    ("name", "gmacs"), [("vit-ti/16", 1.254), ("vit-b/16", 17.56), ("mixer-b/16", 12.60), ("resnet18", 1.814)]
)
def test_forward_macs(name, gmacs):
    got = model_cost(name, batch=2)
    assert got.forward_macs / 1e9 == pytest.approx(gmacs, rel=5e-4)
    assert got.forward_macs == sum(got.forward_macs_by_group.values())
    assert got.forward_macs - got.forward_macs_no_head == got.forward_macs_by_group["head"]
    assert got.params == sum(got.params_by_group.values())


@pytest.mark.parametrize(
    ("name", "tflops", "fused", "budgets"),
    [
        # Step counts of the 'Return Curves' paper: (budget in TFLOP, steps).
        ("resnet18", 0.3407, 0.3407, [(900, 2641), (150, 440)]),
        ("vit-s/16", 0.8792, 0.8906, [(2250, 2526)]),
    ],
)
def test_training_flops_and_the_steps_that_a_budget_buys(name, tflops, fused, budgets):
    got = model_cost(name, classes=25)
    assert got.train_flops_matmul / 1e12 == pytest.approx(tflops, rel=2e-4)
    assert got.train_flops_matmul_fused_attention / 1e12 == pytest.approx(fused, rel=2e-4)
    for budget, steps in budgets:
        assert int(budget * 1e12 / got.train_flops_matmul_fused_attention) == steps
    parts = got.train_flops_explained
    assert abs(parts["unexplained"]) < 1e-3 * got.train_flops_xla
    assert got.uncounted == []


def test_json_is_one_object_a_model(capsys):
    argv = ["V32-2/8", "resnet18", "D16-2", "--image", "32", "--context", "8", "--batch", "2", "--json"]
    assert cli.main(["cost", *argv]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["name"] for line in lines] == ["V32-2/8", "resnet18", "D16-2"]
    assert [(line["image"], line["context"]) for line in lines] == [(32, None), (32, None), (None, 8)]
    keys = "name params params_by_group forward_macs forward_macs_no_head train_flops_xla train_flops_matmul"
    for line in lines:
        assert {*keys.split(), "train_flops_matmul_fused_attention"} <= set(line)


def test_one_model_says_its_memory_time_and_mfu(capsys):
    argv = ["cost", "V32-2/8", "--image", "16", "--patch", "4", "--device", "h100", "--step-seconds", "1e-3"]
    assert cli.main(argv) == 0
    out = capsys.readouterr().out
    for words in ("peak activation memory", "time a step on h100", "MFU", "elementwise", "resizing weights"):
        assert words in out


@pytest.mark.parametrize(
    ("argv", "names"),
    [
        (["resnet18", "--patch", "8"], ["'resnet18'", "patch"]),
        (["M64-4/8", "--patch", "16"], ["'M64-4/8'", "patch"]),
        (["D64-2", "--patch", "8"], ["'D64-2'", "patch"]),
        (["D64-2", "--context", "0"], ["--context", 0]),
        (["vit-b/16", "--patch", "15"], ["patch 15", "224"]),
        (["vit-b/16", "--batch", "0"], ["--batch", 0]),
        (["vit-b/16", "--device", "abacus"], ["--device", "'abacus'"]),
        (["VIT-B/16"], ["'VIT-B/16'", "'vit-b/16'"]),
        (["V16-1/8", "--image", "100000"], ["--image", 100_000]),
        (["V16-1/1", "--image", "16384", "--batch", "16777215"], ["XLA"]),
        (["bit-r50x5"], ["'bit-r50x5'", "'bit-r50x4'"]),
    ],
)
def test_bad_input_is_one_line(argv, names, capsys):
    assert cli.main(["cost", *argv]) == 2
    rejected(capsys, *names)
