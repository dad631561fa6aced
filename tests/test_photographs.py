"""Crops of the photographs that scikit-image and scikit-learn carry."""

import numpy as np

from scalax import data
from scalax.config import DataConfig
from scalax.data.kinds import photographs
from tests.rejects import rejects

CONFIG = DataConfig(
    source="photographs",
    image_size=32,
    validation_split="validation",
    max_train_images=400,
    max_validation_images=200,
)


def test_crops_are_grey_of_one_contrast_and_the_same_every_time():
    splits = data.load(CONFIG)
    assert (len(splits.train), len(splits.validation), splits.outputs) == (400, 200, 19)
    images = splits.train.arrays["image"]
    assert images.shape == (400, 32, 32, 1)
    assert images.dtype == np.uint8
    textured = images[images.std((1, 2, 3)) > 30].astype(float)
    assert len(textured) > 200
    assert abs(textured.mean((1, 2, 3)) - 128).max() < 12  # but for what is clipped
    np.testing.assert_array_equal(images, data.load(CONFIG).train.arrays["image"])
    assert set(splits.train.labels().tolist()) == set(range(19))


def test_training_and_validation_share_no_pixel():
    read = photographs._read()
    assert [image.ndim for image in read] == [2] * len(photographs.NAMES)
    right = {i: 0 for i in range(19)}
    for crop in photographs._drawn(read, "train"):
        right[crop.photograph] = max(right[crop.photograph], crop.left + crop.side)
    for split in photographs.IMAGES:
        for photograph, side, top, left in photographs._drawn(read, split):
            height, width = read[photograph].shape
            assert 32 <= side <= 64
            assert 0 <= top <= height - side
            assert 0 <= left <= width - side
            assert split == "train" or left > right[photograph]


def test_a_crop_is_the_window_at_its_place():
    """Without resizing: a window as large as the image asked for."""
    read = photographs._read()
    source = photographs.open_photographs(CONFIG, "train")
    row, crop = next((i, c) for i, c in enumerate(source.records) if c.side == 32 and c.photograph == 2)
    window = read[2][crop.top : crop.top + 32, crop.left : crop.left + 32].astype(float)
    expected = 128 + 48 * (window - window.mean()) / (window.std() + 8)
    shown = source[row]["image"][..., 0]
    np.testing.assert_allclose(shown, np.clip(expected, 0, 255), atol=0.51)
    assert source.names[source[row]["label"]] == "camera"


def test_bad_splits_and_missing_files(monkeypatch):
    for name in ("train_split", "validation_split"):
        with rejects(f"data.{name}", "'test'", "validation"):
            data.check(DataConfig(source="photographs", **{name: "test"}))
    monkeypatch.setattr(photographs, "SKLEARN", ("none.jpg",))
    with rejects("none.jpg", "scikit-learn"):
        data.load(CONFIG)
