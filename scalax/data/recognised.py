"""Of which kind the data at a path are, where nobody said so."""

from typing import Any

from etils import epath

from scalax.config import DataConfig
from scalax.data.loading import KINDS
from scalax.data.named import held_out, splits_of_arrays, splits_of_tfds
from scalax.data.place import not_a_directory, place

READ_AS = {
    "arrays": "arrays",
    "folder": "a folder of images per class",
    "tfds": "a prepared TFDS dataset",
}  # in words


def recognised(config: DataConfig) -> dict[str, Any]:
    """The settings of data that fit what lies at `config.dir`; empty where `config.source` reads it.

    config: whose source was chosen for other data than those of `dir`.

    Raises UserError where it is a file of no kind that is known and `config.source` reads no directory.
    """
    path = place(config.dir)
    if config.source not in ("tfds", "arrays", "folder") and "dir" in KINDS.get(config.source).reads:
        return {}
    found: dict[str, Any] = {}
    if path.is_file():
        if config.source != "arrays" and path.suffix == ".npz":
            found = {"source": "arrays", "validation_split": held_out(splits_of_arrays(path))}
    elif path.is_dir() and config.source != "folder" and not _of_tfds(config, path):
        folders = [inside for inside in path.iterdir() if inside.is_dir()]
        for folder in (path, *sorted(folders, reverse=True)):
            if (splits := splits_of_tfds(folder)) is not None:
                found = {"source": "tfds", "dir": str(folder), "validation_split": held_out(splits)}
                break
        else:
            if folders:
                names = [folder.name for folder in folders]
                splits = names if "train" in names else []
                found = {"source": "folder", "validation_split": held_out(splits)}
    if not found and path.is_file() and "dir" not in KINDS.get(config.source).reads:
        raise not_a_directory(config.dir, path, "give one with a folder of images per class")
    return found and {"name": "", "train_split": "train", **found}


def _of_tfds(config: DataConfig, path: epath.Path) -> bool:
    """Whether it is where TFDS keeps the data set of the config, or that data set."""
    if config.source != "tfds":
        return False
    return (path / "dataset_info.json").is_file() or (bool(config.name) and (path / config.name).is_dir())
