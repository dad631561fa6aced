""".npz files of images that are whole, large, damaged or made to do harm: the right arrays or one line."""

import io
import os
import zipfile

import numpy as np
import pytest

from scalax import archive, data
from scalax.archive import Archive
from scalax.config import DataConfig
from tests.bad_inputs import HEADER, npy, zipped
from tests.rejects import rejects

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 4, 4, 3), np.uint8)
LABELS = np.arange(12) % 3


def config(path, **fields) -> DataConfig:
    return DataConfig(**{"source": "arrays", "dir": str(path), "image_size": 4, **fields})


def saved(array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


# Layouts


@pytest.mark.parametrize("channels", [0, 3])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_medmnist(tmp_path, channels, save):
    """Splits train, val and test, and labels [N, 1]."""
    rng = np.random.default_rng(1)
    arrays = {}
    for split, count in (("train", 9), ("val", 6), ("test", 3)):
        shape = (count, 28, 28, channels) if channels else (count, 28, 28)
        arrays[f"{split}_images"] = rng.integers(0, 256, shape, np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count, dtype=np.uint8) % 3)[:, None]
    save(tmp_path / "set.npz", **arrays)
    for split in ("val", "test"):
        splits = data.load(config(tmp_path / "set.npz", image_size=28, validation_split=split))
        assert splits.outputs == 3
        for found, name in ((splits.train, "train"), (splits.validation, split)):
            want = arrays[f"{name}_images"].reshape(-1, 28, 28, channels or 1)
            np.testing.assert_array_equal(found.arrays["image"], want[found.source.rows])
            np.testing.assert_array_equal(found.labels(), arrays[f"{name}_labels"][found.source.rows, 0])
    held = data.load(config(tmp_path / "set.npz", validation_share=1 / 3))
    assert (len(held.train), len(held.validation)) == (6, 3)
    arrays["train_labels"] = np.eye(9, 3, dtype=np.uint8)
    save(tmp_path / "set.npz", **arrays)
    with rejects("set.npz", "train_labels", "[9, 3]"):
        data.load(config(tmp_path / "set.npz"))


# From the file, where it is large


@pytest.fixture
def large(monkeypatch):
    monkeypatch.setattr(archive, "HELD_BYTES", 16)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("images", [IMAGES, IMAGES[..., 0], np.asfortranarray(IMAGES)])
def test_rows_are_read_from_a_file_as_they_are(tmp_path, large, save, images):
    save(tmp_path / "set.npz", images=images, labels=LABELS)
    with Archive(tmp_path / "set.npz", "set") as opened:
        rows = opened.rows("images")
        assert isinstance(rows, archive.Rows) == (save is np.savez and not images.flags.f_contiguous)
    np.testing.assert_array_equal(np.stack([rows[i] for i in range(12)]), images)
    np.testing.assert_array_equal(rows[3:7], images[3:7])
    streamed = data.load(config(tmp_path / "set.npz", device_gib=1e-9)).train
    held = data.load(config(tmp_path / "set.npz")).train
    assert streamed.arrays is None
    np.testing.assert_array_equal(streamed.read(np.arange(9))["image"], held.arrays["image"])


def test_packed_images_are_read_from_a_file(tmp_path, large):
    from scalax.data.pack import pack

    pack(DataConfig(max_train_images=200, max_validation_images=100), tmp_path / "packed.npz")
    splits = data.load(config(tmp_path / "packed.npz", image_size=8, validation_split="val", device_gib=1e-9))
    assert splits.train.read(np.arange(20))["image"].shape == (20, 8, 8, 3)


def test_a_flipped_bit_in_a_large_file_is_found(tmp_path, large):
    np.savez(tmp_path / "set.npz", images=IMAGES, labels=LABELS)
    content = bytearray((tmp_path / "set.npz").read_bytes())
    content[content.index(IMAGES.tobytes()) + 100] ^= 4
    (tmp_path / "set.npz").write_bytes(content)
    with rejects("set.npz", "'images'"):
        data.load(config(tmp_path / "set.npz"))


def test_a_file_that_becomes_shorter_while_it_is_read(tmp_path, large):
    np.savez(tmp_path / "set.npz", labels=LABELS, images=IMAGES)
    splits = data.load(config(tmp_path / "set.npz", device_gib=1e-9))
    os.truncate(tmp_path / "set.npz", 100)
    with rejects("set.npz", "shorter"):
        splits.train.read(np.arange(9))


# Damaged, and made to do harm


def claims(dtype: str, shape: str) -> bytes:
    return npy((HEADER % (dtype, shape)).encode())


def encrypted(path):
    zipped(path, {"images.npy": saved(IMAGES), "labels.npy": saved(LABELS)})
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\1\2")
    content[at + 8] |= 1
    path.write_bytes(content)


def twice(path):
    zipped(path, {"images.npy": saved(IMAGES), "labels.npy": saved(LABELS)})
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("images.npy", saved(IMAGES[::-1]))


