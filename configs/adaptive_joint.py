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
from scalax.studies.adaptive import AdaptiveConfig

WIDTH = Path(__file__).with_name("adaptive_width.py")


def config() -> AdaptiveConfig:
    return joint(launch.load(str(WIDTH)), "adaptive_joint", ("V16-3", "V32-3"), patches=(16, 8, 4))


def tiny_imagenet() -> AdaptiveConfig:
    study = launch.load(f"{WIDTH}:tiny_imagenet")
    return joint(study, "adaptive_joint_tiny_imagenet", ("V32-3", "V64-3"), patches=(32, 16, 8))


def joint(
    study: AdaptiveConfig, name: str, models: tuple[str, ...], patches: tuple[int, ...]
) -> AdaptiveConfig:
    """The study of widths at several patch sizes."""
    run = dataclasses.replace(study.run, model=dataclasses.replace(study.run.model, names=models))
    return dataclasses.replace(study, run=run, name=name, patches=patches)
