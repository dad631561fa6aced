"""Published and converted files load into the models they were made for, and say what does not fit."""

import io
import pickle
import re
import zipfile

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import published_files as published
import pytest
from flax.traverse_util import flatten_dict

from scalax import models
from scalax.models.resize import resize_patch_kernel, resize_positions
from scalax.models.scan import stack_blocks, unstack_blocks
from scalax.models.weights import load
from tests.rejects import rejects


def abstract(module, image_size):
    return models.abstract_variables(module, jax.ShapeDtypeStruct((image_size, image_size, 3), jnp.float32))


def zeros(module, image_size):
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), abstract(module, image_size))


def write(path, arrays):
    np.savez(path, **arrays)
    return path


def small_vit(**options):
    options = {"pool": "cls", **options}
    return models.build("V64-2/8", 5, image_size=16, **options)


def logits(module, variables, size=16):
    images = np.random.default_rng(1).normal(size=(2, size, size, 3)).astype(np.float32)
    return jax.jit(module.apply)(variables, images)[0]


@pytest.mark.parametrize("flavour", ["augreg", "big_vision", "scanned"])
@pytest.mark.parametrize("prefix", ["", "opt/target/", "params/"])
def test_vit_flavours_are_one_function(tmp_path, flavour, prefix):
    module = small_vit()
    arrays = {prefix + key: x for key, x in published.vit(flavour).items()}
    loaded = load(write(tmp_path / "a.npz", arrays), module, abstract(module, 16))
    params = loaded["params"]
    source = published.vit("big_vision")
    want = source["Transformer/encoderblock_1/MultiHeadDotProductAttention_0/query/kernel"]
    np.testing.assert_array_equal(params["block01"]["attn"]["query"]["kernel"], want)
    want = source["Transformer/encoderblock_0/MlpBlock_0/Dense_1/bias"]
    np.testing.assert_array_equal(params["block00"]["mlp"]["out"]["bias"], want)
    np.testing.assert_array_equal(params["pos_embedding"].reshape(1, 4, 64), source["pos_embedding"])
    np.testing.assert_allclose(params["cls"] + params["cls_position"], source["cls"][0, 0], rtol=1e-6)
    assert (np.abs(params["cls_position"]).max() > 0) == (flavour == "augreg")


def test_scanned_module_computes_what_the_looped_one_does(tmp_path):
    path = write(tmp_path / "a.npz", published.vit("big_vision"))
    looped, scanned = small_vit(), small_vit(scan=True)
    a, b = (load(path, module, abstract(module, 16)) for module in (looped, scanned))
    np.testing.assert_allclose(logits(looped, a), logits(scanned, b), rtol=1e-4, atol=1e-4)
    again = unstack_blocks(stack_blocks(a["params"]))
    assert jax.tree.structure(again) == jax.tree.structure(a["params"])
    jax.tree.map(np.testing.assert_array_equal, again, a["params"])


@pytest.mark.parametrize("flavour", ["big_vision", "inlined"])
def test_map_head(tmp_path, flavour):
    module = small_vit(pool="map")
    arrays = published.vit(flavour, cls=False, pool="map")
    params = load(write(tmp_path / "a.npz", arrays), module, abstract(module, 16))["params"]["map_head"]
    source = published.vit("big_vision", cls=False, pool="map")
    np.testing.assert_array_equal(params["probe"], source["MAPHead_0/probe"])
    np.testing.assert_array_equal(params["norm"]["bias"], source["MAPHead_0/LayerNorm_0/bias"])
    want = source["MAPHead_0/MlpBlock_0/Dense_0/kernel"]
    np.testing.assert_array_equal(params["mlp"]["in"]["kernel"], want)


def test_pre_logits(tmp_path):
    path = write(tmp_path / "a.npz", published.vit("augreg", pre_logits=True))
    module = small_vit(representation=True)
    assert "representation" in load(path, module, abstract(module, 16))["params"]
    plain = small_vit()
    with rejects(path, "params/representation/bias"):
        load(path, plain, abstract(plain, 16))
    loaded = load(path, plain, zeros(plain, 16), keep_head=False)
    assert not loaded["params"]["head"]["kernel"].any()


def test_flexivit_is_resized_to_the_model(tmp_path):
    source = published.vit("big_vision", cls=False, patch=8, grid=3)
    path = write(tmp_path / "a.npz", source)
    module = models.build("V64-2/4", 5, image_size=16, base_patch=4, base_grid=4)
    params = load(path, module, abstract(module, 16))["params"]
    want = resize_patch_kernel(jnp.asarray(source["embedding/kernel"]), 4)
    np.testing.assert_allclose(params["embedding"]["kernel"], want, atol=1e-5)
    want = resize_positions(jnp.asarray(source["pos_embedding"].reshape(3, 3, 64)), (4, 4))
    np.testing.assert_allclose(params["pos_embedding"], want, atol=1e-5)
    held = models.build("V64-2/4", 5, image_size=16, base_patch=8, base_grid=3)
    as_is = load(path, held, abstract(held, 16))["params"]
    np.testing.assert_array_equal(as_is["embedding"]["kernel"], source["embedding/kernel"])


def test_bfloat16_as_raw_voids(tmp_path):
    arrays = {key: x.astype(ml_dtypes.bfloat16) for key, x in published.vit("big_vision").items()}
    path = write(tmp_path / "a.npz", {key: x.view("V2") for key, x in arrays.items()})
    module = small_vit()
    params = load(path, module, abstract(module, 16))["params"]
    assert params["head"]["kernel"].dtype == jnp.float32
    np.testing.assert_array_equal(params["head"]["kernel"], arrays["head/kernel"].astype(np.float32))


