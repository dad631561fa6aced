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
from scalax.studies.adaptive import AdaptiveConfig

WIDTH = Path(__file__).with_name("adaptive_width.py")


def config() -> AdaptiveConfig:
    models = ("V32-1", "V32-2", "V32-4")
    return deeper(launch.load(str(WIDTH)), "adaptive_depth", models, patch=8)


def tiny_imagenet() -> AdaptiveConfig:
    models = ("V64-1", "V64-2", "V64-4")
    return deeper(launch.load(f"{WIDTH}:tiny_imagenet"), "adaptive_depth_tiny_imagenet", models, patch=16)


def deeper(study: AdaptiveConfig, name: str, models: tuple[str, ...], patch: int) -> AdaptiveConfig:
    """The study of widths as one of depths."""
    model = dataclasses.replace(study.run.model, names=models)
    run = dataclasses.replace(study.run, model=model, morph=MorphConfig(blocks="split"))
    return dataclasses.replace(study, run=run, name=name, patches=(patch,))
