"""Does the best learning rate of one width serve others? One width at six rates, two seeds, 600 steps.

    python -m scalax.launch configs/width_rates.py --data.dir PATH/cifar10/VERSION
    python -m scalax.launch configs/width_rates.py --model.names V64-3 --budget-flops 1.761e11 ...
    python -m scalax.launch configs/width_rates.py:scaled ...

Other widths take the budget of as many steps: V32-3 5.363e10, V64-3 1.761e11, V128-3 6.277e11 FLOPs. With
`:scaled` rates are those of width 16 (maximal-update parametrisation, optim.base_width).
"""

import dataclasses
from pathlib import Path

from scalax import launch
from scalax.config import EvalConfig, OptimConfig
from scalax.studies.sweep import SweepConfig

PATCH = Path(__file__).with_name("adaptive_patch.py")


def config() -> SweepConfig:
    run = dataclasses.replace(
        launch.load(f"{PATCH}:by_errors").run,
        optim=OptimConfig(warmup_steps=100),
        eval=EvalConfig(points=4, batch_size=500, shots=0),
        budget_flops=1.822e10,
    )
    return SweepConfig(
        run=run,
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
