"""Random access to the decoded images of digits, TFDS datasets, folders and arrays."""

import dataclasses
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from etils import epath

from scalax.config import DataConfig
from scalax.errors import UserError, suggest

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".ppm"}
HOLD_OUT_SEED = 0  # fixed, so that every run of every study holds out the same images


@dataclasses.dataclass(frozen=True)
class Source:
    """A sequence of examples {'image': uint8 [H, W, C], 'label': int32} of one split.

    `rows` are the indices of `records` that belong to it; `image` and `label` read one record.
    """

    name: str
    records: Sequence[Any]
    rows: np.ndarray
    image: Callable[[Any], np.ndarray]
    label: Callable[[Any], int]
    classes: int

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        row = int(self.rows[index])
        what = f"of record {row}"
        try:
            record = self.records[row]
            what = record[0] if isinstance(record, tuple) else what
            image = self.image(record)
        except Exception as e:  # readers and decoders raise what they like for a damaged file
            raise UserError(f"{self.name}: cannot read image {what} ({_first_line(e)}); mend it") from None
        return {"image": image, "label": np.asarray(self._checked_label(row, record), np.int32)}

    def labels(self) -> np.ndarray:
        """int32 [N], without decoding an image."""
        return np.array([self._checked_label(row, self.records[row]) for row in self.rows.tolist()], np.int32)

    def _checked_label(self, row: int, record) -> int:
        label = int(self.label(record))
        if not 0 <= label < self.classes:
            raise UserError(f"{self.name}: label {label} of record {row} is not in 0..{self.classes - 1}")
        return label

    def take(self, rows: np.ndarray) -> "Source":
        return dataclasses.replace(self, rows=self.rows[rows])


def open_sources(config: DataConfig) -> tuple[Source, Source]:
    """(training, validation), disjoint and the same for every seed.

    Raises UserError where a directory, split, or file is missing or unreadable.
    """
    opener = {"digits": _digits, "arrays": _arrays, "folder": _folder, "tfds": _tfds}[config.source]
    train = opener(config, config.train_split)
    order = np.random.default_rng(HOLD_OUT_SEED).permutation(len(train))
    if config.validation_split:
        validation = opener(config, config.validation_split)
        held_out = np.random.default_rng(HOLD_OUT_SEED).permutation(len(validation))
    else:
        count = max(1, round(config.validation_share * len(train)))
        order, held_out = order[count:], order[:count]
        validation = train
    if not len(order) or not len(held_out):
        raise UserError(f"{train.name}: {len(train)} images are too few to train on and hold some out")
    order = np.sort(order[: config.max_train_images or None])
    held_out = np.sort(held_out[: config.max_validation_images or None])
    return train.take(order), validation.take(held_out)


def _digits(config: DataConfig, split: str) -> Source:
    from sklearn.datasets import load_digits

    if split != "train":
        raise UserError(f"digits has the split train only, got {split!r}; leave data.validation_split empty")
    digits: Any = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return _from_arrays("digits", images, digits.target, 10, config)


def _arrays(config: DataConfig, split: str) -> Source:
    path = epath.Path(config.dir).expanduser()
    if not path.is_file():
        raise UserError(f"data.dir {config.dir}: no such file; give a .npz with images and labels")
    prefix, train_prefix = ("" if s == "train" else f"{s}_" for s in (split, config.train_split))
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            images, labels = file[f"{prefix}images"], file[f"{prefix}labels"]
            train_labels = file[f"{train_prefix}labels"]
    except (AttributeError, KeyError, ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile) as e:
        raise UserError(
            f"data.dir {config.dir}: cannot read {prefix}images and {prefix}labels from it ({e})"
        ) from None
    if train_labels.dtype.kind not in "iu" or not train_labels.size:
        raise UserError(f"{path.name}: {train_prefix}labels must be whole numbers, got {train_labels.dtype}")
    classes = np.unique(train_labels)
    if classes[0] != 0 or classes[-1] != len(classes) - 1:
        raise UserError(
            f"{path.name}: {train_prefix}labels must be 0..{len(classes) - 1} for {len(classes)} classes,"
            f" got {classes[0]}..{classes[-1]}; number them anew"
        )
    return _from_arrays(path.name, images, labels, len(classes), config)


