"""What upstream error buys downstream, on our own small models, by layer and by shots.

    python -m scalax.launch configs/transfer.py --data.dir PATH/tiny_imagenet_up/VERSION \
        --sets caltech101=PATH/caltech101 eurosat=PATH/eurosat
    python -m scalax.launch configs/transfer.py:head --data.dir PATH/tiny_imagenet_up/VERSION \
        --sets caltech101=PATH/caltech101 eurosat=PATH/eurosat
    python -m scalax.launch configs/transfer.py:quick

A downstream set is a prepared TFDS dataset, a folder of images a class or a .npz file; or the name alone of
one of the tasks in scalax/data/downstream.py. `head` sweeps the head's weight decay and learning rate
and fine-tunes on the set called eurosat; `quick` does all of it on images that need no files. --scale
multiplies the epochs.
"""

import dataclasses

from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.studies.transfer import HeadConfig, TransferConfig


def config() -> TransferConfig:
    return TransferConfig(
        run=RunConfig(
            data=DataConfig(
                source="tfds",
                name="tiny_imagenet",
                image_size=32,
                validation_split="validation",
                crop_padding=4,
                flip=True,
            ),
            model=ModelConfig(
                names=("V32-3", "V16-3", "M32-3", "R8-18"), base_patch=8, base_grid=4, head_dim=16
            ),
            optim=OptimConfig(lr=3e-3, warmup_steps=50, schedule="cosine", label_smoothing=0.1),
            eval=EvalConfig(points=3, first_share=0.1, batch_size=500, shots=0),
            batch_size=128,
            checkpoint_steps=100_000,
        ),
        shares=(0.1, 0.2, 0.4),
        epochs=(2.0, 5.0),
        random_runs=24,
    )


def head() -> TransferConfig:
    run = config().run
    return TransferConfig(
        run=dataclasses.replace(run, model=dataclasses.replace(run.model, names=("V16-3",))),
        name="transfer_head",
        shares=(),
        head=HeadConfig(
            decays=(0.0, 0.1, 1.0, 5.0),
            lr_heads=(0.1, 1.0),
            epochs=0.5,
            finetune=("eurosat",),
            finetune_steps=40,
        ),
    )


def quick() -> TransferConfig:
    return TransferConfig(
        run=RunConfig(
            data=DataConfig(source="digits", image_size=8, crop_padding=1, validation_share=1 / 3),
            model=ModelConfig(names=("V16-2", "M16-2"), base_patch=2, base_grid=4),
            optim=OptimConfig(lr=5e-3, warmup_steps=10, schedule="cosine", label_smoothing=0.1),
            eval=EvalConfig(points=3, first_share=0.1, batch_size=256, shots=0),
            batch_size=64,
            checkpoint_steps=100_000,
        ),
        name="transfer_quick",
        patch=2,
        sets=("drawn_count", "drawn_angle", "drawn_kind"),
        shares=(0.3, 1.0),
        epochs=(4.0, 12.0),
        random_runs=4,
        head=HeadConfig(
            decays=(0.0, 0.3, 5.0), seeds=(0, 1, 2), epochs=6.0, finetune=("drawn_kind",), finetune_steps=20
        ),
    )
