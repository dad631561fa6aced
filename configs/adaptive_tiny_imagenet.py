"""Adaptive patch size on Tiny ImageNet (64x64), patch sizes 32, 16, 8, 4.

    python -m scalax.launch configs/adaptive_tiny_imagenet.py --data.dir PATH/tiny_imagenet_up/1.0.0

--data.dir is a prepared TFDS dataset in array_record format with the splits train and validation. 5e14 FLOPs
in all: hours on a CPU, minutes on a data-centre GPU; nobody has run it in full yet, so expect no number. Add
--eval.probe_dir PATH/tiny_imagenet_down/1.0.0 --eval.probe_validation_split validation
--metric fewshot_error for laws of the 10-shot error on classes that were not trained on.
"""

from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig
from scalax.config_adaptive import AdaptiveConfig


def config() -> AdaptiveConfig:
    return AdaptiveConfig(
        name="adaptive_tiny_imagenet",
        data=DataConfig(
            source="tfds",
            name="tiny_imagenet",
            image_size=64,
            validation_split="validation",
            crop_padding=4,
            flip=True,
        ),
        model=ModelConfig(names=("V128-6",), base_patch=8, base_grid=8),
        optim=OptimConfig(lr=1e-3, warmup_steps=500),
        eval=EvalConfig(points=24),
        batch_size=256,
        budget_flops=1e14,
        patches=(32, 16, 8, 4),
        metric="val_error",
    )
