"""Adaptive patch size on CIFAR-10 (32x32), patch sizes 16, 8, 4, 2.

    python -m scalax.launch configs/adaptive_cifar10.py --data.dir PATH/cifar10_jpeg/1.0.0

--data.dir is a prepared TFDS dataset in array_record format; --data.name cifar10 with --data.dir the TFDS
data directory works too. 3.5e13 FLOPs in all. With --patches 16 8 4 it takes 22 minutes on 2 CPU cores, ends
at an error of 0.33 where the best static size has 0.38, and reaches that with 1.7x fewer FLOPs; patch size 2
has not been run at this budget.
"""

from scalax.config import AdaptivePatchConfig, DataConfig, EvalConfig, ModelConfig, OptimConfig


def config() -> AdaptivePatchConfig:
    return AdaptivePatchConfig(
        name="adaptive_cifar10",
        data=DataConfig(
            source="tfds",
            name="cifar10",
            image_size=32,
            validation_split="test",
            max_validation_images=5000,
            crop_padding=4,
            flip=True,
        ),
        model=ModelConfig(names=("V32-4",), base_patch=8, base_grid=4),
        optim=OptimConfig(lr=2e-3, warmup_steps=100),
        eval=EvalConfig(points=20),
        batch_size=64,
        budget_flops=7e12,
        patches=(16, 8, 4, 2),
        metric="val_error",
    )
