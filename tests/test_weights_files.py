"""Files of weights that are not to be trusted, positions on another grid, and the range of the pixels."""

import os
import re
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import published_files as published
import pytest

from scalax import cli, data, models
from scalax.config import DataConfig, RunConfig, StartConfig
from scalax.errors import UserError
from scalax.models.weights import input_range, load
from scalax.models.weights.files import read_arrays
from scalax.models.weights.published import from_published
from scalax.models.weights.timm import from_timm
from scalax.schedule import Schedule, Stage
from scalax.train.start import with_normalization
from tests.bad_inputs import safetensors
from tests.rejects import check_line, rejects
from tests.test_convert import timm_vit, write_safetensors


def abstract(module, image_size):
    image = jax.ShapeDtypeStruct((1, image_size, image_size, 3), jnp.float32)
    return jax.eval_shape(module.init, jax.random.key(0), image)


def write(path, arrays):
    np.savez(path, **arrays)
    return path


# Positions on another grid


def averaged(x: np.ndarray, size: int) -> np.ndarray:
    """x [n, ...] at `size` places by linear interpolation, a triangle that is widened where it shrinks: each
    sample at a half-pixel centre, weights that sum to one. Written out from the definition."""
    n = len(x)
    wide = max(1.0, n / size)
    out = np.zeros((size, *x.shape[1:]))
    for place in range(size):
        centre = (place + 0.5) * n / size - 0.5
        weights = [max(0.0, 1 - abs(centre - at) / wide) for at in range(n)]
        for at, weight in enumerate(weights):
            out[place] += weight / sum(weights) * x[at]
    return out


@pytest.mark.parametrize(("grid", "new"), [(7, 5), (5, 7), (4, 2), (7, 1)])
@pytest.mark.parametrize("flavour", ["augreg", "big_vision"])
def test_positions_are_resized_as_flexivit_resizes_them(tmp_path, grid, new, flavour):
    """big_vision, models/proj/flexi/vit.py: jax.image.resize(positions, (1, h, w, c), "linear")."""
    cls = flavour == "augreg"
    arrays = published.vit(flavour, cls=cls, patch=4, grid=grid)
    module = models.build("V64-2/4", 5, image_size=4 * new, pool="cls" if cls else "gap", base_grid=new)
    path = write(tmp_path / "a.npz", arrays)
    found = load(path, module, abstract(module, 4 * new))["params"]["pos_embedding"]
    source = arrays["Transformer/posembed_input/pos_embedding" if cls else "pos_embedding"][0]
    source = source[-(grid**2) :].reshape(grid, grid, 64)
    want = averaged(averaged(source, new).swapaxes(0, 1), new).swapaxes(0, 1)
    np.testing.assert_allclose(found, want, atol=2e-6)
    np.testing.assert_allclose(found, jax.image.resize(source, (new, new, 64), "linear"), atol=2e-6)


def test_positions_held_at_the_published_grid_are_resized_alike_in_the_model(tmp_path):
    """Held at 7 and used at 5, as FlexiViT does it, a model computes what one does that was loaded at 5; one
    that is trained from the start keeps its own rule."""
    path = write(tmp_path / "a.npz", published.vit("big_vision", cls=False, patch=4, grid=7))
    options = {"image_size": 20, "base_patch": 4}
    held, plain = (models.build("V64-2/4", 5, base_grid=7, antialias=a, **options) for a in (True, False))
    at_5 = models.build("V64-2/4", 5, base_grid=5, **options)
    images = np.random.default_rng(1).normal(size=(2, 20, 20, 3)).astype(np.float32)
    logits = [jax.jit(m.apply)(load(path, m, abstract(m, 20)), images)[0] for m in (held, at_5, plain)]
    np.testing.assert_allclose(logits[0], logits[1], rtol=1e-3, atol=1e-3)
    assert np.abs(logits[2] - logits[1]).max() > 0.1
    assert models.build("vit-ti/16", 5, image_size=32).antialias
    assert not models.build("V64-2/4", 5, image_size=20).antialias


@pytest.mark.parametrize(
    ("tokens", "cls", "square"),
    [
        (16, False, 4),
        (17, True, 4),
        (16, True, 4),
        (17, False, 0),
        (18, True, 0),
        (98, False, 0),
        (10, False, 0),
    ],
)
def test_positions_of_timm_make_a_square_or_are_refused(tokens, cls, square):
    state = {**timm_vit(tokens=tokens), "pos_embed": np.random.default_rng(1).normal(size=(1, tokens, 128))}
    if not cls:
        del state["cls_token"]
    if not square:
        with rejects(f"{tokens} positions"):
            from_timm(state)
        return
    converted = from_timm(state)
    found = converted["params/pos_embedding"].reshape(-1, 128)
    np.testing.assert_array_equal(found, state["pos_embed"][0, tokens - square**2 :])
    if cls:
        want = state["pos_embed"][0, 0] if tokens > square**2 else np.zeros(128)
        np.testing.assert_array_equal(converted["params/cls_position"], want)


