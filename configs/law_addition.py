"""A loss that falls sharply as the training set grows: addition, learnt by a small decoder.

    python -m scalax.launch configs/law_addition.py
    python -m scalax.launch configs/law_addition.py:paper
    python -m scalax.launch configs/law_addition.py:quick

The first is half as wide as the paper's decoder, with ten times its rate: 16 minutes of CPU time. Expect a
test loss of 2.1 to 2.0 up to 512 problems, and .6 with 928; the seeds fall at sizes of their own.
"""

import dataclasses

from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.studies.sizes import SizesConfig


def config() -> SizesConfig:
    return SizesConfig(
        run=RunConfig(
            task="answer",
            data=DataConfig(source="addition", name="4", validation_split="test", max_validation_images=512),
            model=ModelConfig(names=("D64-1",), head_dim=32),
            optim=OptimConfig(
                lr=1e-3,
                b2=0.95,
                warmup_steps=0,
                weight_decay=0.1,
                weight_decay_head=0.1,
                label_smoothing=0.0,
            ),
            eval=EvalConfig(points=60, first_share=0.02, batch_size=512, shots=0),
            population="always",
        ),
        name="law_addition",
        train_sizes=(160, 256, 352, 448, 512, 544, 608, 672, 736, 800, 928),
        fit_until=736,
        steps=250,
        seeds=(0, 1, 2),
    )


def paper() -> SizesConfig:
    """Width 128, MLP 512, two heads, one block; its learning rate, and sizes from 144 to 1008."""
    own = config()
    run = dataclasses.replace(
        own.run,
        model=ModelConfig(names=("D128-1",), head_dim=64),
        optim=dataclasses.replace(own.run.optim, lr=1e-4),
    )
    return dataclasses.replace(
        own,
        run=run,
        name="law_addition_paper",
        train_sizes=tuple(range(144, 1009, 48)),
        fit_until=720,
        steps=3000,
        seeds=(0, 1, 2, 3, 4),
    )


def quick() -> SizesConfig:
    """Three digits, one seed."""
    own = config()
    run = dataclasses.replace(own.run, data=dataclasses.replace(own.run.data, name="3"))
    return dataclasses.replace(
        own,
        run=run,
        name="law_addition_quick",
        train_sizes=(128, 192, 256, 320, 384, 448, 512, 640),
        fit_until=512,
        steps=200,
        seeds=(0,),
    )
