"""Adaptive width on real photographs: a Vision Transformer that grows from 16 to 64 channels.

    python -m scalax.launch configs/adaptive_width.py --data.dir PATH/cifar10/VERSION
    python -m scalax.launch configs/adaptive_width.py:tiny_imagenet --data.dir PATH/tiny_imagenet_up/VERSION \
        --eval.probe-dir PATH/tiny_imagenet_down/VERSION
    python -m scalax.launch configs/adaptive_width.py:scaled --data.dir PATH/cifar10/VERSION

adaptive_patch.py with one patch size and three widths. New entries of wider weights are zero where they would
be heard, so that a change of width leaves the function as it was. With `:scaled` learning rates and initial
values follow the width (optim.base_width), and rates alone are searched.
"""

import dataclasses
from pathlib import Path

from scalax import launch
from scalax.config import MorphConfig
from scalax.studies.adaptive import AdaptiveConfig, TuneConfig

PATCH = Path(__file__).with_name("adaptive_patch.py")
MODELS = ("V16-3", "V32-3", "V64-3")


def config() -> AdaptiveConfig:
    return grows(launch.load(f"{PATCH}:by_errors"), "adaptive_width", patch=16)


def tiny_imagenet() -> AdaptiveConfig:
    return grows(launch.load(f"{PATCH}:tiny_imagenet"), "adaptive_width_tiny_imagenet", patch=32)


def scaled() -> AdaptiveConfig:
    plain = config()
    run = dataclasses.replace(
        plain.run,
        data=dataclasses.replace(plain.run.data, max_validation_images=10_000),
        optim=dataclasses.replace(plain.run.optim, lr=8e-3, base_width=16),
    )
    tune = TuneConfig(share=0.1, lrs=(4e-3, 8e-3, 1.6e-2))
    return dataclasses.replace(
        plain, run=run, name="adaptive_width_scaled", tune=tune, baselines=("linear", "logarithmic")
    )


def grows(study: AdaptiveConfig, name: str, patch: int) -> AdaptiveConfig:
    """The study of patch sizes as one of widths, at one patch size."""
    model = dataclasses.replace(study.run.model, names=MODELS)
    return dataclasses.replace(
        study,
        run=dataclasses.replace(study.run, model=model, morph=MorphConfig(width="zero")),
        name=name,
        patches=(patch,),
        joint=True,
        online=False,
        baselines=("linear", "logarithmic", "random"),
    )
