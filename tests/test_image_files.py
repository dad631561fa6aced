"""Image files as people have them, made by Pillow: the right pixels, or the right error."""

import dataclasses
import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from scalax import data
from scalax.config import DataConfig
from scalax.data import encoded
from scalax.data.depth import Depth, scale
from scalax.data.images import decode_image, resize
from scalax.data.kinds.folder import KIND
from tests.rejects import rejects

SIDE = 8
RAMP = np.linspace(0, 255, SIDE * SIDE).astype(np.uint8).reshape(SIDE, SIDE)


def written(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def folder(tmp_path, **settings) -> DataConfig:
    return DataConfig(**{"source": "folder", "dir": str(tmp_path), "image_size": SIDE, **settings})


def pixels(tmp_path, **settings) -> dict[str, np.ndarray]:
    """The images of a folder, uint8 [H, W, 3] by file name."""
    source = KIND.open(folder(tmp_path, **settings), "train")
    return {path.rpartition("/")[2]: source[row]["image"] for row, (path, _) in enumerate(source.records)}


def other_class(tmp_path):
    written(tmp_path / "b" / "other.png", Image.new("RGB", (SIDE, SIDE), (1, 2, 3)))


def grey(found: np.ndarray) -> np.ndarray:
    assert (found == found[..., :1]).all()
    return found[..., 0]


# Grey of more than 8 bits


@pytest.mark.parametrize(
    ("suffix", "deep", "options"),
    [
        ("png", RAMP.astype(np.uint16) * 257, {}),
        ("tif", RAMP.astype(np.uint16) * 257, {}),
        ("tiff", RAMP.astype(np.uint16) * 257, {"compression": "tiff_lzw"}),
        ("jp2", RAMP.astype(np.uint16) * 257, {"irreversible": False}),
        ("pgm", RAMP.astype(np.int32) * 257, {}),
        ("tif", RAMP.astype(np.int32) * 257, {}),
        ("tif", RAMP.astype(np.int32) * 65_537 - 5_000_000, {}),
        ("tif", RAMP.astype(np.float32) / 255, {}),
        ("tif", RAMP.astype(np.float32), {}),
        ("tif", RAMP.astype(np.float32) * -3e4, {}),
        ("pfm", RAMP.astype(np.float32) / 255, {}),
        ("png", RAMP.astype(np.uint16), {}),
        ("png", np.rint(RAMP * (4095 / 255)).astype(np.uint16), {}),
        ("png", np.rint(RAMP * (16383 / 255)).astype(np.uint16), {}),
    ],
)
def test_deep_grey_is_scaled_by_its_range(tmp_path, suffix, deep, options):
    written(tmp_path / "a" / f"x.{suffix}", Image.fromarray(deep), **options)
    other_class(tmp_path)
    found = grey(pixels(tmp_path)[f"x.{suffix}"])
    want = 255 - RAMP if deep.min() < -1e6 and deep.dtype == np.float32 else RAMP
    np.testing.assert_array_equal(found, want)


def test_one_scale_for_a_whole_data_set(tmp_path):
    """A dim image stays dim beside a bright one, in whichever split; 8-bit images are left alone."""
    dim, bright = RAMP.astype(np.uint16) * 20, RAMP.astype(np.uint16) * 257
    written(tmp_path / "train" / "a" / "dim.png", Image.fromarray(dim))
    written(tmp_path / "val" / "a" / "bright.png", Image.fromarray(bright))
    for split in ("train", "val"):
        written(tmp_path / split / "b" / "eight.png", Image.fromarray(RAMP))
    for split in ("train", "val"):
        config = folder(tmp_path, validation_split="val")
        source = KIND.open(config, split)
        found = {path.rpartition("/")[2]: source[i]["image"] for i, (path, _) in enumerate(source.records)}
        np.testing.assert_array_equal(grey(found["eight.png"]), RAMP)
        if split == "train":
            np.testing.assert_array_equal(grey(found["dim.png"]), np.rint(dim / 257))
        else:
            np.testing.assert_array_equal(grey(found["bright.png"]), RAMP)


@pytest.mark.parametrize(
    ("low", "high", "whole", "want"),
    [
        (0, 65535, True, (0, 65535)),
        (0, 20_000, True, (0, 65535)),
        (10, 16_000, True, (0, 16383)),
        (0, 256, True, (0, 1023)),
        (0, 9, True, (0, 9)),
        (-1000, 3000, True, (-1000, 3000)),
        (0, 70_000, True, (0, 70_000)),
        (0, 1, False, (0, 1)),
        (0.2, 0.3, False, (0, 1)),
        (0, 0.01, False, (0, 0.01)),
        (0, 10.5, False, (0, 10.5)),
        (0, 254.5, False, (0, 255)),
        (-1, 1, False, (-1, 1)),
    ],
)
def test_the_scale(low, high, whole, want):
    assert scale(low, high, whole) == want


def test_values_that_are_not_finite(tmp_path):
    image = RAMP.astype(np.float32)
    image[2, 3] = np.nan
    written(tmp_path / "a" / "nan.tif", Image.fromarray(image))
    other_class(tmp_path)
    with rejects("nan.tif", "finite"):
        pixels(tmp_path)


# Orientation

TURNS = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: np.rot90(x),
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_orientation(tmp_path, orientation, suffix):
    """Every one, of an image that is not square."""
    stored = np.zeros((16, 24, 3), np.uint8)
    stored[:8, :12] = 255
    stored[8:, 12:, 0] = 200
    image = Image.fromarray(stored)
    exif = image.getexif()
    exif[0x0112] = orientation
    options = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}.get(suffix, {})
    written(tmp_path / "a" / f"x.{suffix}", image, exif=exif, **options)
    other_class(tmp_path)
    found = pixels(tmp_path, image_size=24, fit="pad")[f"x.{suffix}"].astype(int)
    want = TURNS[orientation](stored)
    top, left = (24 - want.shape[0]) // 2, (24 - want.shape[1]) // 2
    inside = found[top : top + want.shape[0], left : left + want.shape[1]]
    assert np.abs(inside - want).mean() < 2


