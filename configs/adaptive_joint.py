"""Patch size with width, or with resolution, on real photographs: six shapes that a model may go through.

    python -m scalax.launch configs/adaptive_joint.py --data.dir PATH/cifar10/VERSION
    python -m scalax.launch configs/adaptive_joint.py:tiny_imagenet --data.dir PATH/tiny_imagenet_up/VERSION \
        --eval.probe-dir PATH/tiny_imagenet_down/VERSION
    python -m scalax.launch configs/adaptive_joint.py:resolutions --data.dir PATH/cifar10/VERSION

The last has two patch sizes at three resolutions. The others are adaptive_patch.py:by_errors with two widths;
depths would do as well (add V16-6 to --model.names). Runs of the static shapes that it and adaptive_width.py
made can be taken over: copy their runs/ and tuning/ into --out.
"""

import dataclasses
from pathlib import Path

from scalax import launch
from scalax.studies.adaptive import AdaptiveConfig, TuneConfig

WIDTH = Path(__file__).with_name("adaptive_width.py")
PATCH = Path(__file__).with_name("adaptive_patch.py")


def config() -> AdaptiveConfig:
    return joint(launch.load(str(WIDTH)), "adaptive_joint", ("V16-3", "V32-3"), patches=(16, 8, 4))


def tiny_imagenet() -> AdaptiveConfig:
    study = launch.load(f"{WIDTH}:tiny_imagenet")
    return joint(study, "adaptive_joint_tiny_imagenet", ("V32-3", "V64-3"), patches=(32, 16, 8))


def resolutions() -> AdaptiveConfig:
    """Patch sizes and resolutions together, planned by examples: 4, 9, 16, 36 and 64 tokens."""
    study = launch.load(str(PATCH))
    return dataclasses.replace(
        study,
        run=dataclasses.replace(study.run, budget_flops=3e12),
        name="adaptive_joint_resolutions",
        joint=True,
        patches=(8, 4),
        resolutions=(16, 24, 32),
        seeds=(0, 1),
        tune=TuneConfig(share=0.05, lrs=(2e-3, 4e-3, 8e-3)),
    )


def joint(
    study: AdaptiveConfig, name: str, models: tuple[str, ...], patches: tuple[int, ...]
) -> AdaptiveConfig:
    """The study of widths at several patch sizes."""
    run = dataclasses.replace(study.run, model=dataclasses.replace(study.run.model, names=models))
    return dataclasses.replace(study, run=run, name=name, patches=patches)
