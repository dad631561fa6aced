"""Every source gives examples of one kind, splits stay apart, and bad data is named in one line."""

import dataclasses
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scalax import cli, data
from scalax.config import DataConfig
from scalax.data import pack
from scalax.data.feed import Order
from scalax.data.kinds import text
from scalax.data.loading import open_sources
from tests.registries import restored
from tests.rejects import rejects

PAGE = Path(data.__file__).with_name("README.md")


def png(colour, size=8, mode="RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (size, size), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Two classes of ten images, one of them grey, in one folder without splits."""
    for label, name in enumerate(["ant", "bee"]):
        (tmp_path / name).mkdir()
        for i in range(10):
            colour, mode = (20 * i, "L") if i == 3 else ((label * 100, 10 * i, 7), "RGB")
            (tmp_path / name / f"{i}.png").write_bytes(png(colour, mode=mode))
    return tmp_path


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], strict=True)


# Kinds


def test_digits_are_real_and_split_apart():
    splits = data.load(DataConfig())
    assert (len(splits.train), len(splits.validation), splits.outputs) == (1348, 449, 10)
    assert splits.train.example == {
        "image": data.ArraySpec((8, 8, 1), np.dtype(np.uint8)),
        "label": data.ArraySpec((), np.dtype(np.int32)),
    }
    assert splits.train.arrays["image"].shape == (1348, 8, 8, 1)
    assert splits.train.arrays["image"].max() == 255
    assert not set(splits.train.source.rows) & set(splits.validation.source.rows)
    np.testing.assert_array_equal(splits.train.source.rows, data.load(DataConfig()).train.source.rows)
    held_out = splits.validation.source.rows[:8].tolist()
    assert held_out == [2, 12, 13, 20, 28, 38, 41, 44]  # recorded runs were evaluated on these


def test_folder(folder):
    splits = data.load(DataConfig(source="folder", dir=str(folder), validation_share=0.25))
    assert (len(splits.train), len(splits.validation), splits.outputs) == (15, 5, 2)
    assert splits.train.arrays["image"].shape == (15, 8, 8, 3)
    bees = splits.train.arrays["image"][splits.train.labels() == 1]
    assert (bees[..., 2] == 7).any()