# The range of the pixels


def test_a_converted_resnet_states_the_range_of_imagenet(tmp_path, capsys):
    """torchvision's and timm's are trained so; all published JAX files on -1 to 1."""
    state = {
        "conv1.weight": np.ones((8, 3, 7, 7)),
        **{f"bn1.{leaf}": np.ones(8) for leaf in ("weight", "bias")},
    }
    state = {key: x.astype(np.float32) for key, x in state.items()}
    assert "params/stem_norm/scale" in from_timm(state)
    assert cli.main(["convert", str(write_safetensors(tmp_path / "r.safetensors", state))]) == 0
    assert "imagenet" in capsys.readouterr().out
    found = input_range(tmp_path / "r.npz")
    assert found is not None
    assert data.range_of(*found) == "imagenet"
    assert cli.main(["convert", str(write_safetensors(tmp_path / "v.safetensors", timm_vit()))]) == 0
    assert input_range(tmp_path / "v.npz") is None


def test_ranges():
    images = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, -1)
    for name, (mean, std) in data.RANGES.items():
        want = (images / 255 - np.array(mean)) / np.array(std)
        np.testing.assert_allclose(data.normalise(images, name), want, atol=1e-5)
        assert data.range_of(np.array(mean, np.float32), np.array(std, np.float32)) == name
    np.testing.assert_array_equal(data.normalise(images), images.astype(np.float32) / 127.5 - 1.0)
    with pytest.raises(ValueError, match="no range"):
        data.range_of(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="no range"):
        data.range_of(np.ones(2), np.ones(3))


@pytest.mark.parametrize("stated", ["symmetric", "unit", "imagenet", "clip"])
def test_a_run_from_weights_sees_the_range_that_they_state(tmp_path, stated):
    from scalax import tasks

    path = write_safetensors(tmp_path / "v.safetensors", timm_vit())
    assert cli.main(["convert", str(path), "--normalize", stated]) == 0
    rgb = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "set.npz", images=rgb, labels=np.arange(8) % 2)
    images = DataConfig("arrays", dir=str(tmp_path / "set.npz"))
    config = RunConfig(data=images, start=StartConfig(weights=str(tmp_path / "v.npz")))
    resolved = with_normalization(config)
    assert resolved.data.normalize == (stated if stated != "symmetric" else "auto")
    splits = data.load(images)
    task = tasks.open_task(resolved, splits)
    batch = {name: array[:2] for name, array in splits.train.arrays.items()}
    np.testing.assert_array_equal(task.prepare(batch, None)[0], data.normalise(batch["image"], stated))
    module = models.build("V128-1/4", 5, image_size=8, pool="cls")
    assert load(tmp_path / "v.npz", module, abstract(module, 8))  # what it states is no parameter
    asked = RunConfig(data=DataConfig(normalize="unit"), start=config.start)
    assert with_normalization(asked) == asked
    assert with_normalization(RunConfig()) == RunConfig()


def test_a_run_from_a_run_sees_what_that_saw(tmp_path):
    """Whatever became of what that one began with: `auto` of a run that was made is symmetric."""
    from scalax.records import RunInfo, write_info
    from scalax.settings import run_settings

    for name, weights, normalize in (("a", "", "clip"), ("b", "gone.npz", "auto"), ("c", "gone.npz", "unit")):
        source = RunConfig(data=DataConfig(normalize=normalize), start=StartConfig(weights=weights))
        (tmp_path / name).mkdir()
        shape = source.model.shape("V64-4", 4)
        write_info(tmp_path / name, RunInfo(run_settings(source), Schedule((Stage(shape, 1e9),)), 0, {}))
        found = with_normalization(RunConfig(start=StartConfig(run=str(tmp_path / name))))
        assert found.data.normalize == normalize


def test_ranges_of_colours_want_colours():
    from scalax import tasks

    config = RunConfig(data=DataConfig(normalize="imagenet"))
    with rejects("data.normalize", "1 channels"):
        tasks.open_task(config, data.load(config.data))


# Files that are damaged, or made to do harm

GOOD = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "y": np.ones(4, np.float32)}


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


