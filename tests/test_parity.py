"""Logits, gradients and running statistics equal timm's at the same weights, float32 on the CPU.

Needs the extra `parity` (PyTorch and timm); the weights go through `scalax convert`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from scalax import cli, models
from scalax.models.weights import load
from scalax.models.weights.timm import from_timm

try:
    import safetensors.torch  # pyright: ignore[reportMissingImports]
    import timm  # pyright: ignore[reportMissingImports]
    import torch  # pyright: ignore[reportMissingImports]
except Exception as e:  # a torchvision that does not fit its torch fails with RuntimeError
    pytest.skip(f"needs the extra 'parity' (torch, timm): {type(e).__name__} {e}", allow_module_level=True)

CLASSES = 10
LOGITS, GRADIENTS = 1e-4, 1e-3
# timm's name and options, ours and ours' options, side of the images.
MODELS = [
    ("vit_tiny_patch16_224", {"img_size": 64}, "vit-ti/16", {"exact_gelu": True}, 64),
    ("mixer_s16_224", {"img_size": 64}, "mixer-s/16", {"exact_gelu": True}, 64),
    ("resnet18", {}, "resnet18", {}, 64),
    ("resnet50", {}, "resnet50", {}, 64),
    ("resnetv2_50x1_bit", {}, "bit-r50x1", {}, 64),
]


def reference(name, options):
    """timm's model with no weight at a value of its initialisation: zeros would hide what they multiply.

    Norms before a ReLU get a bias of about two: an input within rounding of zero may pass one ReLU and not
    the other, and where half the inputs are negative such flips alone put 0.5% between the gradients of
    PyTorch in float32 and in float64 (BiT-R50x1). Two standard deviations up they are rare.
    """
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=CLASSES, **options)
    with torch.no_grad():
        for key, x in model.named_parameters():
            x += 0.02 * torch.randn_like(x) + (0.1 * torch.randn_like(x) if x.ndim == 1 else 0)
            if "resnet" in name and x.ndim == 1 and key.endswith("bias") and "fc" not in key:
                x += 2
        for key, x in model.named_buffers():
            if key.endswith(("running_mean", "running_var")):
                x += 0.2 * torch.rand_like(x)
    return model


def relative(got, want) -> float:
    """|got - want| / |want| in the Euclidean norm."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    return float(np.linalg.norm(got - want) / np.linalg.norm(want))


def numpy(tensors):
    return {key: x.detach().numpy() for key, x in tensors.items() if x is not None}


@pytest.mark.parametrize(("theirs", "options", "ours", "flags", "size"), MODELS, ids=[m[0] for m in MODELS])
def test_parity(tmp_path, record_property, theirs, options, ours, flags, size):
    model = reference(theirs, options)
    safetensors.torch.save_file(model.state_dict(), tmp_path / "state.safetensors")
    assert cli.main(["convert", str(tmp_path / "state.safetensors")]) == 0
    module = models.build(ours, CLASSES, image_size=size, **flags)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(4, size, size, 3)).astype(np.float32)
    labels = rng.integers(CLASSES, size=4)
    blank = jax.eval_shape(module.init, jax.random.key(0), images)
    variables = load(tmp_path / "state.npz", module, blank)
    torch_images = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())

    def loss(params, train):
        out, changed = module.apply(
            {**variables, "params": params}, images, train=train, mutable="batch_stats"
        )
        chosen = jnp.take_along_axis(jax.nn.log_softmax(out[0]), labels[:, None], 1)
        return -chosen.mean(), (out[0], changed)

    errors = {}
    # Batch norm differs between training and not; nothing else does, with dropout off.
    for train in (False, True) if "batch_stats" in variables else (False,):
        model.train(train)
        model.zero_grad()
        want = model(torch_images)
        torch.nn.functional.cross_entropy(want, torch.from_numpy(labels)).backward()
        grads, (logits, changed) = jax.jit(jax.grad(loss, has_aux=True), static_argnums=1)(
            variables["params"], train
        )
        mode = "train" if train else "eval"
        errors[f"logits {mode}"] = relative(logits, want.detach().numpy())
        wanted = from_timm(numpy({key: x.grad for key, x in model.named_parameters()}))
        wanted = {key.removeprefix("params/"): x for key, x in wanted.items()}
        got = flatten_dict(grads, sep="/")
        assert set(got) == set(wanted)
        # A key's bias moves every score of a query alike: its true gradient is zero, and noise here.
        scale = max(np.linalg.norm(x) for x in wanted.values())
        compared = [key for key in got if np.linalg.norm(wanted[key]) > 1e-6 * scale]
        assert len(compared) > 0.9 * len(got)
        errors[f"gradients {mode}"] = max(relative(got[key], wanted[key]) for key in compared)
        if train:
            after = from_timm(numpy(model.state_dict()))
            for key, x in flatten_dict(dict(changed), sep="/").items():
                errors[f"{key} {mode}"] = relative(x, after[key])
    kinds = ("logits", "gradients")
    worst = {kind: max(v for k, v in errors.items() if k.startswith(kind)) for kind in kinds}
    print(f"{theirs}: " + ", ".join(f"{key} {value:.1e}" for key, value in worst.items()))
    for key, value in errors.items():
        record_property(key, value)
        assert value < (GRADIENTS if key.startswith("gradients") else LOGITS), (key, value)
