"""A first look at images of your own, in minutes: does changing the patch size pay there?

    python -m scalax.launch configs/own_images.py --data.dir PATH
    python -m scalax.launch configs/own_images.py --data.source arrays --data.dir FILE.npz

PATH holds a folder of images a class, FILE.npz uint8 `images` [N, H, W] or [N, H, W, C] and `labels` [N]. A
quarter of the images is held out; images are seen at 32x32 pixels. The learning rate of each patch size is
searched with a tenth of the budget: 2 x 3 short runs, then 2 x 2 of the patch sizes alone and 2 that change.
adaptive_patch.py is the full study, of larger models, more seeds and every baseline.
"""

from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.studies.adaptive import AdaptiveConfig, TuneConfig


def config() -> AdaptiveConfig:
    return AdaptiveConfig(
        run=RunConfig(
            data=DataConfig(
                source="folder", image_size=32, max_validation_images=2000, crop_padding=4, flip=True
            ),
            model=ModelConfig(names=("V16-2",), base_patch=16, base_grid=2, head_dim=8),
            optim=OptimConfig(lr=4e-3, warmup_steps=100),
            eval=EvalConfig(points=24, batch_size=500, shots=0),
            batch_size=64,
            population="always",
            budget_flops=1.6e11,
            checkpoint_steps=5000,
        ),
        name="own_images",
        patches=(16, 8),
        seeds=(0, 1),
        tune=TuneConfig(share=0.1, lrs=(2e-3, 4e-3, 8e-3)),
    )
