"""Folders as people have them: which files are images of which class, what is left out, what never ends."""

import os
import socket

import numpy as np
import pytest

from scalax import data
from scalax.config import DataConfig
from scalax.data.kinds.folder import KIND
from scalax.data.listing import DEEPEST
from tests.bad_inputs import DOT
from tests.rejects import check_line, rejects


def made(root, *names):
    """An image at each name, a text where it ends in .txt, an empty folder where it ends in /."""
    for name in names:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if name.endswith(".txt"):
            path.write_text("no image")
        elif not name.endswith("/"):
            DOT.save(path, "PNG")
    return root


def config(root, **fields) -> DataConfig:
    return DataConfig(**{"source": "folder", "dir": str(root), "image_size": 4, **fields})


def read(root, split="train", **fields) -> dict[str, list[str]]:
    """Paths from the root of the images of each class, in order."""
    source = KIND.open(config(root, **fields), split)
    found: dict[str, list[str]] = {name: [] for name in source.names}
    for path, label in source.records:
        found[source.names[label]].append(os.path.relpath(path, root))
    return found


def left_out(root, **fields) -> dict[str, str]:
    return dict(KIND.open(config(root, **fields), "train").left_out or ())


def test_what_systems_leave_behind_is_no_class_and_no_image(tmp_path):
    made(
        tmp_path,
        *("a/1.png", "a/2.PNG", "b/1.png", "b/deep/2.png"),
        *("a/.ipynb_checkpoints/1.png", "a/._1.png", "a/.hidden.png", "a/Thumbs.db", "b/desktop.ini"),
        *("lost+found/", "@eaDir/1.png", "__MACOSX/a/._1.png", ".git/1.png", "$RECYCLE.BIN/1.png"),
        *("a/@eaDir/1.png", "b/__pycache__/", "System Volume Information/"),
        *("README.txt", "cover.png", "a/notes.txt"),
    )
    assert read(tmp_path) == {"a": ["a/1.png", "a/2.PNG"], "b": ["b/1.png", "b/deep/2.png"]}
    assert set(left_out(tmp_path)) == {
        *("a/.ipynb_checkpoints", "a/._1.png", "a/.hidden.png", "a/Thumbs.db", "b/desktop.ini"),
        *("lost+found", "@eaDir", "__MACOSX", ".git", "$RECYCLE.BIN", "a/@eaDir", "b/__pycache__"),
        *("System Volume Information", "README.txt", "cover.png", "a/notes.txt"),
    }


def test_what_was_read_is_said(tmp_path):
    made(tmp_path, *(f"{name}/{i}.png" for name in "ab" for i in range(4)), "a/x.txt", "b/\x1b[2Jx\n.txt")
    splits = data.load(config(tmp_path))
    line = splits.said()
    check_line(line, "8 images", "2 classes", "left out 2", "a/x.txt", r"b/\x1b[2Jx\n.txt")
    made(tmp_path, "a/x2.txt", *(f"a/x{i}.txt" for i in range(3, 9)))
    check_line(data.load(config(tmp_path)).said(), "left out 9", "5 more")
    check_line(data.load(config(tmp_path, classes=("b", "a"), train_per_class=1)).said(), "of 2 classes")
    assert data.load(DataConfig()).said() == ""
    halves = made(
        tmp_path / "split",
        *(f"{s}/{name}/{i}.png" for s in ("train", "val") for name in "ab" for i in range(3)),
    )
    check_line(data.load(config(halves, validation_split="val")).said(), "12 images")


def test_a_class_without_images(tmp_path):
    made(tmp_path, "a/1.png", "b/1.png", "c/", "d/1.txt")
    with rejects("2 of 4", "'c'", "data.allow_empty_classes"):
        read(tmp_path)
    assert read(tmp_path, allow_empty_classes=True) == {"a": ["a/1.png"], "b": ["b/1.png"], "c": [], "d": []}
    splits = data.load(config(tmp_path, allow_empty_classes=True))
    assert splits.outputs == 4
    with rejects(tmp_path / "none", ".tiff"):
        read(made(tmp_path / "none", "a/", "b/x.txt"), allow_empty_classes=True)


# Which folder is a split, and which a class


def test_a_class_may_be_called_train(tmp_path):
    flat = made(tmp_path / "flat", "bus/1.png", "train/1.png", "test/1.png")
    assert list(read(flat)) == ["bus", "test", "train"]
    split = made(tmp_path / "split", "train/a/1.png", "train/b/1.png", "test/9.png", "docs/plan.txt")
    assert read(split) == {"a": ["train/a/1.png"], "b": ["train/b/1.png"]}
    unclear = made(tmp_path / "unclear", "train/steam/1.png", "bus/1.png")
    with rejects("'train'", "'bus'", "data.train_split"):
        read(unclear)
    assert list(read(unclear, "", train_split="")) == ["bus", "train"]