def with_images(content: bytes, **options):
    return lambda path: zipped(path, {"images.npy": content, "labels.npy": saved(LABELS)}, **options)


class Reduces:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Reduces()], object), allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\3\4"),
        lambda path: path.write_bytes(saved(IMAGES)),
        lambda path: zipped(path, {}),
        lambda path: zipped(path, {"a.txt": b"text"}),
        encrypted,
        twice,
        with_images(b""),
        with_images(b"no array"),
        with_images(pickled()),
        with_images(claims("|u1", "(64000000000000, )")),
        with_images(claims("|u1", "(1000000, 1000000, 64)")),
        with_images(claims("|u1", "(-1, 4, 4)")),
        with_images(claims("|u1", "(True, 4, 4)")),
        with_images(claims("|u1", "(0, 4, 4)")),
        with_images(claims("|V0", "(9999999999999, 4, 4)")),
        with_images(claims("<U0", "(9999999999999, 4, 4)")),
        with_images(claims("|O", "(12, 4, 4)")),
        with_images(claims("|u1", "(" + "1, " * 3000 + ")")),
        with_images(claims("|u1", "(" * 4000)),
        with_images(claims("|u1", "99" * 2000)),
        with_images(npy(b"\xff" * 64)),
        with_images(npy(b"{}", version=b"\3\0")),
        with_images(saved(IMAGES)[:-1]),
        with_images(saved(IMAGES) + b"x"),
        with_images(saved(IMAGES[:, :0])),
        with_images(saved(IMAGES[:, :, :0])),
        with_images(saved(IMAGES[..., :0])),
        with_images(saved(IMAGES[:0])),
        with_images(saved(np.zeros((), np.uint8))),
        with_images(saved(IMAGES.astype("M8[s]"))),
        with_images(saved(np.zeros(12, [("a", "u1")]))),
        with_images(saved(np.array(["a"] * 12))),
        with_images(saved(IMAGES.astype(np.float32) / 255)),
        os.mkfifo,
        os.mkdir,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(path),
    ],
)
def test_archives_that_are_refused(tmp_path, make):
    path = tmp_path / "set.npz"
    make(path)
    with rejects("set.npz"):
        data.load(config(path))


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "BOMB_BYTES", 2**20)
    images = np.zeros((2**12, 32, 32), np.uint8)
    np.savez_compressed(tmp_path / "set.npz", images=images, labels=np.arange(2**12) % 2)
    with rejects("set.npz", "'images'", f"{images.nbytes + 128:,}"):
        data.load(config(tmp_path / "set.npz"))


@pytest.mark.parametrize(
    "labels",
    [
        LABELS.astype(float),
        LABELS == 1,
        LABELS[:5],
        np.stack([LABELS] * 2, 1),
        np.array(["a"] * 12),
        np.array(3),
        LABELS[:0],
        LABELS + 1,
        LABELS * 2,
        LABELS.astype(np.int64) - 2**62,
    ],
)
def test_labels_that_are_refused(tmp_path, labels):
    np.savez(tmp_path / "set.npz", images=IMAGES, labels=labels)
    with rejects("set.npz", "labels"):
        data.load(config(tmp_path / "set.npz"))


def test_one_class_is_nothing_to_train_on(tmp_path):
    from scalax import tasks
    from scalax.config import RunConfig

    np.savez(tmp_path / "set.npz", images=IMAGES, labels=np.zeros(12, int))
    run = RunConfig(data=config(tmp_path / "set.npz"))
    with rejects("set.npz", "one class"):
        tasks.open_task(run, data.load(run.data))


def test_what_else_people_give_is_named(tmp_path):
    np.save(tmp_path / "set.npy", IMAGES)
    with rejects("set.npy", "np.savez"):
        data.load(config(tmp_path / "set.npy"))
    encrypted(tmp_path / "set.npz")
    with rejects("set.npz", "encrypted"):
        data.load(config(tmp_path / "set.npz"))
    np.savez(tmp_path / "set.npz", x=IMAGES, y=LABELS)
    with rejects("set.npz", "images and labels", "'x', 'y'"):
        data.load(config(tmp_path / "set.npz"))


def test_names_are_shown_escaped(tmp_path):
    zipped(tmp_path / "set.npz", {"\x1b[2J\n.npy": saved(LABELS)})
    with rejects("set.npz", r"\x1b[2J\n"):
        data.load(config(tmp_path / "set.npz"))


def test_an_array_whose_name_is_damaged_is_not_passed_over(tmp_path):
    path = tmp_path / "set.npz"
    np.savez(path, images=np.zeros(3), labels=np.ones(3))
    raw = path.read_bytes()
    at = raw.rindex(b"labels.npy")  # in the directory of the archive
    path.write_bytes(raw[:at] + b"labels.nqy" + raw[at + 10 :])
    with rejects(path, "labels.nqy"):
        Archive(path, str(path))
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("README", "of the set")
        file.writestr("größe.txt", "3")
    with Archive(path, str(path)) as archive:
        assert archive.others == ("README", "größe.txt")
