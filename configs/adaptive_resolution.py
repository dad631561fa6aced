"""Adaptive resolution (progressive resizing) on real photographs, against every fixed one, three seeds.

    python -m scalax.launch configs/adaptive_resolution.py --data.dir PATH/cifar10/VERSION

--data.dir is a prepared TFDS dataset in array_record format; or give --data.source folder or arrays. Images
are resized in the training step, after they were cropped and mirrored, and a run is evaluated at the
resolution that it has by then. The learning rate of each resolution is searched first. Launches that share
--out share the runs out: start one for each core.
"""

from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.studies.adaptive import AdaptiveConfig, TuneConfig


def config() -> AdaptiveConfig:
    return AdaptiveConfig(
        run=RunConfig(
            data=DataConfig(
                source="tfds",
                name="cifar10",
                image_size=32,
                validation_split="test",
                max_validation_images=10_000,
                crop_padding=4,
                flip=True,
            ),
            model=ModelConfig(names=("V16-3",), base_patch=4, base_grid=8, head_dim=8),
            optim=OptimConfig(lr=4e-3, warmup_steps=100),
            eval=EvalConfig(points=32, batch_size=500, shots=0),
            batch_size=64,
            budget_flops=1.25e12,
            checkpoint_steps=5000,
        ),
        name="adaptive_resolution",
        patches=(4,),
        resolutions=(8, 12, 16, 20, 24, 32),
        seeds=(0, 1, 2),
        tune=TuneConfig(share=0.05, lrs=(2e-3, 4e-3, 8e-3)),
        online=True,
        baselines=("logarithmic", "progressive"),
    )
