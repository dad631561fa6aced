"""A TFDS dataset prepared as array_record, by its name or its directory. Reading one needs no TensorFlow."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from scalax.config import DataConfig
from scalax.data.depth import Depth
from scalax.data.images import decode_image
from scalax.data.kind import Kind
from scalax.data.place import not_a_directory, place
from scalax.data.source import Source, first_line
from scalax.distribution import install
from scalax.errors import UserError, suggest

PREPARE = f"prepare it with TensorFlow ({install('tfds')}, then tfds build --file_format=array_record)"


def open_tfds(config: DataConfig, split: str) -> Source:
    where = f"data.dir {config.dir}" if config.dir else f"data.name {config.name}"
    builder = open_builder(config.name, config.dir, where)
    records = read_split(builder, split, where, ("image", "label"))
    depth = depth_of(builder, where)

    def read_record(record: dict[str, Any]) -> dict[str, np.ndarray]:
        return {"image": decode_image(record["image"], config, depth)}

    label = builder.info.features["label"]
    classes, names = label.num_classes, tuple(label.names or ())
    name = f"{builder.info.full_name} {split}"
    rows = np.arange(len(records))
    return Source(name, records, rows, read_record, classes, lambda record: record["label"], names)


def open_builder(name: str, folder: str, where: str) -> Any:
    """A prepared TFDS dataset.

    - name: of the dataset; may be empty where the folder holds its files.
    - folder: that of its files, or the one that TFDS keeps datasets in; empty takes TFDS's own.
    - where: names it in errors.

    Raises UserError where there is none.
    """
    import tensorflow_datasets as tfds

    with _in_one_line(where):
        directory = place(folder)
        if folder and (directory / "dataset_info.json").is_file():
            return tfds.builder_from_directory(str(directory))
        if folder and not directory.is_dir():
            raise not_a_directory(folder, directory, "give a prepared TFDS dataset")
        if not name:
            raise UserError(f"{where}: no dataset_info.json in it; give the version's directory")
        try:
            return tfds.builder(name, data_dir=folder or None, file_format="array_record")
        except tfds.core.DatasetNotFoundError:
            raise UserError(
                f"data.name {name!r} is not a TFDS dataset; see tensorflow.org/datasets"
            ) from None


def read_split(builder: Any, split: str, where: str, needed: Sequence[str]) -> Any:
    """The records of a split, with their images still encoded.

    - builder: of the dataset.
    - split: such as 'train' or 'train[:80%]'.
    - where: names it in errors.
    - needed: features that it must have.

    Raises UserError where it lacks the split or a feature, or cannot be read.
    """
    import tensorflow_datasets as tfds

    skip: Any = tfds.decode.SkipDecoding
    with _in_one_line(where):
        whole = split.partition("[")[0]
        if whole not in builder.info.splits:
            found = suggest(whole, builder.info.splits) if builder.info.splits else ""
            raise UserError(f"{where}: no prepared split {whole!r}{found}; {PREPARE}")
        features: Any = builder.info.features
        if not set(needed) <= set(features):
            raise UserError(f"{where}: features are {', '.join(features)}; need {' and '.join(needed)}")
        # TFDS decodes images by TensorFlow, those of other features too.
        images = [name for name, feature in features.items() if isinstance(feature, tfds.features.Image)]
        if "image" in images and np.dtype(features["image"].np_dtype) not in (np.uint8, np.uint16):
            raise UserError(  # TFDS writes others as the bytes of PNGs that look like RGBA
                f"{where}: its images are of {features['image'].np_dtype}; only uint8 and uint16 are read"
            )
        return builder.as_data_source(split, decoders={name: skip() for name in images})


def depth_of(builder: Any, where: str) -> Depth:
    """The scale of grey images of more than 8 bits, of all splits that are prepared.

    - builder: of the dataset.
    - where: names it in errors.
    """
    sources: dict[str, Any] = {}

    def every() -> list[tuple[str, int]]:
        for split in builder.info.splits:
            sources[split] = read_split(builder, split, where, ("image",))
        return [(split, row) for split, source in sources.items() for row in range(len(source))]

    return Depth(every, lambda record: sources[record[0]][record[1]]["image"])


@contextmanager
def _in_one_line(where: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as e:  # damaged or foreign files fail in any layer of the reader
        raise UserError(f"{where}: cannot be read as array_record ({first_line(e)}); {PREPARE}") from None


def check_place(config: DataConfig) -> None:
    if not (config.dir or config.name):
        raise UserError("data.dir and data.name are empty; data.source 'tfds' needs one of them")


KIND = Kind("tfds", open_tfds, check_place)
