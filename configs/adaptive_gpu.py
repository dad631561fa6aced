"""Adaptive patch size on one GPU in minutes: five patches that lie close together, tuned, three seeds.

    python -m scalax.launch configs/adaptive_gpu.py --data.dir FILE.npz
    launch/gpu_study.sh --data FILE.npz --minutes 10

The second sets the budget by the speed of the GPU. The model is small: an hour on an H100 is too short for
V192-12, whose best patch does not change within that budget. FILE.npz, CIFAR-10 at 48 px, is made by

    scalax pack FILE.npz --dir PATH/cifar10/VERSION --validation-split test --image 48
"""

from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.studies.adaptive import AdaptiveConfig, TuneConfig


def config() -> AdaptiveConfig:
    return AdaptiveConfig(
        run=RunConfig(
            data=DataConfig(
                source="arrays", image_size=48, validation_split="val", crop_padding=6, flip=True
            ),
            model=ModelConfig(names=("V64-4",), base_patch=12, base_grid=4, head_dim=16),
            optim=OptimConfig(lr=1e-3, warmup_steps=50),
            eval=EvalConfig(points=24, batch_size=1000, shots=0),
            batch_size=512,
            population="always",
            budget_flops=8e13,
            checkpoint_steps=100_000,
        ),
        name="adaptive_gpu",
        patches=(24, 16, 12, 8, 6),
        seeds=(0, 1, 2),
        tune=TuneConfig(share=0.1, lrs=(1e-3, 2e-3, 4e-3)),
        carry="examples",
        replans=2,
        baselines=("logarithmic",),
    )
