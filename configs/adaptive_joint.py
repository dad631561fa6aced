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

from scalax import launch
from scalax.config_adaptive import AdaptiveConfig

HERE = Path(__file__).parent


def config() -> AdaptiveConfig:
    width = launch.load(f"{HERE}/adaptive_width.py")
    model = dataclasses.replace(width.model, names=("V16-3", "V32-3"))
    return dataclasses.replace(width, name="adaptive_joint", model=model, patches=(16, 8, 4))


def tiny_imagenet() -> AdaptiveConfig:
    width = launch.load(f"{HERE}/adaptive_width.py:tiny_imagenet")
    model = dataclasses.replace(width.model, names=("V32-3", "V64-3"))
    return dataclasses.replace(width, name="adaptive_joint_tiny_imagenet", model=model, patches=(32, 16, 8))
