"""Adaptive width on real photographs: a Vision Transformer that grows from 16 to 64 channels.

    python -m scalax.launch configs/adaptive_width.py --data.dir PATH/cifar10/VERSION
    python -m scalax.launch configs/adaptive_width.py:tiny_imagenet --data.dir PATH/tiny_imagenet_up/VERSION \
        --eval.probe-dir PATH/tiny_imagenet_down/VERSION

adaptive_patch.py with one patch size and three widths. New entries of wider weights are zero where they would
be heard, so that a change of width leaves the function as it was.
"""

import dataclasses
from pathlib import Path
from typing import Any

from scalax import launch
from scalax.config import MorphConfig
from scalax.config_adaptive import AdaptiveConfig

PATCH = Path(__file__).with_name("adaptive_patch.py")
GROWS: dict[str, Any] = {
    "morph": MorphConfig(width="zero"),
    "joint": True,
    "online": False,
    "baselines": ("linear", "logarithmic", "random"),
}


def config() -> AdaptiveConfig:
    patch = launch.load(str(PATCH))
    model = dataclasses.replace(patch.model, names=("V16-3", "V32-3", "V64-3"))
    return dataclasses.replace(patch, name="adaptive_width", model=model, patches=(16,), **GROWS)


def tiny_imagenet() -> AdaptiveConfig:
    patch = launch.load(f"{PATCH}:tiny_imagenet")
    model = dataclasses.replace(patch.model, names=("V16-3", "V32-3", "V64-3"))
    return dataclasses.replace(
        patch, name="adaptive_width_tiny_imagenet", model=model, patches=(32,), **GROWS
    )
