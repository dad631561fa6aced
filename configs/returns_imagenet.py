"""The setting of 'Return Curves in Computational Budgets': 5 to 30 classes of ImageNet, ResNet-18 and a ViT.

    python -m scalax.launch configs/returns_imagenet.py --data.dir PATH/tensorflow_datasets
    python -m scalax.launch configs/returns_imagenet.py --plan-only
    python -m scalax.launch configs/returns_imagenet.py:sets --data.dir PATH/tensorflow_datasets

imagenet2012 of TFDS, prepared as array_record; its classes are called by their WordNet numbers. Images have a
shorter side of 160 px and are padded to 224. The ViT is the paper's vit-medium-patch16: our vit-s/16, with a
class token. 30 runs an architecture, 2.7e16 and 6.75e16 FLOPs, for an accelerator; nobody has run it in full
yet. The labels of all images are read once before. `sets` is the paper's sequence of data sets: prepare each
below the directory, and name its version's directory in --sets. Files of published weights in --weights start
both from these.
"""

import dataclasses

from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.studies.returns import ReturnsConfig

# Appendix A of the paper, in its order: every five more make the next task.
CLASSES = {
    "cocktail shaker": "n03062245",
    "throne": "n04429376",
    "park bench": "n03891251",
    "obelisk": "n03837869",
    "borzoi": "n02090622",
    "green mamba": "n01749939",
    "jean": "n03594734",
    "theater curtain": "n04418357",
    "pirate ship": "n03947888",
    "goose": "n01855672",
    "vacuum": "n04517823",
    "carbonara": "n07831146",
    "car wheel": "n02974003",
    "red fox": "n02119022",
    "boxer": "n02108089",
    "honeycomb": "n03530642",
    "tile roof": "n04435653",
    "lorikeet": "n01820546",
    "football helmet": "n03379051",
    "Dutch oven": "n03259280",
    "window screen": "n04589890",
    "computer keyboard": "n03085013",
    "Rottweiler": "n02106550",
    "mousetrap": "n03794056",
    "pickup": "n03930630",
    "boathouse": "n02859443",
    "milk can": "n03764736",
    "safety pin": "n04127249",
    "English foxhound": "n02089973",
    "wild boar": "n02396427",
}


def config() -> ReturnsConfig:
    return ReturnsConfig(
        run=RunConfig(
            data=DataConfig(
                source="tfds",
                name="imagenet2012",
                image_size=224,
                shorter_side=160,
                fit="pad",
                validation_split="validation",
                crop_padding=0,
            ),
            model=ModelConfig(
                names=("R64-18", "V384-12"),
                base_patch=16,
                base_grid=14,
                head_dim=64,
                pool="cls",
                precision="float32",
            ),
            optim=OptimConfig(
                name="sgd",
                lr=0.01,
                warmup_steps=20,
                weight_decay=0.0,
                weight_decay_head=0.0,
                clip_norm=10.0,
                label_smoothing=0.0,
            ),
            eval=EvalConfig(points=14, first_share=0.02, batch_size=250, shots=0),
            batch_size=32,
        ),
        name="returns_imagenet",
        patches=(16,),
        classes=tuple(CLASSES.values()),
        base_flops=(1.5e14, 3.75e14),
        task_classes=(5, 10, 15, 20, 25, 30),
        images_per_class=(650, 325, 216, 163, 130, 109),
        seeds=(0, 1, 2, 3, 4),
    )


def sets() -> ReturnsConfig:
    """Data sets of growing difficulty, in the paper's order."""
    nested = config()
    data = dataclasses.replace(nested.run.data, name="", shorter_side=0)
    return dataclasses.replace(
        nested,
        run=dataclasses.replace(nested.run, data=data),
        name="returns_imagenet_sets",
        classes=(),
        sets=("imagenette", "imagenette", "imagewoof", "imagewoof", "chars74k", "caltech101"),
        set_classes=(5, 10, 5, 10, 62, 102),
        images_per_class=(),
        validation_per_class=0,
        difficulty="given",
    )
