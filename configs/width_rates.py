"""Does the best learning rate of one width serve others? One width at six rates, two seeds, 600 steps.

    python -m scalax.launch configs/width_rates.py --data.dir PATH/cifar10/VERSION
    python -m scalax.launch configs/width_rates.py --model.names V64-3 --budget-flops 1.761e11 ...
    python -m scalax.launch configs/width_rates.py:scaled ...

Other widths take the budget of as many steps: V32-3 5.363e10, V64-3 1.761e11, V128-3 6.277e11 FLOPs. With
`:scaled` rates are those of width 16 (maximal-update parametrisation, optim.base_width).
"""

import dataclasses

from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.studies.sweep import SweepConfig


def config() -> SweepConfig:
    return SweepConfig(
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
            optim=OptimConfig(warmup_steps=100),
            eval=EvalConfig(points=4, batch_size=500, shots=0),
            batch_size=64,
            budget_flops=1.822e10,
        ),
        name="width_rates",
        patches=(16,),
        lrs=(1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2),
        seeds=(0, 1),
        metric="val_loss",
    )


def scaled() -> SweepConfig:
    plain = config()
    optim = dataclasses.replace(plain.run.optim, base_width=16)
    return dataclasses.replace(
        plain, run=dataclasses.replace(plain.run, optim=optim), name="width_rates_scaled"
    )
