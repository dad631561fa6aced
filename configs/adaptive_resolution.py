"""Adaptive resolution (progressive resizing) on real photographs, against every fixed one, two seeds.

    python -m scalax.launch configs/adaptive_resolution.py --data.dir PATH/cifar10/VERSION
    python -m scalax.launch configs/adaptive_resolution.py:tiny_imagenet \
        --data.dir PATH/tiny_imagenet_up/VERSION

--data.dir is a prepared TFDS dataset in array_record format; or give --data.source folder or arrays. Images
are resized in the training step, after they were cropped and mirrored, and a run is evaluated at the
resolution that it has by then. The learning rate of each resolution is searched first. Launches that share
--out share the runs out: start one for each core.
"""

import dataclasses
from pathlib import Path

from scalax import launch
from scalax.studies.adaptive import AdaptiveConfig, TuneConfig

PATCH = Path(__file__).with_name("adaptive_patch.py")


def config() -> AdaptiveConfig:
    patch = launch.load(f"{PATCH}:by_errors")
    run = dataclasses.replace(
        patch.run,
        data=dataclasses.replace(patch.run.data, max_validation_images=10_000),
        model=dataclasses.replace(patch.run.model, base_patch=4, base_grid=8),
        budget_flops=1.25e12,
    )
    return dataclasses.replace(
        patch,
        run=run,
        name="adaptive_resolution",
        seeds=(0, 1),
        patches=(4,),
        resolutions=(8, 12, 16, 20, 24, 32),
        tune=TuneConfig(share=0.05, lrs=(2e-3, 4e-3, 8e-3)),
        baselines=("logarithmic", "progressive"),
    )


def tiny_imagenet() -> AdaptiveConfig:
    """Images of 64 pixels, of which a model sees 16, 24, 32 or 48: with this budget and all 64 it would see
    each image less than four times."""
    cifar, patch = config(), launch.load(f"{PATCH}:tiny_imagenet")
    run = dataclasses.replace(
        patch.run,
        model=dataclasses.replace(patch.run.model, base_patch=8, base_grid=8),
        eval=dataclasses.replace(cifar.run.eval, points=32),
        budget_flops=4e12,
    )
    return dataclasses.replace(
        cifar,
        run=run,
        name="adaptive_resolution_tiny_imagenet",
        patches=(8,),
        resolutions=(16, 24, 32, 48),
        carry="examples",
        online=False,
        baselines=(),
    )
