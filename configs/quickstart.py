"""Adaptive patch size on the 1,797 digit images of scikit-learn (8x8, embedded), patch sizes 4, 2, 1.

    python -m scalax.launch configs/quickstart.py

Trains three static ViTs, fits a law to each, and trains one ViT that changes its patch size by them: 4e11
FLOPs in all, one to two minutes on 2 CPU cores. The laws of patch sizes 4 and 2 cross near an error of 0.16.
Expect no saving to speak of: smaller patches see other strokes of the 8x8 digits, so the change itself costs
what the laws promise to save. adaptive_patch.py shows the same study on photographs.
"""

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
        name="quickstart",
        patches=(4, 2, 1),
        metric="val_error",
    )
