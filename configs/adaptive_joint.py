"""Patch size and width together, on real photographs: six shapes that a model may go through.

    python -m scalax.launch configs/adaptive_joint.py --data.dir PATH/cifar10/VERSION
    python -m scalax.launch configs/adaptive_joint.py:tiny_imagenet --data.dir PATH/tiny_imagenet_up/VERSION \
        --eval.probe-dir PATH/tiny_imagenet_down/VERSION

adaptive_patch.py with two widths; depths would do as well (add V16-6 to --model.names). Runs of the static
shapes that adaptive_patch.py and adaptive_width.py made can be taken over: copy their runs/ and tuning/ into
--out.
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
    model = dataclasses.replace(patch.model, names=("V16-3", "V32-3"))
    return dataclasses.replace(patch, name="adaptive_joint", model=model, **GROWS)


def tiny_imagenet() -> AdaptiveConfig:
    patch = launch.load(f"{PATCH}:tiny_imagenet")
    model = dataclasses.replace(patch.model, names=("V32-3", "V64-3"))
    return dataclasses.replace(patch, name="adaptive_joint_tiny_imagenet", model=model, **GROWS)
