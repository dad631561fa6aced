"""A sweep on the digit images of scikit-learn: two learning rates, three seeds, one shape.

    python -m scalax.launch configs/sweep.py

Six runs of 5e9 FLOPs in half a minute on 2 CPU cores. To train on your own data see the README; several
launches with one --out share the runs out.
"""

from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.studies.sweep import SweepConfig


def config() -> SweepConfig:
    return SweepConfig(
        run=RunConfig(
            data=DataConfig(source="digits", image_size=8, crop_padding=1, validation_share=1 / 3),
            model=ModelConfig(names=("V16-1",), base_patch=2, base_grid=4),
            optim=OptimConfig(warmup_steps=50),
            eval=EvalConfig(points=10, batch_size=256, shots=0),
            batch_size=64,
            budget_flops=5e9,
        ),
        patches=(2,),
        lrs=(2e-3, 5e-3),
        seeds=(0, 1, 2),
    )