FILL = {"rest": entry("F32", (14,), (8, 64))}


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"__metadata__": {}},
        [],
        None,
        5,
        b"",
        b"{",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"x": {}, "x": {}}',
        {"x": 5, **FILL},
        {"x": [], **FILL},
        {"x": entry(offsets=(-8, 0)), **FILL},
        {"x": entry(offsets=(-64, -56)), **FILL},
        {"x": entry(offsets=(8, 0)), **FILL},
        {"x": entry(offsets=(0, 80), shape=(20,))},
        {"x": entry(offsets=(0,)), **FILL},
        {"x": entry(offsets=("0", "8")), **FILL},
        {"x": entry(offsets=(0.0, 8.0)), **FILL},
        {"x": entry(offsets=(False, 8)), **FILL},
        {"x": entry(offsets=(0, 2**70)), **FILL},
        {"x": entry(shape=(-2,)), **FILL},
        {"x": entry(shape=(2.0,)), **FILL},
        {"x": entry(shape=(3,)), **FILL},
        {"x": entry(shape=(2**40, 2**40, 0), offsets=(0, 0)), "y": entry(shape=(16,), offsets=(4, 68))},
        {"x": entry(dtype="F31"), **FILL},
        {"x": entry(dtype=None), **FILL},
        {"x": entry(dtype=["F32"]), **FILL},
        {"x": entry(dtype="BOOL", shape=(8,)), **FILL},
        {"x": {**entry(), "shape": None}, **FILL},
        {"x": entry(), "y": entry(), **FILL},
        {"x": entry()},
        FILL,
    ],
)
def test_safetensors_that_are_refused(tmp_path, header):
    path = safetensors(tmp_path / "a.safetensors", header)
    with rejects(path):
        read_arrays(path)
    if isinstance(header, dict):
        assert cli.main(["convert", str(path)]) == 2
        assert not (tmp_path / "a.npz").exists()


@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 2**40, 200, 0])
def test_a_header_of_a_length_that_it_has_not(tmp_path, length):
    path = safetensors(tmp_path / "a.safetensors", {"x": entry("F32", (16,), (0, 64))}, length=length)
    with rejects(path):
        read_arrays(path)


def test_a_file_by_the_rules_is_read(tmp_path):
    header = {
        "b": entry(offsets=(8, 16)),
        "a": entry(),
        "none": entry(shape=(0, 3), offsets=(16, 16)),
        "__metadata__": {"a": "b"},
    }
    path = safetensors(tmp_path / "a.safetensors", header, np.arange(4, dtype=np.float32).tobytes())
    found = read_arrays(path)
    np.testing.assert_array_equal(found["a"], [0, 1])
    np.testing.assert_array_equal(found["b"], [2, 3])
    assert found["none"].shape == (0, 3)


