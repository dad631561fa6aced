"""`scalax throughput`: its figures, its errors, and what it compares with."""

import importlib.util
import json

import jax
import jax.numpy as jnp
import pytest

from scalax import cli, models
from scalax.throughput import agreement, reference, spec, timm_models
from tests.rejects import rejected, rejects

MODEL = ["throughput", "V16-1/4", "--image", "8", "--batch", "16", "--classes", "3"]
TINY = [*MODEL, "--steps", "2", "--rounds", "3"]
KEYS = ["images_per_s", "flops_per_s", "mfu", "compile_s", "step_ms", "peak_bytes"]


def has_parity() -> bool:
    return all(importlib.util.find_spec(package) for package in ("torch", "timm"))


def result_of(capsys, *more: str) -> dict:
    assert cli.main([*TINY, *more, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_figures_agree_with_each_other(capsys):
    result = result_of(capsys, "--peak-flops", "1e12")
    assert list(result) == KEYS
    assert result["images_per_s"] == pytest.approx(16e3 / result["step_ms"])
    assert result["mfu"] == pytest.approx(result["flops_per_s"] / 1e12 / jax.device_count())
    assert result["compile_s"] > 0
    # Dense products with weights, forward and twice backward, of 16 images of 4 tokens; scores are few.
    weights = 48 * 16 + 4 * 16 * 16 + 2 * 16 * 64
    flops = result["flops_per_s"] * result["step_ms"] / 1e3
    assert 0.8 < flops / (3 * 2 * 16 * 4 * weights) < 1.2
    assert result["peak_bytes"] is None or result["peak_bytes"] >= 0


def test_against_the_plain_model_in_flax(capsys):
    assert cli.main([*TINY, "--against", "flax-reference"]) == 0
    shown = capsys.readouterr().out
    assert "flax-reference reference" in shown
    assert "–" in shown  # no peak is known of a CPU


def test_the_plain_model_has_the_parameters_of_ours():
    shape = {"width": 32, "depth": 2, "mlp_dim": 128, "heads": 2, "patch": 4}
    plain = reference.PlainViT(5, **shape, dtype=jnp.dtype("float32"))
    ours = models.build("V32-2/4", 5, image_size=16, head_dim=16)
    image = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)
    counts = [
        sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(module.init, jax.random.key(0), image)))
        for module in (plain, ours)
    ]
    assert counts[0] == counts[1]


def test_a_population_and_its_runs_one_by_one(capsys):
    assert cli.main([*MODEL, "--members", "3", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["images_per_s"] == pytest.approx(3 * 16e3 / result["step_ms"])
    assert result["ratio"] == pytest.approx(result["step_ms"] / (3 * result["step_ms_alone"]))


@pytest.mark.slow
def test_losses_here_beside_those_of_the_cpu():
    found = agreement.agreement(spec.Spec("V16-1/4", 8, 16, 3), steps=4)
    assert all(len(losses) == 4 for losses in found["losses"].values())
    reference = found["losses"]["cpu_float32"]
    assert reference == agreement.losses(spec.Spec("V16-1/4", 8, 16, 3, "float32", "einsum"), 4)
    assert len(set(reference)) == 4  # it learns
    assert found["differences"]["float32"] == 0  # here is a CPU too
    half = found["losses"]["bfloat16"]
    worst = max(abs(a - b) / b for a, b in zip(half, reference, strict=True))
    assert found["differences"]["bfloat16"] == pytest.approx(worst)
    assert 0 < worst < 1e-2


def test_a_variant_that_fails_is_one_line(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    with rejects("V16-1/3", "float32"):
        agreement.agreement(spec.Spec("V16-1/3", 8, 16, 3), steps=1)


def test_data_alone(capsys):
    wanted = ["throughput", "--data-only", "--image", "8", "--batch", "16", "--steps", "2", "--rounds", "2"]
    assert cli.main([*wanted, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["images_per_s"] == pytest.approx(16e3 / result["step_ms"])


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["V16-1/3", "--image", "8"], ["'V16-1/3'", 3, "8 px"]),
        (["V16_1/4"], ["'V16_1/4'"]),
        (["V16-1/4", "--batch", "0"], ["--batch", 0]),
        (
            ["resnet18", "--image", "32", "--against", "flax-reference"],
            ["--against flax-reference", "'resnet18'"],
        ),
        (["V16-1/4", "--data-only"], ["--data-only", "MODEL", "--against"]),
        ([], ["MODEL", "--data-only"]),
        (["V16-1/4", "--members", "2", "--check"], ["--members", "--check"]),
        (["V16-1/4", "--check", "--against", "timm"], ["--check", "--against"]),
        (["V16-1/4", "--members", "0"], ["--members", 0]),
    ],
)
def test_errors_are_one_line(capsys, arguments, names):
    assert cli.main(["throughput", *arguments]) == 2
    rejected(capsys, *names)


def test_timm_that_is_missing_is_said_with_its_cure(capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cli.main([*TINY, "--against", "timm"]) == 2
    rejected(capsys, "--against timm", "pip install 'scalax-laws[parity]'")


def test_the_fastest_variant_counts():
    theirs = {"eager": [3.0, 4.0, 3.0], "compiled": [1.0, 3.0, 2.0]}
    found = spec.compare([1.0, 2.0, 1.0], theirs, batch=8)
    assert (found["fastest"], found["ratio"]) == ("compiled", 1.5)
    assert found["variants"]["eager"] == {"images_per_s": pytest.approx(8 / 3), "step_ms": 3000, "ratio": 3.0}


def test_rounds_alternate():
    order = []
    sides = {name: lambda steps, name=name: order.append(name) or float(steps) for name in "ab"}
    assert spec.alternate(sides, 2, 4) == {"a": [1.0, 1.0], "b": [1.0, 1.0]}
    assert order == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("V256-6/8", "VisionTransformer"),
        ("vit-g/16", "VisionTransformer"),
        ("mixer-s/16", "MlpMixer"),
        ("resnet18", "resnet18"),
        ("R64-50", "resnet50"),
        ("bit-r50x1", "resnetv2_50x1_bit"),
    ],
)
def test_timm_has_the_same_shape(name, theirs):
    found, fields = timm_models.timm_model(spec.Spec(name, 64, 2, 10))
    assert found == theirs
    if not has_parity():
        return
    import torch  # pyright: ignore[reportMissingImports]

    from scalax.throughput.pytorch import make_model

    with torch.device("meta"):
        model = make_model(found, fields, 10)
    module = models.build(name, 10, image_size=64)
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    params = jax.eval_shape(module.init, jax.random.key(0), image)["params"]
    ours = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert ours == sum(x.numel() for x in model.parameters())


def test_a_model_that_timm_lacks():
    with rejects("timm", "'R32-18'"):
        timm_models.timm_model(spec.Spec("R32-18", 64, 2, 10))


@pytest.mark.slow
@pytest.mark.skipif(not has_parity(), reason="needs the extra 'parity' (torch, timm)")
def test_against_timm(capsys):
    against = result_of(capsys, "--against", "timm")["against"]
    assert "eager" in against["variants"]
    assert against["ratio"] == against["variants"][against["fastest"]]["ratio"] > 0
