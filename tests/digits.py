"""The config that tests launch: adaptive patch size on digits, small enough to train in seconds."""

from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.studies.adaptive import AdaptiveConfig


def config() -> AdaptiveConfig:
    return AdaptiveConfig(
        run=RunConfig(
            data=DataConfig(source="digits", image_size=8, crop_padding=1, validation_share=1 / 3),
            model=ModelConfig(names=("V16-1",), base_patch=2, base_grid=4),
            optim=OptimConfig(lr=5e-3, warmup_steps=100),
            eval=EvalConfig(points=24, batch_size=256),
            batch_size=64,
            budget_flops=1e11,
        ),
        name="digits",
        patches=(4, 2, 1),
        metric="val_error",
    )
