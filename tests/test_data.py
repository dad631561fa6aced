"""Every source gives the same kind of images, splits stay apart, and bad data is named in one line."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from scalax import data
from scalax.config import DataConfig
from scalax.data.sources import open_sources
from scalax.errors import UserError


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


def test_digits_are_real_and_split_apart():
    splits = data.load(DataConfig())
    assert (len(splits.train), len(splits.validation), splits.classes) == (1348, 449, 10)
    assert splits.train.images.shape == (1348, 8, 8, 1)
    assert splits.train.images.dtype == np.uint8
    assert splits.train.images.max() == 255
    assert not set(splits.train.source.rows) & set(splits.validation.source.rows)
    np.testing.assert_array_equal(splits.train.source.rows, data.load(DataConfig()).train.source.rows)


def test_folder(folder):
    splits = data.load(DataConfig(source="folder", dir=str(folder), validation_share=0.25))
    assert (len(splits.train), len(splits.validation), splits.classes) == (15, 5, 2)
    assert splits.train.images.shape == (15, 8, 8, 3)
    bees = splits.train.images[splits.train.labels == 1]
    assert (bees[..., 2] == 7).any()


def test_folder_with_splits(folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("splits")
    for split in ("train", "val"):
        (root / split).symlink_to(folder)
    splits = data.load(DataConfig(source="folder", dir=str(root), validation_split="val", image_size=4))
    assert (len(splits.train), len(splits.validation)) == (20, 20)
    assert splits.image_shape == (4, 4, 3)


def test_arrays(tmp_path):
    images = np.arange(6 * 8 * 8, dtype=np.uint8).reshape(6, 8, 8)
    np.savez(tmp_path / "set.npz", images=images, labels=np.array([0, 1, 2, 0, 1, 2]))
    splits = data.load(DataConfig(source="arrays", dir=str(tmp_path / "set.npz"), validation_share=1 / 3))
    assert splits.classes == 3
    np.testing.assert_array_equal(splits.train.images[..., 0], images[splits.train.source.rows])


def test_labels_go_by_the_training_split(tmp_path):
    """A validation split that lacks a class keeps the training split's labels."""
    for split, names in {"train": ("ant", "bee", "cat"), "val": ("bee", "cat")}.items():
        for name in names:
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(2):
                (tmp_path / split / name / f"{i}.png").write_bytes(png((1, 2, 3)))
    config = DataConfig(source="folder", dir=str(tmp_path), validation_split="val")
    splits = data.load(config)
    assert splits.classes == 3
    assert sorted(splits.validation.labels) == [1, 1, 2, 2]
    (tmp_path / "val" / "dog").mkdir()
    with pytest.raises(UserError, match="class 'dog' is not in"):
        data.load(config)


def test_damaged_image_stops_a_streaming_feed_with_one_line(tmp_path):
    source, _ = open_sources(DataConfig(source="folder", dir=bad_folder(tmp_path)["dir"]))
    everything = dataclasses.replace(source, rows=np.arange(4))
    with pytest.raises(UserError, match=r"cannot read image .*0\.png"):
        next(data.feed(data.Dataset(everything, None, None, (8, 8, 3)), 4, seed=0))


def test_tfds_directory(shared_data):
    directory = shared_data / "tfds/tiny_imagenet_down/1.0.0"
    config = DataConfig(
        "tfds", dir=str(directory), image_size=32, validation_split="validation", max_train_images=40
    )
    train, validation = open_sources(config)
    assert (len(train), len(validation), train.classes) == (40, 2500, 50)
    example = train[3]
    assert example["image"].shape == (32, 32, 3)
    assert example["label"] == train.labels()[3]


def test_too_large_for_the_device_is_decoded_as_it_is_read(folder):
    config = DataConfig(source="folder", dir=str(folder))
    streamed = data.load(DataConfig(source="folder", dir=str(folder), device_gib=1e-9)).train
    resident = data.load(config).train
    assert streamed.images is None
    rows = next(data.feed(resident, 4, seed=3))
    batch = next(data.feed(streamed, 4, seed=3))
    np.testing.assert_array_equal(batch["image"], resident.images[rows])
    np.testing.assert_array_equal(batch["label"], resident.labels[rows])


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
    dataset = resident if in_memory else dataclasses.replace(resident, images=None, labels=None)

    def order(seed):
        rows = batches(data.feed(resident, 8, seed))
        return rows if in_memory else resident.images[rows]

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
    with pytest.raises(UserError, match="batch_size 8 does not split over 3 processes"):
        data.feed(dataset, 8, 5, 0, 3)


