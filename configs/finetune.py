"""Fine-tuning of all weights of a finished run on another image set, as VTAB-1k does it.

    python -m scalax.launch configs/finetune.py --start.run DIR --data.source folder --data.dir PATH

1,000 training images, SGD with momentum 0.9, batches of 512, cosine; --steps, --lrs and --optim.loss sigmoid
change that. The shape is that of the run. data.image_size should be the run's.
"""

from scalax.config import DataConfig
from scalax.studies.finetune import FinetuneConfig, vtab


def config() -> FinetuneConfig:
    data = DataConfig(source="drawn", name="kind", image_size=8, validation_split="test")
    return FinetuneConfig(vtab(data))
