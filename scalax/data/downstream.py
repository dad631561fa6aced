"""Downstream tasks by name: which TFDS dataset, which splits, and how a record becomes a label."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

Record = Mapping[str, Any]


class Downstream(NamedTuple):
    """One task of images.

    - dataset: TFDS name, with the config that the task needs.
    - train, test: TFDS splits. Sets with one split are parted as in VTAB or by the few-shot sets of ViT.
    - classes: of the task; None takes those of the feature `label`.
    - label: from a record to its class.
    - needed: features that this reads.
    - brightness: what pixels are multiplied by, where they are not 0..255.
    """

    dataset: str
    train: str = "train"
    test: str = "test"
    classes: int | None = None
    label: Callable[[Record], int] = lambda record: int(record["label"])
    needed: tuple[str, ...] = ("label",)
    brightness: int = 1


def binned(feature: str, values: int, bins: int) -> Callable[[Record], int]:
    """Neighbouring values of a feature as one class, floor(value * bins / values).

    - feature: whole numbers, 0 to values - 1.
    - values: how many there are.
    - bins: classes.
    """
    return lambda record: int(record[feature]) * bins // values


def clevr_count(record: Record) -> int:
    """Objects in the scene, 3 to 10, as class 0 to 7."""
    return len(record["objects"]["size"]) - 3


def clevr_distance(record: Record) -> int:
    """Distance of the nearest object from the camera, in bins with these lower edges (VTAB)."""
    return _bin(np.min(record["objects"]["pixel_coords"][:, 2]), (0.0, 8.0, 8.5, 9.0, 9.5, 10.0))


def kitti_distance(record: Record) -> int:
    """Distance of the nearest car, van or truck in metres: below 8, 8 to 20, farther, none (VTAB)."""
    vehicle = np.asarray(record["objects"]["type"]) < 3
    depth = np.asarray(record["objects"]["location"])[:, 2] if len(vehicle) else np.zeros(0)
    return _bin(np.min(depth[vehicle], initial=1000.0), (-100.0, 8.0, 20.0, 999.0))


def _bin(value: float, lower_edges: tuple[float, ...]) -> int:
    """The last bin whose lower edge is below the value."""
    return max(0, int(np.searchsorted(lower_edges, value, side="left")) - 1)


def _feature(name: str, values: int, bins: int | None = None) -> dict[str, Any]:
    bins = bins or values
    return {"classes": bins, "label": binned(name, values, bins), "needed": (name,)}


def _objects(classes: int, label: Callable[[Record], int]) -> dict[str, Any]:
    return {"classes": classes, "label": label, "needed": ("objects",)}


# The sets of 'Exploring the Limits of Large Scale Pre-training': VTAB's 19 (Zhai et al. 2019, whose labels
# and test splits these are), the further few-shot sets of ViT, ImageNet and CIFAR-10.
DOWNSTREAM = {
    "imagenet": Downstream("imagenet2012", test="validation"),
    "cifar10": Downstream("cifar10"),
    "cifar100": Downstream("cifar100"),
    "caltech101": Downstream("caltech101"),
    "dtd": Downstream("dtd"),
    "flowers102": Downstream("oxford_flowers102"),
    "pets": Downstream("oxford_iiit_pet"),
    "sun397": Downstream("sun397"),
    "svhn": Downstream("svhn_cropped"),
    "camelyon": Downstream("patch_camelyon"),
    "eurosat": Downstream("eurosat", "train[:80%]", "train[80%:]"),
    "resisc45": Downstream("resisc45", "train[:80%]", "train[80%:]"),
    "retinopathy": Downstream("diabetic_retinopathy_detection/btgraham-300"),
    "clevr_count": Downstream("clevr", test="validation", **_objects(8, clevr_count)),
    "clevr_distance": Downstream("clevr", test="validation", **_objects(6, clevr_distance)),
    "dmlab": Downstream("dmlab"),
    "dsprites_location": Downstream(
        "dsprites", "train[:90%]", "train[90%:]", brightness=255, **_feature("label_x_position", 32, 16)
    ),
    "dsprites_orientation": Downstream(
        "dsprites", "train[:90%]", "train[90%:]", brightness=255, **_feature("label_orientation", 40, 16)
    ),
    "kitti_distance": Downstream("kitti", **_objects(4, kitti_distance)),
    "smallnorb_azimuth": Downstream("smallnorb", test="test[50%:]", **_feature("label_azimuth", 18)),
    "smallnorb_elevation": Downstream("smallnorb", test="test[50%:]", **_feature("label_elevation", 9)),
    "birds": Downstream("caltech_birds2011"),
    "cars": Downstream("cars196"),
    "colhist": Downstream("colorectal_histology", "train[:2000]", "train[2000:]"),
    "uc_merced": Downstream("uc_merced", "train[:1000]", "train[1000:]"),
}
