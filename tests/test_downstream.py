"""Image sets by name: the table of downstream tasks on mock data, and files of one's own."""

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scalax import data
from scalax.config import DataConfig
from scalax.data.downstream import DOWNSTREAM, binned, clevr_count, clevr_distance, kitti_distance
from scalax.data.kinds import downstream
from scalax.data.named import DRAWN, named_set
from tests.rejects import rejects


def png(value: int, channels: int = 3) -> bytes:
    file, pixels = io.BytesIO(), np.full((8, 8, channels), value, np.uint8)
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def example_of(feature: Any, rng: np.random.Generator) -> Any:
    """What TFDS gives for a feature, with images still encoded."""
    import tensorflow_datasets as tfds

    if isinstance(feature, tfds.features.Image):
        return png(1, feature.shape[-1] or 3)
    if isinstance(feature, tfds.features.ClassLabel):
        return int(rng.integers(feature.num_classes))
    if isinstance(feature, tfds.features.Sequence):
        records = [example_of(feature.feature, rng) for _ in range(rng.integers(3, 11))]
        if isinstance(records[0], dict):
            return {name: np.array([record[name] for record in records]) for name in records[0]}
        return np.array(records)
    if isinstance(feature, tfds.features.FeaturesDict):
        return {name: example_of(each, rng) for name, each in feature.items()}
    if isinstance(feature, tfds.features.Text):
        return "text"
    return rng.uniform(0, 50, feature.shape).astype(np.float32)


def mock(monkeypatch: pytest.MonkeyPatch) -> None:
    """TFDS datasets have their own features, and records of the right form in every split."""

    import tensorflow_datasets as tfds

    def opened(name: str, folder: str, where: str) -> Any:
        features: Any = tfds.builder(name).info.features
        if "label" in features and features["label"].num_classes is None:
            features["label"].num_classes = 5  # its names are in files that are not here
        rng = np.random.default_rng(0)
        records = [example_of(features, rng) for _ in range(12)]
        splits = dict.fromkeys(("train", "test", "validation"))
        return SimpleNamespace(
            info=SimpleNamespace(features=features, splits=splits, full_name=name),
            as_data_source=lambda split, decoders: records,
        )

    monkeypatch.setattr(downstream, "open_builder", opened)


def test_every_downstream_task_on_mock_data(monkeypatch):
    assert len(DOWNSTREAM) == 25
    mock(monkeypatch)
    for name, task in DOWNSTREAM.items():
        called, config = named_set(name, image_size=8)
        splits = data.load(config)
        assert called == name
        assert len(splits.train) == len(splits.validation) == 12
        assert splits.train.example["image"].shape == (8, 8, 3)
        assert splits.outputs > 1
        assert splits.train.arrays is not None
        assert splits.train.arrays["image"].max() == task.brightness
        assert 0 <= splits.train.labels().min() <= splits.train.labels().max() < splits.outputs


def test_labels_of_scenes():
    """Edges as in VTAB: a value is in the last bin whose lower edge is below it."""
    scene = {"size": np.zeros(5), "pixel_coords": np.array([[0, 0, 9.4], [0, 0, 12.0]])}
    assert clevr_count({"objects": scene}) == 2
    assert clevr_distance({"objects": scene}) == 3
    for nearest, label in ((7.9, 0), (8.1, 1), (8.5, 1), (8.6, 2), (9.6, 4), (10.5, 5)):
        coordinates = np.array([[0, 0, nearest]])
        assert clevr_distance({"objects": {"pixel_coords": coordinates}}) == label
    for kind, depth, label in (
        ([0], [5.0], 0),
        ([1], [15.0], 1),
        ([2], [30.0], 2),
        ([3], [5.0], 3),
        ([], [], 3),
    ):
        location = np.array([[0.0, 0.0, z] for z in depth]).reshape(-1, 3)
        assert kitti_distance({"objects": {"type": np.array(kind), "location": location}}) == label
    bins = [binned("x", 40, 16)({"x": value}) for value in range(40)]
    assert bins == [int(value // 2.5) for value in range(40)]
    assert sorted(set(bins)) == list(range(16))


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_images_are_the_same_every_time(name):
    _, config = named_set(name, 16)
    once, again = (data.load(config) for _ in range(2))
    np.testing.assert_array_equal(
        once.train.read(np.arange(9))["image"], again.train.read(np.arange(9))["image"]
    )
    assert set(once.validation.labels()) == set(range(once.outputs))
    assert not np.array_equal(
        once.train.read(np.arange(1))["image"], once.validation.read(np.arange(1))["image"]
    )


def test_sets_from_files(tmp_path, shared_data):
    images, labels = np.zeros((8, 8, 8, 3), np.uint8), np.arange(8) % 2
    np.savez(tmp_path / "plain.npz", images=images, labels=labels)
    np.savez(
        tmp_path / "split.npz", images=images, labels=labels, test_images=images[:6], test_labels=labels[:6]
    )
    for split in ("train", "test"):
        for label in ("a", "b"):
            (tmp_path / "folders" / split / label).mkdir(parents=True)
            for i in range(3):
                (tmp_path / "folders" / split / label / f"{i}.png").write_bytes(png(i))
    sizes = {}
    for text in (
        f"plain={tmp_path / 'plain.npz'}",
        f"split={tmp_path / 'split.npz'}",
        f"folders={tmp_path / 'folders'}",
        f"unsplit={tmp_path / 'folders/train'}",
        f"steel={shared_data / 'tfds/neu_steel'}",
        f"version={shared_data / 'tfds/tiny_imagenet_down/1.0.0'}",
    ):
        name, config = named_set(text, 8, most_test=5)
        assert config.max_validation_images == 5
        splits = data.load(config)
        sizes[name] = (len(splits.train), len(splits.validation), config.validation_split)
    assert sizes == {
        "plain": (6, 2, ""),
        "split": (8, 5, "test"),
        "folders": (6, 5, "test"),
        "unsplit": (4, 2, ""),
        "steel": (840, 5, "test"),
        "version": (3000, 5, "validation"),
    }


def test_bad_sets(tmp_path):
    with rejects("'pet'", "'pets'"):
        named_set("pet", 8)
    with rejects("a/b"):
        named_set("a/b=x", 8)
    with rejects("pets=", tmp_path / "none"):
        named_set(f"pets={tmp_path / 'none'}", 8)
    (tmp_path / "dataset_info.json").write_text("{}")
    with rejects("dataset_info.json"):
        named_set(f"x={tmp_path}", 8)
    for config, names in (
        (DataConfig(source="downstream", name="cevr"), ("data.name", "'cevr'")),
        (DataConfig(source="downstream", name="dtd", validation_split="val"), ("'val'", "test")),
        (DataConfig(source="drawn", name="conut", validation_split="test"), ("'conut'", "'count'")),
        (DataConfig(source="drawn", name="count", validation_split="val"), ("'val'", "test")),
    ):
        with rejects(*names):
            data.check(config)
