"""Adaptive depth on real photographs: a Vision Transformer that grows from one block to four.

    python -m scalax.launch configs/adaptive_depth.py --data.dir PATH/cifar10/VERSION
    python -m scalax.launch configs/adaptive_depth.py:tiny_imagenet --data.dir PATH/tiny_imagenet_up/VERSION \
        --eval.probe-dir PATH/tiny_imagenet_down/VERSION

adaptive_patch.py with one patch size and three depths. New blocks are copies of the old ones and share their
work.
"""

import dataclasses
from pathlib import Path

from scalax import launch
from scalax.config import MorphConfig
from scalax.config_adaptive import AdaptiveConfig

WIDTH = Path(__file__).with_name("adaptive_width.py")
MORPH = MorphConfig(blocks="split")


def config() -> AdaptiveConfig:
    width = launch.load(str(WIDTH))
    model = dataclasses.replace(width.model, names=("V32-1", "V32-2", "V32-4"))
    return dataclasses.replace(width, name="adaptive_depth", model=model, patches=(8,), morph=MORPH)


def tiny_imagenet() -> AdaptiveConfig:
    width = launch.load(f"{WIDTH}:tiny_imagenet")
    model = dataclasses.replace(width.model, names=("V64-1", "V64-2", "V64-4"))
    return dataclasses.replace(
        width, name="adaptive_depth_tiny_imagenet", model=model, patches=(16,), morph=MORPH
    )
