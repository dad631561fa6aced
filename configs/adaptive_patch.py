"""Adaptive patch size on real photographs, tuned, three seeds.

    python -m scalax.launch configs/adaptive_patch.py --data.dir PATH/cifar10/VERSION
    python -m scalax.launch configs/adaptive_patch.py:by_errors --data.dir PATH/cifar10/VERSION
    python -m scalax.launch configs/adaptive_patch.py:tiny_imagenet --data.dir PATH/tiny_imagenet_up/VERSION \
        --eval.probe-dir PATH/tiny_imagenet_down/VERSION

--data.dir is a prepared TFDS dataset in array_record format; or give --data.source folder or arrays. The
learning rate, batch size and weight decay of each shape are searched first. Launches that share --out share
the runs out: start one for each core.
"""

import dataclasses

from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.studies.adaptive import AdaptiveConfig, TuneConfig


def config() -> AdaptiveConfig:
    """Long enough for every patch size to have its turn, and planned by examples."""
    study = by_errors()
    run = dataclasses.replace(
        study.run,
        data=dataclasses.replace(study.run.data, max_validation_images=10_000),
        eval=dataclasses.replace(study.run.eval, points=40),
        budget_flops=4e12,
    )
    tune = dataclasses.replace(study.tune, share=0.05)
    return dataclasses.replace(
        study,
        run=run,
        name="adaptive_patch",
        tune=tune,
        carry="examples",
        online=False,
        baselines=(),
    )


def by_errors() -> AdaptiveConfig:
    """The paper's plan, with 2 TFLOP a run, beside online ones and every baseline. The studies of width,
    depth and resolution take over what is not theirs from it."""
    return AdaptiveConfig(
        run=RunConfig(
            data=DataConfig(
                source="tfds",
                name="cifar10",
                image_size=32,
                validation_split="test",
                max_validation_images=5000,
                crop_padding=4,
                flip=True,
            ),
            model=ModelConfig(names=("V16-3",), base_patch=8, base_grid=4, head_dim=8),
            optim=OptimConfig(lr=4e-3, warmup_steps=100),
            eval=EvalConfig(points=32, batch_size=500, shots=0),
            batch_size=64,
            budget_flops=2e12,
            checkpoint_steps=5000,
        ),
        name="adaptive_patch_by_errors",
        patches=(16, 8, 4),
        seeds=(0, 1, 2),
        tune=TuneConfig(
            share=0.1, lrs=(2e-3, 4e-3, 8e-3), batch_sizes=(32, 64, 128), weight_decays=(0.01, 0.1)
        ),
        online=True,
        baselines=("linear", "logarithmic", "random", "flexi"),
    )


def tiny_imagenet() -> AdaptiveConfig:
    cifar = by_errors()
    run = cifar.run
    data = dataclasses.replace(run.data, name="tiny_imagenet", image_size=64, validation_split="validation")
    run = dataclasses.replace(
        run,
        data=data,
        model=dataclasses.replace(run.model, names=("V32-3",), base_patch=16, head_dim=16),
        eval=EvalConfig(points=24, batch_size=500, draws=3, probe_validation_split="validation"),
        budget_flops=3e12,
    )
    return dataclasses.replace(cifar, run=run, name="adaptive_patch_tiny_imagenet", patches=(32, 16, 8))
