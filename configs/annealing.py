"""One shape under three learning-rate schedules: does a law of learning rates carry from one to another?

    python -m scalax.launch configs/annealing.py --data.dir PATH/cifar10/VERSION
    python -m scalax.launch configs/annealing.py:cosine --data.dir PATH/cifar10/VERSION
    python -m scalax.launch configs/annealing.py:wsd --data.dir PATH/cifar10/VERSION

Two seeds each. `scalax forecast METRICS.jsonl --x step --y val_loss --lr-schedule ...` then fits the law.
What was found: scalax/laws/README.md.
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
                max_validation_images=2000,
                crop_padding=4,
                flip=True,
            ),
            model=ModelConfig(names=("V32-2",), base_patch=8, base_grid=4, head_dim=8),
            optim=OptimConfig(warmup_steps=100, label_smoothing=0.0),
            eval=EvalConfig(points=100, batch_size=500, shots=0),
            batch_size=64,
            budget_flops=3e11,
        ),
        name="annealing",
        patches=(8,),
        lrs=(4e-3,),
        seeds=(0, 1),
    )


def cosine() -> SweepConfig:
    return _with("cosine")


def wsd() -> SweepConfig:
    return _with("wsd")


def _with(schedule: str) -> SweepConfig:
    own = config()
    optim = dataclasses.replace(own.run.optim, schedule=schedule)
    return dataclasses.replace(
        own, run=dataclasses.replace(own.run, optim=optim), name=f"annealing_{schedule}"
    )
