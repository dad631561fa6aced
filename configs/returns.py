"""Return curves on real photographs: does a FLOP buy more on a harder task?

    python -m scalax.launch configs/returns.py --data.dir PATH/tiny_imagenet_up/VERSION
    python -m scalax.launch configs/returns.py:sets --data.dir PATH/tensorflow_datasets
    python -m scalax.launch configs/returns.py:quick
    python -m scalax.launch configs/returns.py --plan-only

Six nested sets of 5 to 30 classes of Tiny ImageNet at 32x32, 2,500 training images each, a ResNet-18 of 8
channels and a Vision Transformer of 32, three budgets in the ratios 1:3:6, five seeds. `sets` is the same on
six data sets, the hardest by a fixed probe last; `quick` on 2 to 10 of the ten digits that come with
scikit-learn. Plain SGD, nothing against overfitting.
"""

import dataclasses

from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.studies.returns import ReturnsConfig


def config() -> ReturnsConfig:
    return ReturnsConfig(
        run=RunConfig(
            data=DataConfig(
                source="tfds",
                name="tiny_imagenet",
                image_size=32,
                validation_split="validation",
                crop_padding=0,
            ),
            model=ModelConfig(
                names=("R8-18", "V32-2"), base_patch=8, base_grid=4, head_dim=16, precision="float32"
            ),
            optim=OptimConfig(
                name="sgd",
                warmup_steps=20,
                weight_decay=0.0,
                weight_decay_head=0.0,
                clip_norm=10.0,
                label_smoothing=0.0,
            ),
            eval=EvalConfig(points=14, first_share=0.02, batch_size=250, shots=0),
            batch_size=32,
        ),
        patches=(8,),
        base_flops=(1.5e10, 3e9),
        lrs=(0.02, 0.05),
        train_images=2500,
        seeds=(0, 1, 2, 3, 4),
    )


def sets() -> ReturnsConfig:
    photographs = config()
    data = dataclasses.replace(photographs.run.data, name="", fit="pad", validation_split="test")
    return dataclasses.replace(
        photographs,
        name="returns_sets",
        run=dataclasses.replace(photographs.run, data=data),
        sets=(
            "sign_digits/1.0.0",
            "gtsrb/1.0.0",
            "rsscn7/1.0.0",
            "eurosat/1.0.0",
            "caltech101/1.0.0",
            "chars74k_img/1.0.0",
        ),
        set_classes=(10, 28, 7, 10, 61, 27),
        base_flops=(7e9, 5e9),
        train_images=850,
        validation_per_class=0,
        difficulty="probe",
    )


def quick() -> ReturnsConfig:
    photographs = config()
    run = dataclasses.replace(
        photographs.run,
        data=DataConfig(source="digits", image_size=16, crop_padding=0, validation_share=0.3),
        model=dataclasses.replace(photographs.run.model, names=("V16-1", "M16-1"), base_patch=4),
        eval=EvalConfig(points=14, first_share=0.03, batch_size=150, shots=0),
        batch_size=16,
    )
    return dataclasses.replace(
        photographs,
        run=run,
        name="returns_quick",
        patches=(4,),
        channels=1,
        base_flops=(2e8, 6e7),
        lrs=(0.05, 0.05),
        task_classes=(2, 4, 7, 10),
        train_images=220,
        validation_per_class=45,
    )
