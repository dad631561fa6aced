"""The setting of 'Navigating Scaling Laws' in full: ImageNet-21k at 120 px, the seven V models, patch sizes
60 to 8, 10-shot error on ImageNet-1k.

    python -m scalax.launch configs/adaptive_imagenet21k.py --data.dir PATH/imagenet21k/VERSION \\
        --eval.probe_dir PATH/tensorflow_datasets

TFDS has no builder of ImageNet-21k: give a dataset of your own in its array_record format (features image
and label), or --data.source folder. The probe's imagenet2012 is TFDS's, prepared as array_record. The
hyper-parameters are the paper's table 1: batch 256, 1000 steps of warm-up, weight decay 0.01. There are 63
static runs and 7 adaptive ones at 1e19 FLOPs each, 7e20 in all, on one host; nobody has run it in full yet.
To start, take one model and fewer sizes: --model.names V256-6 --patches 40 24 12 --budget-flops 1e17.
"""

from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.studies.adaptive import AdaptiveConfig

MODELS = ("V256-6", "V192-12", "V256-12", "V384-12", "V512-12", "V640-12", "V768-12")


def config() -> AdaptiveConfig:
    return AdaptiveConfig(
        run=RunConfig(
            data=DataConfig(
                source="tfds",
                name="imagenet21k",
                image_size=120,
                train_split="train",
                validation_share=0.004,
                crop_padding=12,
                flip=True,
            ),
            model=ModelConfig(names=MODELS, base_patch=12, base_grid=8),
            optim=OptimConfig(lr=1e-3, warmup_steps=1000, weight_decay=0.01, weight_decay_head=0.01),
            eval=EvalConfig(
                points=32,
                batch_size=1024,
                draws=1,
                probe_name="imagenet2012",
                probe_validation_split="validation",
            ),
            batch_size=256,
            budget_flops=1e19,
            checkpoint_steps=5000,
        ),
        name="adaptive_imagenet21k",
        patches=(60, 40, 30, 24, 20, 15, 12, 10, 8),
        metric="fewshot_error",
    )
