"""Parts of the classes of a data set: fewer classes and images are among more, whatever kind the data are."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from scalax import data
from scalax.config import DataConfig
from tests.rejects import rejects


def images_by_class(splits: data.Splits, split: str = "train") -> dict[str, set[bytes]]:
    """The images of each class, by the name that it has in the source."""
    part: data.Dataset = getattr(splits, split)
    examples, names = part.read(np.arange(len(part))), part.source.names
    found: dict[str, set[bytes]] = {}
    for image, label in zip(examples["image"], examples["label"], strict=True):
        found.setdefault(names[label] if names else str(label), set()).add(image.tobytes())
    return found


@pytest.fixture
def pictures(tmp_path):
    """A folder of five classes with 8 to 12 images, each image another colour."""
    for label, name in enumerate(["ant", "bee", "cat", "dog", "eel"]):
        (tmp_path / name).mkdir()
        for i in range(8 + label):
            Image.new("RGB", (8, 8), (20 * i, 40 * label, 7)).save(tmp_path / name / f"{i}.png")
    return DataConfig(source="folder", dir=str(tmp_path), validation_share=0.3)


def test_drawn_classes_and_images_are_nested(pictures):
    few = images_by_class(load(pictures, draw_classes=2, train_per_class=4, class_seed=3))
    more = images_by_class(load(pictures, draw_classes=4, train_per_class=2, class_seed=3))
    assert (len(few), len(more)) == (2, 4)
    assert all(more[name] < few[name] for name in few)
    assert [len(images) for images in few.values()] == [4, 4]
    other = images_by_class(load(pictures, draw_classes=4, train_per_class=2, class_seed=4))
    assert other != more


def test_no_image_is_in_both_splits(pictures):
    splits = load(pictures, draw_classes=5, train_per_class=3, validation_per_class=1)
    train, validation = (images_by_class(splits, split) for split in ("train", "validation"))
    assert not set.union(*train.values()) & set.union(*validation.values())
    assert [len(images) for images in validation.values()] == [1] * 5


def test_named_classes_are_labelled_in_their_order(pictures):
    splits = load(pictures, classes=("eel", "bee"))
    assert splits.outputs == 2
    examples = splits.train.read(np.arange(len(splits.train)))
    green = examples["image"][:, 0, 0, 1]
    np.testing.assert_array_equal(green, np.where(examples["label"] == 0, 160, 40))
    np.testing.assert_array_equal(splits.train.labels(), examples["label"])


def test_parts_of_one_opened_data_set_are_those_opened_apart(pictures):
    config = data_config(pictures, draw_classes=3, train_per_class=3)
    whole = data.open_whole(pictures)
    assert images_by_class(data.load(config, whole)) == images_by_class(data.load(config))


def test_classes_of_tfds_have_their_names(shared_data):
    root = shared_data / "tfds" / "neu_steel" / "1.0.0"
    config = DataConfig(source="tfds", dir=str(root), image_size=8, validation_split="test")
    names = data.open_whole(config)[0].names
    splits = load(config, classes=names[3:1:-1], train_per_class=5, validation_per_class=2)
    assert splits.train.source.names == (names[3], names[2])
    np.testing.assert_array_equal(np.bincount(splits.train.labels()), [5, 5])
    with rejects("data.classes", f"'{names[0]}s'", f"'{names[0]}'"):
        load(config, classes=(f"{names[0]}s", names[1]))


def test_digits_are_called_by_their_numbers():
    splits = load(DataConfig(), classes=("7", "0"), train_per_class=20)
    np.testing.assert_array_equal(np.bincount(splits.train.labels()), [20, 20])


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"classes": ("ant", "bea")}, ["data.classes", "'bea'", "'bee'"]),
        ({"draw_classes": 6}, ["data.draw_classes", 6, 5]),
        ({"draw_classes": 5, "train_per_class": 11}, ["data.train_per_class", 11]),
        ({"validation_per_class": 9}, ["data.validation_per_class", 9]),
    ],
)
def test_what_is_not_there_is_named(pictures, changes, names):
    with rejects(*names):
        load(pictures, **changes)


def test_settings_that_exclude_each_other():
    with rejects("data.classes", "data.draw_classes"):
        DataConfig(classes=("1", "2"), draw_classes=2)
    with rejects("data.classes", "1"):
        DataConfig(classes=("1", "1"))


@pytest.mark.parametrize(
    ("size", "settings", "inside"),
    [
        ((6, 4), {}, (2, 6, 1, 7)),  # padded, not enlarged: 4 rows of 6 columns
        ((32, 16), {}, (2, 6, 0, 8)),  # made smaller as a whole
        ((12, 8), {"shorter_side": 4}, (2, 6, 1, 7)),
        ((8, 8), {}, (0, 8, 0, 8)),
    ],
)
def test_pad_keeps_the_whole_image(tmp_path, size, settings, inside):
    (tmp_path / "a").mkdir()
    for name in ("1.png", "2.png"):
        Image.new("RGB", size, (200, 100, 50)).save(tmp_path / "a" / name)
    config = DataConfig(source="folder", dir=str(tmp_path), validation_share=0.5, fit="pad", **settings)
    image = data.load(config).train.read(np.array([0]))["image"][0]
    want = np.zeros((8, 8, 3), np.uint8)
    top, bottom, left, right = inside
    want[top:bottom, left:right] = (200, 100, 50)
    np.testing.assert_array_equal(image, want)


def data_config(config: DataConfig, **changes) -> DataConfig:
    return dataclasses.replace(config, **changes)


def load(config: DataConfig, **changes) -> data.Splits:
    return data.load(data_config(config, **changes))
