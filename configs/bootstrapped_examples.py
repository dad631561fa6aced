"""Are repeated images as good as new ones, until a small set is overfitted?

    python -m scalax.launch configs/bootstrapped_examples.py --data.dir PATH/tiny_imagenet_up/VERSION \
        --eval.probe-dir PATH/tiny_imagenet_down/VERSION
    python -m scalax.launch configs/bootstrapped_examples.py:quick

One Vision Transformer learns the 100 classes of an upstream set from 1/16, 1/8, 1/4, 1/2 and all of its
images, each time for as many images seen. The 10-shot error on 50 other classes is compared by images seen
('Revisiting Neural Scaling Laws in Language and Vision'). Nothing works against overfitting: no augmentation,
no decay, no smoothing. `quick` does it on crops of photographs that need no download: 12 of the photographs
upstream, the other 7 downstream.
"""

import dataclasses

from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.evals import FewShot
from scalax.studies.bootstrapped import BootstrappedConfig

UPSTREAM = ("brick", "cell", "chelsea", "coffee", "coins", "grass", "moon", "page", "retina", "rocket")
UPSTREAM += ("china", "flower")
DOWNSTREAM = ("astronaut", "camera", "gravel", "hubble_deep_field", "ihc", "motorcycle_left", "text")


def config() -> BootstrappedConfig:
    return BootstrappedConfig(
        run=RunConfig(
            data=DataConfig(
                source="tfds",
                name="tiny_imagenet",
                image_size=32,
                validation_split="validation",
                max_validation_images=2000,
                crop_padding=0,
            ),
            model=ModelConfig(names=("V32-2",), base_patch=8, base_grid=4, head_dim=16),
            optim=OptimConfig(lr=3e-3, weight_decay=0.0, weight_decay_head=0.0, label_smoothing=0.0),
            eval=EvalConfig(points=24, batch_size=500, probe_validation_split="validation"),
            batch_size=32,
            checkpoint_steps=5000,
        ),
        examples=300_000,
    )


def quick() -> BootstrappedConfig:
    photographs = config()
    data = DataConfig(
        source="photographs",
        image_size=32,
        validation_split="validation",
        max_validation_images=1000,
        classes=UPSTREAM,
        crop_padding=0,
    )
    new = dataclasses.replace(data, classes=DOWNSTREAM, max_train_images=2000)
    run = dataclasses.replace(
        photographs.run,
        data=data,
        model=dataclasses.replace(photographs.run.model, names=("V16-2",), head_dim=8),
        eval=EvalConfig(
            points=16, first_share=0.01, batch_size=500, shots=0, more=(FewShot("new_photographs", data=new),)
        ),
        batch_size=64,
    )
    return dataclasses.replace(
        photographs,
        run=run,
        name="bootstrapped_quick",
        shares=(1 / 64, 1 / 8, 1.0),
        examples=60_000,
        metric="new_photographs/fewshot_error",
    )