def test_mixer(tmp_path):
    module = models.build("mixer-s/16", 5, image_size=32)
    arrays = published.mixer(d=512, depth=8, channel_dim=2048, token_dim=256, patch=16, tokens=4, classes=5)
    params = load(write(tmp_path / "a.npz", arrays), module, abstract(module, 32))["params"]
    want = arrays["MixerBlock_7/token_mixing/Dense_1/kernel"]
    np.testing.assert_array_equal(params["block07"]["token_mlp"]["out"]["kernel"], want)
    np.testing.assert_array_equal(params["norm"]["scale"], arrays["pre_head_layer_norm/scale"])


@pytest.mark.parametrize("odd_names", [False, True])
def test_bit(tmp_path, odd_names):
    module = models.build("bit-r50x1", 5, image_size=32)
    arrays = published.bit(odd_names=odd_names)
    params = load(write(tmp_path / "a.npz", arrays), module, abstract(module, 32))["params"]
    source = published.bit()
    want = source["resnet/block2/unit01/a/proj/standardized_conv2d/kernel"]
    np.testing.assert_array_equal(params["block03"]["proj"]["kernel"], want)
    want = source["resnet/block4/unit03/c/group_norm/gamma"]
    np.testing.assert_array_equal(params["block15"]["norm3"]["scale"], want)
    np.testing.assert_array_equal(params["head"]["kernel"], source["resnet/head/conv2d/kernel"][0, 0])


def test_bit_as_big_vision_writes_it(tmp_path):
    renamed = {}
    for key, x in published.bit().items():
        key = key.removeprefix("resnet/").replace("standardized_conv2d/", "")
        key = re.sub("^root_block/", "root_block/conv_root/", re.sub("^group_norm/", "norm-pre-head/", key))
        key = key.replace("/a/proj/", "/conv_proj/").replace("head/conv2d/", "head/")
        for n, letter in enumerate("abc", 1):
            key = key.replace(f"/{letter}/group_norm/", f"/gn{n}/").replace(f"/{letter}/", f"/conv{n}/")
        key = key.replace("/gamma", "/scale").replace("/beta", "/bias")
        x = x[0, 0] if key == "head/kernel" else x
        renamed[key] = x.reshape(1, 1, 1, -1) if re.search("(gn.|pre-head)/", key) else x
    module = models.build("bit-r50x1", 5, image_size=32)
    got = load(write(tmp_path / "a.npz", renamed), module, abstract(module, 32))
    want = load(write(tmp_path / "b.npz", published.bit()), module, abstract(module, 32))
    jax.tree.map(np.testing.assert_array_equal, got, want)


def test_positions_within_the_encoder(tmp_path):
    arrays = published.vit("augreg")
    within = "Transformer/posembed_input/pos_embedding"
    moved = {"Transformer/pos_embedding" if key == within else key: x for key, x in arrays.items()}
    module = small_vit()
    got = load(write(tmp_path / "a.npz", moved), module, abstract(module, 16))
    want = load(write(tmp_path / "b.npz", arrays), module, abstract(module, 16))
    jax.tree.map(np.testing.assert_array_equal, got, want)
    moved["Transformer/pos_embedding"] = np.zeros((1, 8, 64))
    with rejects(tmp_path / "a.npz", "8 positions"):
        load(write(tmp_path / "a.npz", moved), module, abstract(module, 16))


def test_a_decoder_reads_its_own_file_and_that_of_no_other_context(tmp_path):
    tokens = jax.ShapeDtypeStruct((1, 4), jnp.int32)
    module, longer = (models.build("D8-1", 5, context=context) for context in (4, 6))
    want, other = (jax.eval_shape(m.init, jax.random.key(0), tokens) for m in (module, longer))
    flat = flatten_dict(want["params"], sep="/")
    arrays = {key: np.full(x.shape, index, np.float32) for index, (key, x) in enumerate(flat.items())}
    path = write(tmp_path / "a.npz", arrays)
    got = flatten_dict(load(path, module, want)["params"], sep="/")
    jax.tree.map(np.testing.assert_array_equal, got, arrays)
    with rejects("pos_embedding", "(4, 8)", "(6, 8)"):
        load(path, longer, other)


def test_all_that_does_not_fit_is_one_line(tmp_path):
    arrays = published.vit("big_vision", classes=7)
    module = small_vit()
    path = write(tmp_path / "a.npz", arrays)
    with rejects(path, "params/head/bias", "(7,)", "(5,)", "keep_head=False"):
        load(path, module, abstract(module, 16))
    assert load(path, module, zeros(module, 16), keep_head=False)
    del arrays["Transformer/encoderblock_1/LayerNorm_0/scale"]
    arrays["extra/kernel"] = np.zeros(3)
    arrays["embedding/bias"] = np.zeros(3)
    with rejects("params/block01/norm1/scale", "params/extra/kernel", "params/embedding/bias", "(3,)"):
        load(write(path, arrays), module, abstract(module, 16))


def test_nothing_is_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    module = small_vit()
    path = tmp_path / "a.npz"
    np.savez(path, bomb=np.array([Bomb()], dtype=object))
    with rejects(path):
        load(path, module, abstract(module, 16))
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(Bomb()))
    with rejects(path, ".safetensors"):
        load(path, module, abstract(module, 16))
    path.write_bytes(pickle.dumps(Bomb()))
    with rejects(path, ".npz", ".safetensors"):
        load(path, module, abstract(module, 16))


def test_torn_and_missing_files(tmp_path):
    module = small_vit()
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(1000))
    path = tmp_path / "a.npz"
    path.write_bytes(buffer.getvalue()[:2000])
    with rejects(path, ".npz"):
        load(path, module, abstract(module, 16))
    with rejects(tmp_path / "none.npz"):
        load(tmp_path / "none.npz", module, abstract(module, 16))
