"""Image sets as one word of a command line: NAME=PATH, or the name of a downstream task."""

import json
from typing import Any

from etils import epath

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
    if not name or "/" in name or "@" in name:
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
        return {"source": "arrays", "dir": given, **_held_out(_arrays(path))}
    if not given or not path.is_dir():
        raise UserError(f"image set {text!r}: no such file or directory")
    for folder in (path, *sorted((p for p in path.iterdir() if p.is_dir()), reverse=True)):
        info = folder / "dataset_info.json"
        if info.is_file():
            try:
                splits = [split["name"] for split in json.loads(info.read_text())["splits"]]
            except (ValueError, KeyError, TypeError):
                raise UserError(f"image set {text!r}: cannot read the splits in {info}") from None
            return {"source": "tfds", "dir": str(folder), **_held_out(splits)}
    folders = [p.name for p in path.iterdir() if p.is_dir()]
    return {"source": "folder", "dir": given, **_held_out(folders if "train" in folders else [])}


def _arrays(path: epath.Path) -> list[str]:
    """Splits of a .npz file: what stands before _images.npy, or _encoded.npy of packed images."""
    try:
        with Archive(path, str(path)) as archive:
            names = archive.names
    except UserError:
        return []  # opening it says what is wrong
    return [name.rpartition("_")[0] for name in names if name.endswith(("_images", "_encoded"))]


def _held_out(splits: list[str]) -> dict[str, str]:
    return {"validation_split": next((name for name in HELD_OUT if name in splits), "")}
