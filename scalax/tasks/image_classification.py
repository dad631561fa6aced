"""Images into classes: random crops and flips, smoothed cross-entropy, share of images wrong."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from scalax import data
from scalax.config import RunConfig
from scalax.data import Splits
from scalax.errors import UserError
from scalax.tasks import Batch, TaskKind


@dataclasses.dataclass(frozen=True)
class ImageClassification:
    """Raw examples: 'image' uint8 [H, W, C], 'label' int32 [].

    - image_shape: (H, W, C). outputs: classes.
    - resolution: side in pixels that the model sees images at; 0 is their own.
    - label_smoothing, crop_padding, flip, loss_name (OptimConfig.loss), resize: as in OptimConfig and
      DataConfig.
    - normalize: range of the pixels, of data.RANGES.
    """

    image_shape: tuple[int, ...]
    outputs: int
    label_smoothing: float
    crop_padding: int
    flip: bool
    loss_name: str = "softmax"
    normalize: str = "symmetric"
    resolution: int = 0
    resize: str = "linear"
    unit: str = "images"
    measured: tuple[str, ...] = ("val_error", "val_loss")

    @property
    def input(self) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((*self._size, self.image_shape[-1]), jnp.float32)

    @property
    def target(self) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((), jnp.int32)

    def describe(self) -> dict[str, int]:
        return {"classes": self.outputs}

    def model_options(self) -> dict[str, Any]:
        return {"image_size": self._size[0]}

    def at_resolution(self, resolution: int) -> "ImageClassification":
        """With images of so many pixels a side. Raises UserError where they would have to grow."""
        own = min(self.image_shape[:2])
        if resolution > own:
            raise UserError(
                f"resolution {resolution} is larger than the images, which have {own} px; choose {own} at"
                " most, or raise data.image_size"
            )
        return dataclasses.replace(self, resolution=0 if resolution == own else resolution)

    def prepare(self, batch: Batch, keys: Array | None) -> tuple[Array, Array]:
        """Images in the range that `normalize` names, resized after they were cropped and mirrored, and
        labels."""
        images = batch["image"]
        if keys is not None:
            images = data.augment(keys, images, self.crop_padding, self.flip)
        images = data.normalise(images, self.normalize)
        return data.resize(images, *self._size, self.resize), batch["label"]

    @property
    def _size(self) -> tuple[int, int]:
        """Rows and columns that the model sees."""
        height, width, _ = self.image_shape
        return (self.resolution, self.resolution) if self.resolution else (height, width)

    def loss(self, outputs: Array, targets: Array) -> Array:
        """Smoothed cross-entropy, nats: over the classes, or summed over one a class."""
        smooth = optax.smooth_labels(jax.nn.one_hot(targets, outputs.shape[-1]), self.label_smoothing)
        if self.loss_name == "sigmoid":
            return optax.sigmoid_binary_cross_entropy(outputs, smooth).sum(-1).mean()
        return optax.softmax_cross_entropy(outputs, smooth).mean()

    def scores(self, outputs: Array, targets: Array) -> dict[str, Array]:
        """wrong: 0 or 1. rank: how many classes the model thinks likelier than the right one, so that the
        top-5 error counts ranks of 5 and more. loss: cross-entropy without smoothing, nats."""
        right = jnp.take_along_axis(outputs, targets[:, None], -1)
        return {
            "rank": (~(outputs <= right)).sum(-1),  # of outputs that are not finite the last
            "wrong": (outputs.argmax(-1) != targets).astype(jnp.float32),
            "loss": optax.softmax_cross_entropy_with_integer_labels(outputs, targets),
        }

    def metrics(self, scores: Mapping[str, np.ndarray]) -> dict[str, float]:
        return {
            "val_error": float(scores["wrong"].mean()),
            "val_loss": float(scores["loss"].mean(dtype=np.float64)),
        }


def _open(config: RunConfig, splits: Splits) -> ImageClassification:
    example = splits.train.example
    if not {"image", "label"} <= example.keys():
        raise UserError(
            f"task image_classification needs images and labels; data.source {config.data.source!r} has"
            f" {', '.join(example)}"
        )
    normalize = "symmetric" if config.data.normalize == "auto" else config.data.normalize
    if normalize in ("imagenet", "clip") and example["image"].shape[-1] != 3:
        raise UserError(
            f"data.normalize {normalize} is of red, green and blue; {splits.train.source.name} has"
            f" {example['image'].shape[-1]} channels, so take symmetric or unit"
        )
    if splits.outputs < 2:
        raise UserError(
            f"{splits.train.source.name}: its images are of one class; give two or more to tell apart"
        )
    return ImageClassification(
        image_shape=example["image"].shape,
        outputs=splits.outputs,
        label_smoothing=config.optim.label_smoothing,
        crop_padding=config.data.crop_padding,
        flip=config.data.flip,
        loss_name=config.optim.loss,
        normalize=normalize,
        resize=config.data.resize,
    )


TASK = TaskKind("image_classification", _open)