def _from_arrays(
    name: str, images: np.ndarray, labels: np.ndarray, classes: int, config: DataConfig
) -> Source:
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[3:] > (4,):
        raise UserError(
            f"{name}: images must be uint8 [N, H, W] or [N, H, W, C] with C up to 4, got {images.dtype}"
            f" {list(images.shape)}"
        )
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise UserError(
            f"{name}: labels must be whole numbers [{len(images)}], got {labels.dtype} {list(labels.shape)}"
        )
    images = images[..., None] if images.ndim == 3 else images
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise UserError(f"{name}: label {labels[wrong[0]]} of record {wrong[0]} is not in 0..{classes - 1}")
    rows = np.arange(len(images))
    return Source(
        name,
        range(len(images)),
        rows,
        lambda i: resize(images[i], config.image_size),
        labels.__getitem__,
        classes,
    )


def _folder(config: DataConfig, split: str) -> Source:
    root = epath.Path(config.dir).expanduser()
    if not root.is_dir():
        raise UserError(
            f"data.dir {config.dir}: no such directory; give one with a folder of images per class"
        )
    for wanted in {split, config.train_split} if config.validation_split else ():
        if not (root / wanted).is_dir():
            raise UserError(
                f"data.dir {config.dir}: no folder {wanted!r}; set data.train_split and"
                " data.validation_split, or leave the second empty to hold out a share"
            )
    train_root, root = (root / s if (root / s).is_dir() else root for s in (config.train_split, split))
    names = _folders(train_root)  # labels go by the training split's folders, whatever another one lacks
    if unknown := set(_folders(root)) - set(names):
        raise UserError(f"{root}: class {min(unknown)!r} is not in {train_root}; remove or add it")
    records = [
        (str(path), label)
        for label, name in enumerate(names)
        for path in (_files(root / name) if (root / name).is_dir() else ())
        if path.suffix.lower() in IMAGE_SUFFIXES
    ]
    if not records:
        raise UserError(f"{root}: no images in folders of classes ({', '.join(sorted(IMAGE_SUFFIXES))})")

    def image(record: tuple[str, int]) -> np.ndarray:
        return decode_image(epath.Path(record[0]).read_bytes(), config.image_size)

    return Source(str(root), records, np.arange(len(records)), image, lambda record: record[1], len(names))


def _files(root: epath.Path) -> Iterator[epath.Path]:
    for path in sorted(root.iterdir()):
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _folders(root: epath.Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _tfds(config: DataConfig, split: str) -> Source:
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
        raise UserError(f"{where}: cannot be read as array_record ({_first_line(e)}); {prepare}") from None

    def image(record: dict[str, Any]) -> np.ndarray:
        return decode_image(record["image"], config.image_size)

    classes = features["label"].num_classes
    name = f"{builder.info.full_name} {split}"
    return Source(name, records, np.arange(len(records)), image, lambda record: record["label"], classes)


def _first_line(error: Exception) -> str:
    text = re.sub(r" <_?io\.\w+ object at \w+>", "", f"{type(error).__name__}: {error}")
    return text.splitlines()[0][:200]


def decode_image(encoded: bytes, size: int) -> np.ndarray:
    """RGB uint8 [size, size, 3] of an encoded image of any mode."""
    from PIL import Image

    with Image.open(io.BytesIO(encoded)) as image:
        return resize(np.asarray(image.convert("RGB")), size)


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 [H, W, C] to [size, size, C]: the central square, antialiased."""
    height, width = image.shape[:2]
    if height == width == size:
        return image
    from PIL import Image

    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    channels = [
        np.asarray(Image.fromarray(square[..., c]).resize((size, size), Image.Resampling.BICUBIC))
        for c in range(square.shape[-1])
    ]
    return np.stack(channels, axis=-1)
