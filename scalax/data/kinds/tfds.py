"""A TFDS dataset prepared as array_record, by its name or its directory. Reading one needs no TensorFlow."""

from typing import Any

import numpy as np
from etils import epath

from scalax.config import DataConfig
from scalax.data.images import decode_image
from scalax.data.kind import Kind
from scalax.data.source import Source, first_line
from scalax.errors import UserError, suggest


def open_tfds(config: DataConfig, split: str) -> Source:
    import tensorflow_datasets as tfds

    where = f"data.dir {config.dir}" if config.dir else f"data.name {config.name}"
    prepare = (
        "prepare it with TensorFlow (pip install 'scalax[tfds]', then tfds build --file_format=array_record)"
    )
    skip: Any = tfds.decode.SkipDecoding
    try:
        directory = epath.Path(config.dir).expanduser()
        if config.dir and (directory / "dataset_info.json").is_file():
            builder: Any = tfds.builder_from_directory(str(directory))
        elif config.dir and not directory.is_dir():
            raise UserError(f"{where}: no such directory; give a prepared TFDS dataset")
        elif not config.name:
            raise UserError(f"{where}: no dataset_info.json in it; give the version's directory")
        else:
            builder = tfds.builder(config.name, data_dir=config.dir or None, file_format="array_record")
        if split not in builder.info.splits:
            found = suggest(split, builder.info.splits) if builder.info.splits else ""
            raise UserError(f"{where}: no prepared split {split!r}{found}; {prepare}")
        features: Any = builder.info.features
        if not {"image", "label"} <= set(features):
            raise UserError(f"{where}: features are {', '.join(features)}; need image and label")
        records: Any = builder.as_data_source(split, decoders={"image": skip()})
    except tfds.core.DatasetNotFoundError:
        raise UserError(
            f"data.name {config.name!r} is not a TFDS dataset; see tensorflow.org/datasets"
        ) from None
    except UserError:
        raise
    except Exception as e:  # damaged or foreign files fail in any layer of the reader
        raise UserError(f"{where}: cannot be read as array_record ({first_line(e)}); {prepare}") from None

    def read_record(record: dict[str, Any]) -> dict[str, np.ndarray]:
        return {"image": decode_image(record["image"], config.image_size)}

    classes = features["label"].num_classes
    name = f"{builder.info.full_name} {split}"
    rows = np.arange(len(records))
    return Source(name, records, rows, read_record, classes, lambda record: record["label"])


def check_place(config: DataConfig) -> None:
    if not (config.dir or config.name):
        raise UserError("data.dir and data.name are empty; data.source 'tfds' needs one of them")


KIND = Kind("tfds", open_tfds, check_place)