def test_folder_with_splits(folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("splits")
    for split in ("train", "val"):
        (root / split).symlink_to(folder)
    splits = data.load(DataConfig(source="folder", dir=str(root), validation_split="val", image_size=4))
    assert (len(splits.train), len(splits.validation)) == (20, 20)
    assert splits.train.example["image"].shape == (4, 4, 3)


def test_arrays(tmp_path):
    images = np.arange(6 * 8 * 8, dtype=np.uint8).reshape(6, 8, 8)
    np.savez(tmp_path / "set.npz", images=images, labels=np.array([0, 1, 2, 0, 1, 2]))
    splits = data.load(DataConfig(source="arrays", dir=str(tmp_path / "set.npz"), validation_share=1 / 3))
    assert splits.outputs == 3
    np.testing.assert_array_equal(splits.train.arrays["image"][..., 0], images[splits.train.source.rows])


def test_packed_images_are_those_of_their_source(folder, tmp_path, capsys):
    packed = tmp_path / "packed.npz"
    command = [
        "pack",
        str(packed),
        "--source",
        "folder",
        "--dir",
        str(folder),
        "--image",
        "8",
        "--quality",
        "100",
    ]
    assert cli.main(command) == 0
    assert "15 training images, 5 held out" in capsys.readouterr().out
    source = data.load(DataConfig(source="folder", dir=str(folder)))
    found = data.load(DataConfig(source="arrays", dir=str(packed), validation_split="val"))
    assert found.outputs == source.outputs == 2
    for ours, theirs in ((found.train, source.train), (found.validation, source.validation)):
        np.testing.assert_array_equal(ours.labels(), theirs.labels())
        difference = np.abs(ours.arrays["image"].astype(int) - theirs.arrays["image"])  # WebP is lossy
        assert difference.max() < 12


def test_packed_bytes_that_do_not_add_up(folder, tmp_path):
    packed = tmp_path / "packed.npz"
    pack.pack(DataConfig(source="folder", dir=str(folder)), packed)
    with np.load(packed) as file:
        arrays = dict(file)
    for broken in (
        {**arrays, "lengths": arrays["lengths"] + 1},
        {**arrays, "lengths": -arrays["lengths"]},
        {**arrays, "encoded": arrays["encoded"].astype(np.int32)},
        {name: array for name, array in arrays.items() if name != "lengths"},
    ):
        np.savez(packed, **broken)
        with rejects("data.dir"):
            data.load(DataConfig(source="arrays", dir=str(packed), validation_split="val"))
    arrays["encoded"] = arrays["encoded"] ^ 255
    np.savez(packed, **arrays)
    with rejects("packed.npz", "record 0"):
        data.load(DataConfig(source="arrays", dir=str(packed), validation_split="val"))


def test_no_images_are_replaced_by_what_is_packed_of_them(folder, tmp_path):
    packed = tmp_path / "packed.npz"
    pack.pack(DataConfig(source="folder", dir=str(folder)), packed)
    before = packed.read_bytes()
    with rejects(packed):
        pack.pack(DataConfig(source="arrays", dir=str(packed), validation_split="val"), packed)
    assert packed.read_bytes() == before


@pytest.mark.parametrize(("path", "quality"), [("packed.zip", 80), ("packed.npz", 0)])
def test_what_cannot_be_packed(folder, tmp_path, path, quality):
    with rejects(path if quality else "quality"):
        pack.pack(DataConfig(source="folder", dir=str(folder)), tmp_path / path, quality)


def test_labels_go_by_the_training_split(tmp_path):
    """A validation split that lacks a class keeps the training split's labels."""
    for split, names in {"train": ("ant", "bee", "cat"), "val": ("bee", "cat")}.items():
        for name in names:
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(2):
                (tmp_path / split / name / f"{i}.png").write_bytes(png((1, 2, 3)))
    config = DataConfig(source="folder", dir=str(tmp_path), validation_split="val")
    splits = data.load(config)
    assert splits.outputs == 3
    assert sorted(splits.validation.labels()) == [1, 1, 2, 2]
    (tmp_path / "val" / "dog").mkdir()
    with rejects("'dog'"):
        data.load(config)


def test_tfds_directory(shared_data):
    directory = shared_data / "tfds/tiny_imagenet_down/1.0.0"
    config = DataConfig(
        "tfds", dir=str(directory), image_size=32, validation_split="validation", max_train_images=40
    )
    train, validation = open_sources(config)
    assert (len(train), len(validation), train.outputs) == (40, 2500, 50)
    example = train[3]
    assert example["image"].shape == (32, 32, 3)
    assert example["label"] == train.labels()[3]


def test_a_kind_from_outside_loads_and_feeds():
    """The one that the page of this package shows."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    with restored():
        exec(code, {})
        assert "stripes" in data.KINDS
        splits = data.load(DataConfig(source="stripes", max_train_images=20))
        assert (len(splits.train), len(splits.validation), splits.outputs) == (20, 16, 2)
        standing, lying = (splits.train.arrays["image"][splits.train.labels() == label] for label in (0, 1))
        assert (standing == standing[:, :1]).all()
        assert (lying == lying[:, :, :1]).all()
        assert next(data.feed(splits.train, 10, seed=0)).shape == (10,)
        with pytest.raises(ValueError, match="registered already"):
            exec(code, {})


def test_data_is_opened_without_jax():
    """So that a config may register a kind, and --help of it stays fast."""
    code = (
        "import sys; from scalax import data; from scalax.config import DataConfig; data.check(DataConfig());"
        "data.KINDS.names(); print(*{'jax', 'grain', 'sklearn', 'tensorflow_datasets'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


# Text


def windows(dataset: data.Dataset) -> np.ndarray:
    """uint8 [N, T + 1]."""
    return dataset.read(np.arange(len(dataset)))["tokens"].astype(np.uint8)


def test_the_standard_library_is_text_of_its_own():
    config = DataConfig(source="text", context=512, max_train_images=2000)
    splits = data.load(config)
    assert splits.outputs == 256
    assert splits.train.example == {"tokens": data.ArraySpec((513,), np.dtype(np.int32))}
    assert (len(splits.train), len(splits.validation)) == (2000, 2048)
    held_out = windows(splits.validation).tobytes()
    assert b"def " in held_out
    assert b"decoding_table" not in held_out
    with rejects("labels"):
        splits.train.labels()


def test_a_folder_is_as_one_file(tmp_path):
    """Of its text files that are not hidden, in the order of their paths, each once."""
    root = tmp_path / "root"
    (root / "b" / ".git").mkdir(parents=True)
    words = {"a.txt": "one ", "b/a.PY": "two ", "b/c.md": "dreißig ", "c.csv": "4,4\n"}
    parts = {name: 9 * word.encode() for name, word in words.items()}
    for name, part in parts.items():
        (root / name).write_bytes(part)
    for name in ("b/.git/x.txt", ".x.txt", "x.bin"):
        (root / name).write_bytes(b"not this")
    (root / "d.txt").symlink_to(root / "a.txt")
    (root / "b" / "up").symlink_to(root)
    (tmp_path / "file").write_bytes(b"".join(parts.values()))
    config = DataConfig(source="text", dir=str(root), context=8)
    splits, file = data.load(config), data.load(dataclasses.replace(config, dir=str(tmp_path / "file")))
    assert len(splits.train) > 10
    same(splits.train.arrays, file.train.arrays)
    same(splits.validation.arrays, file.validation.arrays)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_text_is_of_regular_files(tmp_path, make, inside):
    path = tmp_path / "p.txt"
    make(path)
    with rejects(path):
        data.load(DataConfig(source="text", dir=str(tmp_path if inside else path)))


def test_text_with_splits(tmp_path):
    for split, word in {"train": b"ab", "val": b"cd"}.items():
        (tmp_path / split).mkdir()
        (tmp_path / split / "a.txt").write_bytes(word * 10)
    config = DataConfig(source="text", dir=str(tmp_path), context=4, validation_split="val")
    splits = data.load(config)
    assert windows(splits.train).tolist() == [list(b"ababa")] * 4
    assert windows(splits.validation).tolist() == [list(b"cdcdc")] * 4


@settings(deadline=None, max_examples=60)
@given(size=st.integers(0, 300), context=st.integers(1, 40), share=st.floats(0.01, 0.99))
def test_windows_predict_each_byte_once_and_splits_share_none(tmp_path_factory, size, context, share):
    path = tmp_path_factory.getbasetemp() / "bytes"
    written = np.arange(size) % 256
    path.write_bytes(bytes(written.tolist()))
    config = DataConfig(source="text", dir=str(path), context=context, validation_share=share)
    count = max(0, size - 1) // context
    held_out = max(1, round(share * count))
    if count - held_out < 2:
        with rejects(path):
            data.load(config)
        return
    splits = data.load(config)
    whole = text.KIND.open(config, "train")
    every = whole.read(np.arange(count))["tokens"]
    np.testing.assert_array_equal(every[:, 1:].ravel(), written[1 : count * context + 1])
    assert (len(splits.train), len(splits.validation)) == (count - held_out - 1, held_out)
    train, validation = (
        {byte for row in part.source.rows for byte in range(row * context, (row + 1) * context + 1)}
        for part in splits[:2]
    )
    assert not train & validation
    np.testing.assert_array_equal(splits.validation.arrays["tokens"], every[-held_out:])


# In memory and streamed


def test_too_large_for_the_device_is_decoded_as_it_is_read(folder):
    config = DataConfig(source="folder", dir=str(folder))
    streamed = data.load(dataclasses.replace(config, device_gib=1e-9)).train
    resident = data.load(config).train
    assert streamed.arrays is None
    assert streamed.example == resident.example
    np.testing.assert_array_equal(streamed.labels(), resident.labels(), strict=True)
    same(streamed.read(np.array([5, 0, 5])), resident.read(np.array([5, 0, 5])))
    rows = next(data.feed(resident, 4, seed=3))
    same(next(data.feed(streamed, 4, seed=3)), resident.read(rows))


def test_text_is_streamed_as_it_is_held():
    config = DataConfig(source="text", context=512, max_train_images=32)
    resident, streamed = (data.load(dataclasses.replace(config, device_gib=g)).train for g in (1, 1e-9))
    rows = next(data.feed(resident, 8, [1, 2]))
    assert rows.shape == (2, 8)
    same(next(data.feed(streamed, 8, [1, 2])), resident.read(rows))


def test_damaged_image_stops_a_streaming_feed_with_one_line(tmp_path):
    source, _ = open_sources(DataConfig(source="folder", dir=bad_folder(tmp_path)["dir"]))
    everything = dataclasses.replace(source, rows=np.arange(4))
    with rejects("0.png"):
        next(data.feed(data.Dataset(everything, None), 4, seed=0))


def test_examples_of_two_shapes_are_one_line():
    source = data.Source("ragged", range(9), np.arange(9), lambda n: {"image": np.zeros(n // 8)}, 2)
    with rejects("ragged", "image float64[1]", "image float64[0]"):
        source.read(np.arange(9))


# The order


@given(st.integers(1, 20), st.integers(0, 99), st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_an_order_is_whole_epochs_however_it_is_cut(length, seed, cuts):
    order, ends = Order(length, seed), np.cumsum([0, *cuts])
    whole = order.rows(0, int(ends[-1]))
    parts = [Order(length, seed).rows(int(end), cut) for end, cut in zip(ends, cuts, strict=False)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    epochs = whole[: len(whole) // length * length].reshape(-1, length)
    assert (np.sort(epochs, axis=1) == np.arange(length)).all()


def test_feed_covers_each_epoch_and_resumes():
    dataset = data.load(DataConfig(max_train_images=32)).train
    feed = data.feed(dataset, 8, seed=1)
    epochs = [np.concatenate([next(feed) for _ in range(4)]) for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(32))
    assert not np.array_equal(*epochs)
    place = feed.get_state()
    expected = [next(feed) for _ in range(6)]
    again = data.feed(dataset, 8, seed=1)
    again.set_state(place)
    np.testing.assert_array_equal(expected, [next(again) for _ in range(6)])
    assert not np.array_equal(next(data.feed(dataset, 8, seed=2)), epochs[0][:8])


def batches(feed, count: int = 6) -> np.ndarray:
    """Rows or images; six batches of 8 of 30 rows cross the end of an epoch."""
    found = [next(feed) for _ in range(count)]
    return np.stack([batch["image"] if isinstance(batch, dict) else batch for batch in found])


@pytest.mark.parametrize("in_memory", [True, False])
def test_processes_and_populations_share_a_feed(in_memory):
    """Each process has its own part of each batch; each member its own run's order."""
    resident = data.load(DataConfig(max_train_images=30)).train
    dataset = resident if in_memory else data.Dataset(resident.source, None)

    def order(seed):
        rows = batches(data.feed(resident, 8, seed))
        return rows if in_memory else resident.arrays["image"][rows]

    for process in range(2):
        mine = batches(data.feed(dataset, 8, 5, process, 2))
        np.testing.assert_array_equal(mine, order(5)[:, 4 * process : 4 * process + 4])
    population = data.feed(dataset, 8, [5, 6], 1, 2)
    both = batches(population)
    place = population.get_state()
    np.testing.assert_array_equal(both, np.stack([order(5)[:, 4:], order(6)[:, 4:]], 1))
    expected = batches(population)
    again = data.feed(dataset, 8, [5, 6], 1, 2)
    again.set_state(place)
    np.testing.assert_array_equal(batches(again), expected)
    with rejects("batch_size 8", 3):
        data.feed(dataset, 8, 5, 0, 3)


def test_a_process_decodes_no_image_of_another():
    resident = data.load(DataConfig(max_train_images=64)).train
    source, read = resident.source, []

    def read_record(row):
        read.append(row)
        return source.read_record(row)

    streamed = data.Dataset(dataclasses.replace(source, read_record=read_record), None)
    batches(data.feed(streamed, 8, 5, 1, 2), 3)
    mine = source.rows[batches(data.feed(resident, 8, 5, 1, 2), 8)]
    assert set(mine[:3].flat) <= set(read) <= set(mine.flat)
    assert len(set(mine.flat)) == 32


def test_feed_goes_on_where_another_batch_size_ended():
    """30 images by tens, then by fours from image 30 on: the same order as 58 at once."""
    dataset = data.load(DataConfig(max_train_images=50, max_validation_images=10)).train
    whole = data.feed(dataset, 2, 5)
    order = np.concatenate([next(whole) for _ in range(29)])
    tens, fours = data.feed(dataset, 10, 5), data.feed(dataset, 4, 5, first=30)
    parts = [next(tens) for _ in range(3)] + [next(fours) for _ in range(7)]
    np.testing.assert_array_equal(np.concatenate(parts), order)


def test_batch_larger_than_the_split():
    with rejects("batch_size 64", 32):
        data.feed(data.load(DataConfig(max_train_images=32)).train, 64, seed=0)


# Augmentation


@pytest.fixture(scope="module")
def augment():
    """Compiled once for each padding, flip and shape."""
    import jax

    def augmented(seed, images, padding, flip):
        keys = jax.random.split(jax.random.PRNGKey(seed), len(images))
        return np.asarray(jax.jit(data.augment, static_argnums=(2, 3))(keys, images, padding, flip))

    return augmented


def test_augmentation_shifts_and_flips(augment):
    images = np.zeros((256, 8, 8, 1), np.uint8)
    images[:, 3, 2] = 200
    shifted = augment(0, images, 1, False)
    places = {tuple(np.argwhere(image)[0][:2]) for image in shifted}
    assert places == {(r, c) for r in (2, 3, 4) for c in (1, 2, 3)}
    flipped = augment(0, images, 0, True)
    assert 90 < (flipped[:, 3, 5, 0] == 200).sum() < 166
    np.testing.assert_array_equal(augment(0, images, 0, False), images)
    assert data.normalise(np.array([0, 255], np.uint8)).tolist() == [-1.0, 1.0]


def test_every_crop_and_flip_is_as_likely(augment):
    padding, count = 2, 2000
    image = np.random.default_rng(0).integers(1, 256, (5, 6, 3), np.uint8)
    padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    crops = [padded[y : y + 5, x : x + 6] for y in range(2 * padding + 1) for x in range(2 * padding + 1)]
    possible = {crop.tobytes(): number for number, crop in enumerate([*crops, *(c[:, ::-1] for c in crops)])}
    assert len(possible) == 50
    augmented = augment(3, np.tile(image, (count, 1, 1, 1)), padding, True)
    seen = np.bincount([possible[one.tobytes()] for one in augmented], minlength=50)
    assert ((seen - count / 50) ** 2 / (count / 50)).sum() < 95  # chi-square of 49 degrees: 1 in 10,000


# Bad data


def bad_folder(tmp_path):
    (tmp_path / "ant").mkdir()
    for i in range(4):
        (tmp_path / "ant" / f"{i}.png").write_bytes(png((1, 2, 3)) if i else b"not an image")
    return {"source": "folder", "dir": str(tmp_path)}


def wrong_arrays(**arrays):
    def make(tmp_path):
        np.savez(tmp_path / "set.npz", **arrays)
        return {"source": "arrays", "dir": str(tmp_path / "set.npz")}

    return make


def torn_tfds(tmp_path):
    (tmp_path / "dataset_info.json").write_text('{"name": ')
    return {"source": "tfds", "dir": str(tmp_path)}


def short_text(tmp_path):
    (tmp_path / "a.txt").write_text("too little")
    return {"source": "text", "dir": str(tmp_path)}


ZEROS = np.zeros((4, 8, 8), np.uint8)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (bad_folder, "0.png"),
        (lambda tmp: {"source": "fodler"}, "'folder'"),
        (lambda tmp: {"source": "folder"}, "data.dir"),
        (lambda tmp: {"source": "folder", "dir": str(tmp / "none")}, "data.dir"),
        (lambda tmp: {"source": "folder", "dir": str(tmp)}, ".jpeg"),
        (lambda tmp: {"source": "folder", "dir": str(tmp), "validation_split": "val"}, "data.train_split"),
        (lambda tmp: {"source": "tfds"}, "data.name"),
        (lambda tmp: {"source": "tfds", "dir": str(tmp / "none")}, "data.dir"),
        (lambda tmp: {"source": "tfds", "dir": str(tmp)}, "dataset_info.json"),
        (torn_tfds, "data.dir"),
        (lambda tmp: {"source": "tfds", "name": "cifar_none", "dir": str(tmp)}, "'cifar_none'"),
        (lambda tmp: {"source": "arrays", "dir": str(tmp / "none.npz")}, "data.dir"),
        (lambda tmp: {"source": "arrays"}, "data.dir"),
        (lambda tmp: {"validation_split": "test"}, "'test'"),
        (wrong_arrays(images=ZEROS), "images and labels"),
        (wrong_arrays(images=ZEROS.astype(float), labels=np.arange(4)), "float64 [4, 8, 8]"),
        (wrong_arrays(images=ZEROS, labels=np.arange(3)), "int64 [3]"),
        (wrong_arrays(images=ZEROS, labels=np.array([0, 1, -2, 1])), "-2..1"),
        (short_text, "data.context"),
        (lambda tmp: {"source": "text", "dir": str(tmp / "none")}, "data.dir"),
        (lambda tmp: {"source": "text", "dir": str(tmp)}, ".txt"),
        (lambda tmp: {"source": "text", "validation_split": "val"}, "data.validation_split"),
        (lambda tmp: {"source": "text", "train_split": "mine"}, "data.train_split"),
        (lambda tmp: {"source": "text", "dir": str(tmp), "validation_split": "val"}, "'train'"),
    ],
)
def test_bad_data_is_one_line(tmp_path, make, name):
    config = DataConfig(**make(tmp_path))
    with rejects(name):
        data.load(config)