def test_damaged_exif_is_no_orientation(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(np.stack([RAMP] * 3, -1)).save(buffer, "JPEG", quality=95, exif=b"Exif\0\0" + b"junk" * 5)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.jpg").write_bytes(buffer.getvalue())
    other_class(tmp_path)
    with Image.open(buffer) as image:
        np.testing.assert_array_equal(pixels(tmp_path)["x.jpg"], np.asarray(image.convert("RGB")))


# Transparency


def icon(mode="RGBA"):
    """Black, its shape in alpha: opaque on the left, half transparent in the middle, else nothing."""
    image = np.zeros((SIDE, SIDE, 4), np.uint8)
    image[:, :3, 3], image[:, 3:5, 3] = 255, 128
    return Image.fromarray(image).convert(mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
@pytest.mark.parametrize(
    ("background", "colour"),
    [
        ("white", (255, 255, 255)),
        ("grey", (128, 128, 128)),
        ("#ff8000", (255, 128, 0)),
        ("#f80", (255, 136, 0)),
    ],
)
def test_transparent_parts_show_the_background(tmp_path, mode, background, colour):
    suffix, options = ("png", {}) if mode != "PA" else ("tif", {})
    written(tmp_path / "a" / f"x.{suffix}", icon(mode), **options)
    other_class(tmp_path)
    found = pixels(tmp_path, background=background)[f"x.{suffix}"]
    assert (found[:, :3] == 0).all()
    assert (found[:, 5:] == colour).all()
    assert (np.abs(found[:, 3:5].astype(int) - np.array(colour) * (127 / 255)) < 1.01).all()


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_palettes_and_named_colours_that_are_transparent(tmp_path, suffix):
    if suffix == "webp":
        image, options = icon(), {"lossless": True, "exact": True}
    else:
        image = Image.fromarray(np.repeat([[0, 1]], SIDE, 0).repeat(SIDE // 2, 1).astype(np.uint8), "P")
        image.putpalette([10, 20, 30, 90, 80, 70])
        options = {"transparency": 1}
    written(tmp_path / "a" / f"x.{suffix}", image, **options)
    other_class(tmp_path)
    found = pixels(tmp_path)[f"x.{suffix}"]
    assert (found[:, 5:] == 255).all()
    assert (found[:, :3] == ((10, 20, 30) if suffix != "webp" else 0)).all()


def test_a_shape_that_vanishes_on_the_background_is_refused(tmp_path):
    written(tmp_path / "a" / "icon.png", icon())
    other_class(tmp_path)
    with rejects("icon.png", "data.background", "#000000"):
        pixels(tmp_path, background="black")
    with rejects("data.background", "'pink'"):
        folder(tmp_path, background="pink")


# What was read right stays, bit for bit


def old_framed(image: np.ndarray, size: int) -> np.ndarray:
    """The central square, each channel resized by itself, as it was."""
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    image = image[top : top + side, left : left + side]
    parts = [Image.fromarray(image[..., c]).resize((size, size), Image.Resampling.BICUBIC) for c in range(3)]
    return np.stack([np.asarray(part) for part in parts], -1)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "YCbCr", "RGBA"])
@pytest.mark.parametrize("size", [(40, 23), (17, 61), (6, 6)])
def test_images_of_8_bits_are_those_that_pillow_converts(mode, size):
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
    image = Image.fromarray(noise).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, {"CMYK": "TIFF", "YCbCr": "TIFF"}.get(mode, "PNG"))
    found = decode_image(buffer.getvalue(), DataConfig(image_size=12), Depth(list, bytes))
    with Image.open(buffer) as stored:
        want = old_framed(np.asarray(stored.convert("RGB")), 12)
    np.testing.assert_array_equal(found, want, strict=True)


def test_jpegs_and_arrays_resized_as_one_by_one():
    noise = np.random.default_rng(1).integers(0, 256, (50, 37, 4), np.uint8)
    for channels in (1, 2, 3, 4):
        image = noise[..., :channels]
        parts = [
            Image.fromarray(image[..., c]).resize((9, 16), Image.Resampling.BICUBIC) for c in range(channels)
        ]
        np.testing.assert_array_equal(resize(image, 16, 9), np.stack([np.asarray(x) for x in parts], -1))


# Files that are not to be trusted


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header says so."""
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(20_000, 20_000), (10_000, 10_000), (2**31 - 1, 2**31 - 1), (0, 5), (5, 0)])
def test_bombs_are_refused_unread(tmp_path, size, recwarn):
    encoded._formats.cache_clear()  # it asks for silence of Pillow once, and pytest forgets that
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "bomb.png").write_bytes(png_claiming(*size))
    other_class(tmp_path)
    with rejects("bomb.png"):
        pixels(tmp_path)
    assert not recwarn.list


def test_a_narrow_image_does_not_grow_beyond_limits(tmp_path):
    written(tmp_path / "a" / "line.png", Image.new("L", (60_000, 1)))
    other_class(tmp_path)
    with rejects("line.png"):
        pixels(tmp_path, shorter_side=224)


@pytest.mark.parametrize(
    "content", [b"", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\x00" * 99, b"P5 9"]
)
def test_other_formats_are_not_tried(tmp_path, content):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(content)
    other_class(tmp_path)
    with rejects("x.png", "repair or remove"):
        pixels(tmp_path)


@pytest.mark.parametrize(
    "suffix", ["tif", "tiff", "pgm", "jfif", "avif", "JPG", "webp", "bmp", "gif", "ppm", "jp2"]
)
def test_every_suffix_is_read(tmp_path, suffix):
    if suffix == "avif" and "AVIF" not in Image.registered_extensions().values():
        pytest.skip("needs a Pillow that reads AVIF")
    kind = {"jfif": "JPEG", "pgm": "PPM", "JPG": "JPEG"}.get(suffix)
    written(
        tmp_path / "a" / f"x.{suffix}", Image.new("L", (SIDE, SIDE), 77), **({"format": kind} if kind else {})
    )
    other_class(tmp_path)
    assert (np.abs(pixels(tmp_path)[f"x.{suffix}"].astype(int) - 77) < 3).all()


def tfds_of(monkeypatch, images: dict[str, list[bytes]], dtype=np.uint8):
    """A TFDS dataset with these encoded images in its splits, of two classes in turn."""
    import tensorflow_datasets as tfds

    from scalax.data.kinds import tfds as kind

    label = tfds.features.ClassLabel(names=["a", "b"])
    shape = (None, None, 1 if dtype != np.uint8 else 3)
    features = {"image": tfds.features.Image(shape=shape, dtype=dtype), "label": label}
    records = {
        split: [{"image": image, "label": row % 2} for row, image in enumerate(encoded)]
        for split, encoded in images.items()
    }
    builder = SimpleNamespace(
        info=SimpleNamespace(features=features, splits=dict.fromkeys(images), full_name="mock"),
        as_data_source=lambda split, decoders: records[split],
    )
    monkeypatch.setattr(kind, "open_builder", lambda *_: builder)
    return kind.KIND.open(DataConfig("tfds", name="mock", image_size=SIDE), next(iter(images)))


def encoded_png(image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def test_tfds_is_read_alike(monkeypatch):
    """Turned, laid on the background, and scaled by the range of all splits."""
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = tfds_of(
        monkeypatch, {"train": [encoded_png(Image.fromarray(RAMP), exif=exif), encoded_png(icon())]}
    )
    np.testing.assert_array_equal(grey(turned[0]["image"]), np.rot90(RAMP, -1))
    assert (turned[1]["image"][:, 5:] == 255).all()
    dim, bright = (encoded_png(Image.fromarray(RAMP.astype(np.uint16) * times)) for times in (20, 257))
    deep = tfds_of(monkeypatch, {"train": [dim, dim], "test": [bright]}, np.uint16)
    np.testing.assert_array_equal(grey(deep[0]["image"]), np.rint(RAMP.astype(int) * 20 / 257))
    with rejects("data.name mock", "float32"):
        tfds_of(monkeypatch, {"train": [dim]}, np.float32)


def test_packed_and_held_in_memory_alike(tmp_path):
    """Deep and turned images, through `pack` too: what a folder shows, its .npz shows."""
    from scalax.data.pack import pack

    for number in range(8):
        image = Image.fromarray((RAMP.astype(np.uint16) * 257 // (number + 1)).astype(np.uint16))
        written(tmp_path / "images" / "ab"[number % 2] / f"{number}.png", image)
    config = folder(tmp_path / "images")
    pack(config, tmp_path / "packed.npz", quality=100)
    packed = data.load(
        DataConfig("arrays", dir=str(tmp_path / "packed.npz"), validation_split="val", image_size=SIDE)
    )
    source = data.load(config)
    for ours, theirs in ((packed.train, source.train), (packed.validation, source.validation)):
        np.testing.assert_array_equal(ours.labels(), theirs.labels())
        assert np.abs(ours.arrays["image"].astype(int) - theirs.arrays["image"]).max() < 24
    streamed = data.load(dataclasses.replace(config, device_gib=1e-9))
    np.testing.assert_array_equal(
        streamed.train.read(np.arange(4))["image"], source.train.arrays["image"][:4]
    )