def test_a_process_decodes_no_image_of_another():
    resident = data.load(DataConfig(max_train_images=64)).train
    source, read = resident.source, []

    def image(row):
        read.append(row)
        return source.image(row)

    streamed = dataclasses.replace(
        resident, source=dataclasses.replace(source, image=image), images=None, labels=None
    )
    batches(data.feed(streamed, 8, 5, 1, 2), 3)
    mine = source.rows[batches(data.feed(resident, 8, 5, 1, 2), 8)]
    assert set(mine[:3].flat) <= set(read) <= set(mine.flat)
    assert len(set(mine.flat)) == 32


def test_augmentation_shifts_and_flips():
    import jax

    images = np.zeros((256, 8, 8, 1), np.uint8)
    images[:, 3, 2] = 200
    keys = jax.random.split(jax.random.PRNGKey(0), 256)
    shifted = np.asarray(data.augment(keys, images, padding=1, flip=False))
    places = {tuple(np.argwhere(image)[0][:2]) for image in shifted}
    assert places == {(r, c) for r in (2, 3, 4) for c in (1, 2, 3)}
    flipped = np.asarray(data.augment(keys, images, padding=0, flip=True))
    assert 90 < (flipped[:, 3, 5, 0] == 200).sum() < 166
    np.testing.assert_array_equal(np.asarray(data.augment(keys, images, padding=0, flip=False)), images)
    assert data.normalise(np.array([0, 255], np.uint8)).tolist() == [-1.0, 1.0]


def test_every_crop_and_flip_is_as_likely():
    import jax

    padding, count = 2, 2000
    image = np.random.default_rng(0).integers(1, 256, (5, 6, 3), np.uint8)
    padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    crops = [padded[y : y + 5, x : x + 6] for y in range(2 * padding + 1) for x in range(2 * padding + 1)]
    possible = {crop.tobytes(): number for number, crop in enumerate([*crops, *(c[:, ::-1] for c in crops)])}
    assert len(possible) == 50
    keys = jax.random.split(jax.random.PRNGKey(3), count)
    augmented = np.asarray(data.augment(keys, np.tile(image, (count, 1, 1, 1)), padding, flip=True))
    seen = np.bincount([possible[one.tobytes()] for one in augmented], minlength=50)
    assert ((seen - count / 50) ** 2 / (count / 50)).sum() < 95  # chi-square of 49 degrees: 1 in 10,000


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


def npy(tmp_path) -> str:
    np.save(tmp_path / "set.npy", np.zeros(3))
    return str(tmp_path / "set.npy")


def torn_tfds(tmp_path):
    (tmp_path / "dataset_info.json").write_text('{"name": ')
    return {"source": "tfds", "dir": str(tmp_path)}


ZEROS = np.zeros((4, 8, 8), np.uint8)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (bad_folder, r"cannot read image .*0\.png"),
        (lambda tmp: {"source": "folder", "dir": str(tmp / "none")}, "no such directory"),
        (lambda tmp: {"source": "folder", "dir": str(tmp)}, "no images in folders"),
        (lambda tmp: {"source": "tfds", "dir": str(tmp / "none")}, "no such directory"),
        (lambda tmp: {"source": "tfds", "dir": str(tmp)}, "no dataset_info.json"),
        (lambda tmp: {"source": "tfds", "name": "cifar_none", "dir": str(tmp)}, "not a TFDS dataset"),
        (lambda tmp: {"source": "arrays", "dir": str(tmp / "none.npz")}, "no such file"),
        (lambda tmp: {"source": "arrays"}, "data.dir is empty"),
        (lambda tmp: {"validation_split": "test"}, "split train only"),
        (wrong_arrays(images=ZEROS), "cannot read images and labels"),
        (wrong_arrays(images=ZEROS.astype(float), labels=np.arange(4)), "must be uint8"),
        (wrong_arrays(images=ZEROS, labels=np.arange(3)), r"labels must be whole numbers \[4\]"),
        (
            wrong_arrays(images=ZEROS, labels=np.array([0, 1, -2, 1])),
            r"must be 0\.\.2 for 3 classes, got -2\.\.1",
        ),
    ],
)
def test_bad_data_is_one_line(tmp_path, make, says):
    with pytest.raises(UserError, match=says) as e:
        data.load(DataConfig(**make(tmp_path)))
    assert "\n" not in str(e.value)


def test_batch_larger_than_the_split():
    with pytest.raises(UserError, match="batch_size 64 exceeds the 32 training images"):
        data.feed(data.load(DataConfig(max_train_images=32)).train, 64, seed=0)


def test_feed_goes_on_where_another_batch_size_ended():
    """30 images by tens, then by fours from image 30 on: the same order as 58 at once."""
    dataset = data.load(DataConfig(max_train_images=50, max_validation_images=10)).train
    whole = data.feed(dataset, 2, 5)
    order = np.concatenate([next(whole) for _ in range(29)])
    tens, fours = data.feed(dataset, 10, 5), data.feed(dataset, 4, 5, first=30)
    parts = [next(tens) for _ in range(3)] + [next(fours) for _ in range(7)]
    np.testing.assert_array_equal(np.concatenate(parts), order)