@pytest.mark.parametrize(
    "x",
    [
        np.array([1.0, np.nan]),
        np.array([np.inf], np.float32),
        np.array([-np.inf], np.float16),
        np.array([1e300]),
        np.array("text"),
        np.array([b"bytes"]),
        np.array([True]),
        np.array([1 + 2j]),
        np.array(["2026-11-26"], "M8[D]"),
        np.zeros(2, [("a", "f4")]),
    ],
)
def test_what_is_no_weight_is_refused(tmp_path, x):
    path = write(tmp_path / "a.npz", {**GOOD, "odd/kernel": x})
    with rejects(path, "odd/kernel"):
        read_arrays(path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_no_regular_file_of_weights(tmp_path, make):
    make(tmp_path / "a.npz")
    with rejects(tmp_path / "a.npz"):
        read_arrays(tmp_path / "a.npz")
    with rejects("weights"):
        read_arrays("a\0b")


def test_a_member_that_is_no_array(tmp_path):
    path = write(tmp_path / "a.npz", GOOD)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("note.txt", "text")
    with rejects(path, "note.txt"):
        read_arrays(path)


SHAPES = [
    (),
    (0,),
    (1,),
    (5,),
    (3, 7),
    (1, 8, 128),
    (2, 0, 3),
    (4, 5, 3, 128),
    (1, 1, 1, 1, 1),
    (384,),
    (384, 3),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_arrays_of_any_shape_in_any_place(tmp_path, shape):
    """Each array in turn of a timm and of a published model: it is loaded, where the shape is right after
    all, or refused in one line."""
    x = np.ones(shape, np.float32)
    for key in timm_vit():
        try:
            from_timm({**timm_vit(), key: x})
        except UserError as e:
            check_line(str(e))
    module = models.build("V64-2/8", 5, image_size=16, pool="cls")
    want = abstract(module, 16)
    for flavour in ("augreg", "scanned"):
        whole = published.vit(flavour)
        for key in whole:
            arrays = from_published({**whole, key: x}, "a file") if fits(whole, key, x) else None
            if arrays is None:
                continue
            try:
                models.fit_arrays({f"params/{k}": v for k, v in arrays.items()}, module, want, where="a file")
            except UserError as e:
                check_line(str(e), "a file")
            else:
                assert shape == whole[key].shape or key.endswith(("pos_embedding", "cls", "embedding/kernel"))


def fits(whole, key, x) -> bool:
    try:
        from_published({**whole, key: x}, "a file")
    except UserError as e:
        check_line(str(e), "a file")
        return False
    return True


def test_two_arrays_of_one_name(tmp_path):
    whole = published.vit("big_vision")
    whole["Transformer/encoderblock_0/LayerNorm_2/scale"] = np.ones(64, np.float32)
    with rejects("a file", "block#0/norm2/scale"):
        from_published(whole, "a file")


def resnet_of_timm():
    x = np.ones((4, 4, 3, 3), np.float32)
    return {"conv1.weight": x, **{f"layer{s}.{b}.conv1.weight": x for s in (1, 2, 3) for b in (0, 1, 2)}}


MIXER = dict(d=8, depth=3, channel_dim=8, token_dim=8, patch=4, tokens=4, classes=5)
BLOCKED = {  # arrays, how they are read, what a block in the middle begins with, and how else it may be spelt
    "timm ViT": (timm_vit(8, 3), from_timm, "blocks.1.", ["blocks.01.", "blocks.١.", "blocks.-1."]),
    "timm ResNet": (resnet_of_timm(), from_timm, "layer2.1.", ["layer2.01.", "layer٢.1.", "layer02.1."]),
    "ViT": (
        published.vit("big_vision", depth=3),
        lambda arrays: from_published(arrays, "a file"),
        "Transformer/encoderblock_1/",
        ["Transformer/encoderblock_01/", "Transformer/encoderblock_１/"],
    ),
    "Mixer": (
        published.mixer(**MIXER),
        lambda arrays: from_published(arrays, "a file"),
        "MixerBlock_1/",
        ["MixerBlock_01/", "MixerBlock_١/"],
    ),
    "BiT": (
        published.bit(),
        lambda arrays: from_published(arrays, "a file"),
        "resnet/block2/unit02/",
        ["resnet/block2/unit2/", "resnet/block2/unit٢/"],
    ),
}


@pytest.mark.parametrize("kind", BLOCKED)
def test_no_block_takes_the_place_of_another(kind):
    """A block is missing, or is there twice under names that mean the same number."""
    arrays, read, block, spellings = BLOCKED[kind]
    names = [key for key in read(arrays) if key.startswith(("block", "params/block"))]
    assert len({key.removeprefix("params/").partition("/")[0] for key in names}) >= 3
    whole = {key: x for key, x in arrays.items() if not key.startswith(block)}
    with rejects("block", re.sub(r"\D+", ".", block).strip(".").replace("02", "2")):
        read(whole)
    for other in spellings:
        twice = arrays | {key.replace(block, other): x for key, x in arrays.items() if block in key}
        try:
            found = read(twice)
        except UserError as e:
            check_line(str(e))
        else:  # passed through, to be refused as unexpected by whoever loads it
            whole = read(arrays)
            assert all((found[key] == x).all() for key, x in whole.items())
            assert len(found) == len(whole) + len(twice) - len(arrays)


@pytest.mark.parametrize(
    ("kind", "block", "named"),
    [
        ("timm ViT", "blocks.0.", "0"),
        ("timm ResNet", "layer1.", "1.0"),
        ("timm ResNet", "layer1.0.", "1.0"),
        ("ViT", "Transformer/encoderblock_0/", "0"),
        ("BiT", "resnet/block1/", "1.1"),
    ],
)
def test_nor_does_the_first(kind, block, named):
    arrays, read, *_ = BLOCKED[kind]
    with rejects("block", named):
        read({key: x for key, x in arrays.items() if not key.startswith(block)})


@pytest.mark.parametrize("name", ["block@./x.weight", "block#1..2/x.weight", f"block#{'9' * 5000}/x.weight"])
def test_names_that_look_like_ours(name):
    for read in (from_timm, lambda arrays: from_published(arrays, "a file")):
        try:
            read({**timm_vit(8, 2), name: np.ones(4, np.float32), "Transformer/a": np.ones(4, np.float32)})
        except UserError as e:
            check_line(str(e))


def test_a_scanned_model_wants_all_blocks():
    arrays = {f"params/{k}": x for k, x in from_published(published.vit("big_vision", depth=3), "it").items()}
    module = models.build("V64-2/8", 5, image_size=16, pool="cls", scan=True)
    lacking = {key: x for key, x in arrays.items() if "block01" not in key}
    with rejects("a file", "block01"):
        models.fit_arrays(lacking, module, abstract(module, 16), where="a file")


def test_no_array_is_lost_in_a_damaged_directory(tmp_path):
    """A flipped length of one entry hides the entries after it."""
    path = write(tmp_path / "a.npz", GOOD)
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\1\2")
    content[at + 32] = content.index(b"PK\5\6") - content.index(
        b"PK\1\2", at + 4
    )  # length of the comment: that of the entry after it
    path.write_bytes(content)
    with rejects(path):
        read_arrays(path)
