"""Adaptive patch size on crops of photographs that come with scikit-image and scikit-learn.

    python -m scalax.launch configs/quickstart.py
    python -m scalax.launch configs/quickstart.py:rates

The task: from which of 19 photographs is a grey crop of 32x32 pixels? The first command trains three Vision
Transformers with patches of 16 pixels and three with patches of 8 (a seed each), fits a law to each patch
size, and trains three that go from 16 to 8 when the laws say so: 9 runs, 1.3 TFLOP. The learning rate is the
best of those that the second command tries over whole runs, for each patch size and with another seed.
"""

from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.studies.adaptive import AdaptiveConfig
from scalax.studies.sweep import SweepConfig


def config() -> AdaptiveConfig:
    return AdaptiveConfig(
        run=RunConfig(
            data=DataConfig(
                source="photographs",
                image_size=32,
                validation_split="validation",
                max_validation_images=2000,
                crop_padding=0,
                flip=True,
            ),
            model=ModelConfig(names=("V16-2",), base_patch=16, base_grid=2, head_dim=8),
            optim=OptimConfig(lr=8e-3, warmup_steps=100),
            eval=EvalConfig(points=24, batch_size=500, shots=0),
            batch_size=64,
            population="always",
            budget_flops=1.4e11,
            checkpoint_steps=5000,
        ),
        name="quickstart",
        patches=(16, 8),
        seeds=(0, 1, 2),
    )


def rates() -> SweepConfig:
    quickstart = config()
    return SweepConfig(
        run=quickstart.run,
        name="quickstart_rates",
        patches=quickstart.patches,
        lrs=(2e-3, 4e-3, 8e-3, 1.6e-2),
        seeds=(5,),
    )
