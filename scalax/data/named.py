"""Image sets as one word of a command line: NAME=PATH, or the name of a downstream task."""

from typing import Any

from etils import epath

from scalax import untrusted
from scalax.archive import Archive
from scalax.config import DataConfig
from scalax.data.downstream import DOWNSTREAM
from scalax.data.place import place
from scalax.errors import UserError, suggest

DRAWN = ("drawn_count", "drawn_angle", "drawn_kind")
HELD_OUT = ("test", "validation", "val")  # the first of these that a set has is tested on


def named_set(text: str, image_size: int, most_test: int = 0) -> tuple[str, DataConfig]:
    """The name of a set, and how it is opened.

    - text: NAME=PATH, where PATH is a folder of images a class (with train and test below it, or without), a
      .npz file, or a prepared TFDS dataset; or one of data.downstream.DOWNSTREAM, prepared where TFDS keeps
      its data; or one of DRAWN, which need no files.
    - image_size: side in pixels.
    - most_test: test on so many images, drawn once and for all; 0 takes all.

    A set without a test split has a quarter of it held out. Raises UserError where there is no such set.
    """
    name, given, path = text.partition("=")
    if not name or "/" in name or "@" in name or not name.isprintable():
        raise UserError(f"image set {text!r}: want NAME=PATH, the name without / and @")
    fields: dict[str, Any]
    if given:
        fields = _of_path(text, path)
    elif name in DOWNSTREAM:
        fields = {"source": "downstream", "name": name, "validation_split": "test"}
    elif name in DRAWN:
        fields = {"source": "drawn", "name": name.removeprefix("drawn_"), "validation_split": "test"}
    else:
        raise UserError(
            f"image set {text!r} is no downstream task{suggest(name, [*DOWNSTREAM, *DRAWN])}; for files of"
            " your own give NAME=PATH"
        )
    return name, DataConfig(image_size=image_size, max_validation_images=most_test, **fields)


def _of_path(text: str, given: str) -> dict[str, Any]:
    path = place(given)
    if given and path.is_file():
        splits = splits_of_arrays(path)
        return {"source": "arrays", "dir": given, "validation_split": held_out(splits)}
    if not given or not path.is_dir():
        what = "is no file and no directory" if given and path.exists() else "no such file or directory"
        raise UserError(f"image set {text!r}: {what}")
    for folder in (path, *sorted((p for p in path.iterdir() if p.is_dir()), reverse=True)):
        if (splits := splits_of_tfds(folder)) is not None:
            return {"source": "tfds", "dir": str(folder), "validation_split": held_out(splits)}
    folders = [p.name for p in path.iterdir() if p.is_dir()]
    split = held_out(folders) if "train" in folders else ""
    return {"source": "folder", "dir": given, "validation_split": split}


def splits_of_tfds(folder: epath.Path) -> list[str] | None:
    """Splits of a prepared TFDS dataset; None where the folder holds none.

    Raises UserError where its dataset_info.json cannot be read.
    """
    info = folder / "dataset_info.json"
    if not info.is_file():
        return None
    try:
        return [split["name"] for split in untrusted.parse_json(untrusted.read_bytes(info))["splits"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"cannot read the splits in {info}; prepare the dataset again") from None


def splits_of_arrays(path: epath.Path) -> list[str]:
    """Splits of a .npz file: what stands before _images.npy, or _encoded.npy of packed images."""
    try:
        with Archive(path, str(path)) as archive:
            names = archive.names
    except UserError:
        return []  # opening it says what is wrong
    return [name.rpartition("_")[0] for name in names if name.endswith(("_images", "_encoded"))]


def held_out(splits: list[str]) -> str:
    """The split to test on; empty where there is none."""
    return next((name for name in HELD_OUT if name in splits), "")