# Links


def linked(root, **links):
    for name, target in links.items():
        (root / name.replace("__", "/")).symlink_to(target)
    return root


def test_links_lead_to_each_image_once(tmp_path):
    made(tmp_path, *(f"{name}/{i}.png" for name in "ab" for i in range(3)))
    before = read(tmp_path)
    linked(tmp_path, a__up="..", a__self=".", a__again=".", a__other="../b", loop=".", c="a")
    linked(tmp_path, a__0b="../b/1.png", a__gone="nowhere", b__loop="loop", d=tmp_path.parent)
    assert read(tmp_path) == before
    reasons = left_out(tmp_path)
    assert {"a/up", "a/self", "a/again", "a/other", "loop", "c", "a/gone", "b/loop", "d"} <= set(reasons)
    assert len(data.load(config(tmp_path)).train) + len(data.load(config(tmp_path)).validation) == 6


def test_a_data_set_may_be_made_of_links(tmp_path):
    """To files, to folders and to folders of folders, elsewhere; each in its place of the order."""
    pool = made(tmp_path / "pool", "1.png", "2.png", "3.png", "more/4.png", "more/deep/5.png")
    root = made(tmp_path / "set", "a/5.png", "b/")
    linked(root, a__0="../../pool/1.png")
    (root / "a/0.png").symlink_to(pool / "1.png")
    (root / "a/9.png").symlink_to(pool / "2.png")
    (root / "b/x").symlink_to(pool / "more")
    (root / "c").symlink_to(made(tmp_path / "elsewhere", "1.png"))
    assert read(root) == {
        "a": ["a/0.png", "a/5.png", "a/9.png"],
        "b": ["b/x/4.png", "b/x/deep/5.png"],
        "c": ["c/1.png"],
    }


def test_two_links_to_one_image_are_one(tmp_path):
    made(tmp_path, "pool/x.png", "set/a/1.png", "set/b/1.png")
    for name in ("a/l1.png", "a/l2.png", "b/l3.png"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "pool/x.png")
    assert read(tmp_path / "set") == {"a": ["a/1.png", "a/l1.png"], "b": ["b/1.png"]}


def test_devices_pipes_and_sockets_are_left_out(tmp_path):
    made(tmp_path, "a/1.png", "b/1.png")
    os.mkfifo(tmp_path / "a" / "x.png")
    (tmp_path / "b" / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "b" / "pipe.png").symlink_to(tmp_path / "a" / "x.png")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(tmp_path / "b" / "s.png"))
        assert read(tmp_path) == {"a": ["a/1.png"], "b": ["b/1.png"]}
        reasons = left_out(tmp_path)
    assert {name for name, reason in reasons.items() if "regular" in reason} == {
        *("a/x.png", "b/zero.png", "b/pipe.png", "b/s.png")
    }


def test_a_folder_too_deep_and_one_that_may_not_be_read(tmp_path):
    made(tmp_path, "a/1.png", "b/" + "x/" * DEEPEST + "1.png")
    with rejects(DEEPEST):
        read(tmp_path)


def test_a_file_that_is_too_large_for_an_image(tmp_path):
    made(tmp_path, "a/1.png", "b/1.png")
    with open(tmp_path / "a" / "big.png", "wb") as file:
        file.truncate(2**34)  # of nothing: it takes no room
    source = KIND.open(config(tmp_path), "train")
    with rejects("big.png", f"{2**34:,}"):
        source[1]


@pytest.mark.parametrize(
    "address", ["http://host/x", "gs://bucket/x", "foo://x", "s3://b/x", "x" * 5000, "a\0b", "~none/x"]
)
@pytest.mark.parametrize("source", ["folder", "arrays", "text", "tfds"])
def test_addresses_that_are_not_read(address, source):
    with rejects("data.dir"):
        data.load(DataConfig(source=source, dir=address))


def test_the_order_is_that_of_paths(tmp_path):
    """Folders and files of a class intermixed by name, as recorded runs were trained on."""
    names = ["a/10.png", "a/2.png", "a/B.png", "a/b/1.png", "a/c.png", "a/é.png", "b/1.png"]
    made(tmp_path, *names)
    assert [path for paths in read(tmp_path).values() for path in paths] == names
    assert np.array_equal(KIND.open(config(tmp_path), "train").labels(), [0] * 6 + [1])
