"""A downstream task by its name in data.downstream; its splits are 'train' and 'test'."""

from typing import Any

import numpy as np

from scalax.config import DataConfig
from scalax.data.downstream import DOWNSTREAM
from scalax.data.images import decode_image
from scalax.data.kind import Kind
from scalax.data.kinds.tfds import depth_of, open_builder, read_split
from scalax.data.source import Source
from scalax.errors import UserError, suggest


def open_downstream(config: DataConfig, split: str) -> Source:
    task = DOWNSTREAM[config.name]
    where = f"data.name {config.name}"
    builder = open_builder(task.dataset, config.dir, where)
    records = read_split(builder, getattr(task, split), where, ("image", *task.needed))
    depth = depth_of(builder, where)
    classes = builder.info.features["label"].num_classes if task.classes is None else task.classes

    def read_record(record: dict[str, Any]) -> dict[str, np.ndarray]:
        return {"image": decode_image(record["image"], config, depth) * np.uint8(task.brightness)}

    return Source(
        f"{config.name} {split}", records, np.arange(len(records)), read_record, classes, task.label
    )


def check_task(config: DataConfig) -> None:
    if config.name not in DOWNSTREAM:
        raise UserError(f"data.name {config.name!r} is no downstream task{suggest(config.name, DOWNSTREAM)}")
    for name in ("train_split", "validation_split"):
        if (split := getattr(config, name)) not in ("train", "test"):
            raise UserError(f"data.{name} {split!r}: a downstream task has the splits train and test")


KIND = Kind("downstream", open_downstream, check_task)
