"""timm's names and layouts become ours; what is not known is named. Parity itself is in test_parity.py."""

import json

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from scalax import cli, models
from scalax.models.weights.files import read_arrays
from tests.rejects import rejected

KINDS = {np.dtype(np.float32): "F32", np.dtype(ml_dtypes.bfloat16): "BF16", np.dtype(np.int64): "I64"}


def write_safetensors(path, arrays):
    header: dict[str, dict] = {"__metadata__": {"format": "pt"}}
    data = b""
    for key, x in arrays.items():
        offsets = [len(data), len(data) + x.nbytes]
        header[key] = {"dtype": KINDS[x.dtype], "shape": list(x.shape), "data_offsets": offsets}
        data += x.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def timm_vit(d=128, depth=1, patch=4, tokens=5, classes=5):
    rng = np.random.default_rng(0)
    shapes = {
        "cls_token": (1, 1, d),
        "pos_embed": (1, tokens, d),
        "patch_embed.proj.weight": (d, 3, patch, patch),
        "patch_embed.proj.bias": (d,),
        "norm.weight": (d,),
        "norm.bias": (d,),
        "head.weight": (classes, d),
        "head.bias": (classes,),
    }
    for index in range(depth):
        block = {
            **{f"norm{n}.{leaf}": (d,) for n in (1, 2) for leaf in ("weight", "bias")},
            "attn.qkv.weight": (3 * d, d),
            "attn.qkv.bias": (3 * d,),
            "attn.proj.weight": (d, d),
            "attn.proj.bias": (d,),
            "mlp.fc1.weight": (4 * d, d),
            "mlp.fc1.bias": (4 * d,),
            "mlp.fc2.weight": (d, 4 * d),
            "mlp.fc2.bias": (d,),
        }
        shapes |= {f"blocks.{index}.{key}": shape for key, shape in block.items()}
    return {key: rng.normal(size=shape).astype(np.float32) for key, shape in shapes.items()}


def test_vit(tmp_path, capsys):
    state = timm_vit()
    path = write_safetensors(tmp_path / "state.safetensors", state)
    assert cli.main(["convert", str(path)]) == 0
    assert f"{len(state) + 5} arrays" in capsys.readouterr().out
    module = models.build("V128-1/4", 5, image_size=8, pool="cls")
    image = jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32)
    variables = jax.eval_shape(module.init, jax.random.key(0), image)
    params = models.load(tmp_path / "state.npz", module, variables)["params"]
    x = np.random.default_rng(1).normal(size=128).astype(np.float32)
    # Query, key and value stand one after the other, and within each the channels of the first head.
    key = (state["blocks.0.attn.qkv.weight"] @ x)[128:256].reshape(2, 64)
    np.testing.assert_allclose(
        np.einsum("d,dhc->hc", x, params["block00"]["attn"]["key"]["kernel"]), key, rtol=1e-4, atol=1e-4
    )
    np.testing.assert_array_equal(params["pos_embedding"].reshape(4, 128), state["pos_embed"][0, 1:])
    kernel = state["patch_embed.proj.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(params["embedding"]["kernel"], kernel)


def test_half_precision_is_read_as_float32(tmp_path):
    x = np.arange(6.0).reshape(2, 3).astype(ml_dtypes.bfloat16)
    got = read_arrays(write_safetensors(tmp_path / "a.safetensors", {"x": x}))["x"]
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize(
    ("arrays", "argv", "names"),
    [
        ({"encoder.layer.weight": np.zeros((2, 2), np.float32)}, [], ["encoder.layer.weight"]),
        ({"blocks.0.ls1.gamma": np.zeros(2, np.float32)}, [], ["block00/ls1.gamma"]),
        ({f"blocks.{'9' * 5000}.norm1.weight": np.zeros(2, np.float32)}, [], ["blocks", "name"]),
        (timm_vit(), ["--heads", "3"], ["3 heads"]),
        (timm_vit(), ["--out", "x.pth"], ["--out x.pth", ".npz"]),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, arrays, argv, names):
    path = write_safetensors(tmp_path / "state.safetensors", arrays)
    assert cli.main(["convert", str(path), *argv]) == 2
    rejected(capsys, *names)


@pytest.mark.parametrize("link", [False, True])
def test_no_state_dict_is_replaced_by_what_is_made_of_it(tmp_path, capsys, link):
    path = write_safetensors(tmp_path / "state.npz", timm_vit())
    before, out = path.read_bytes(), tmp_path / "link.npz" if link else path
    if link:
        out.symlink_to(path)
    assert cli.main(["convert", str(path), *(["--out", str(out)] if link else [])]) == 2
    rejected(capsys, "--out", out)
    assert path.read_bytes() == before


def test_no_name_of_a_state_dict_is_one_line(capsys):
    assert cli.main(["convert", ""]) == 2
    rejected(capsys, "FILE.safetensors")


def test_torn_state_is_one_line(tmp_path, capsys):
    path = write_safetensors(tmp_path / "state.safetensors", timm_vit())
    path.write_bytes(path.read_bytes()[:5000])
    assert cli.main(["convert", str(path)]) == 2
    rejected(capsys, path, ".npz", ".safetensors")
    assert cli.main(["convert", str(tmp_path / "none.safetensors")]) == 2
    rejected(capsys, tmp_path / "none.safetensors")
