"""Adaptive depth and width of a language model: a decoder of bytes that grows while it trains.

    python -m scalax.launch configs/adaptive_language.py
    python -m scalax.launch configs/adaptive_language.py --data.dir PATH
    python -m scalax.launch configs/adaptive_language.py:width
    python -m scalax.launch configs/adaptive_language.py:joint
    python -m scalax.launch configs/adaptive_language.py:quick

After appendix E of 'Navigating Scaling Laws', where decoders of 3, 6 and 12 blocks are 384 wide. The text is
the source of Python's standard library, its end held out; --data.dir is a text file or a directory of them.
The metric is the cross-entropy of the next byte in nats: divide it by 0.693 for bits.
"""

import dataclasses

from scalax.config import DataConfig, EvalConfig, ModelConfig, MorphConfig, OptimConfig, RunConfig
from scalax.studies.adaptive import AdaptiveConfig, TuneConfig

DEPTHS = ("D32-1", "D32-2", "D32-4")
WIDTHS = ("D16-1", "D32-1", "D64-1")
BOTH = ("D16-1", "D32-1", "D32-4", "D64-4")


def config() -> AdaptiveConfig:
    return AdaptiveConfig(
        run=RunConfig(
            task="next_token",
            data=DataConfig(source="text", context=64, validation_share=0.1, max_validation_images=512),
            model=ModelConfig(names=DEPTHS, head_dim=16),
            optim=OptimConfig(lr=4e-3, warmup_steps=50, label_smoothing=0.0),
            eval=EvalConfig(points=32, batch_size=512, shots=0),
            morph=MorphConfig(width="zero", blocks="split"),
            batch_size=16,
            budget_flops=5e11,
            checkpoint_steps=5000,
        ),
        name="adaptive_language",
        patches=(1,),
        joint=True,
        seeds=(0, 1, 2),
        tune=TuneConfig(share=0.2, lrs=(2e-3, 4e-3, 8e-3)),
        metric="val_loss",
        law_first_share=0.05,
        baselines=("linear", "logarithmic"),
    )


def width() -> AdaptiveConfig:
    return grows("adaptive_language_width", WIDTHS, budget_flops=4e11)


def joint() -> AdaptiveConfig:
    return grows("adaptive_language_joint", BOTH)


def quick() -> AdaptiveConfig:
    """Two depths, one seed, no search: the machinery in a minute."""
    own = grows("adaptive_language_quick", ("D16-1", "D16-2"), budget_flops=4e10)
    data = dataclasses.replace(own.run.data, max_validation_images=128)
    run = dataclasses.replace(own.run, data=data)
    return dataclasses.replace(own, run=run, seeds=(0,), tune=TuneConfig())


def grows(name: str, models: tuple[str, ...], budget_flops: float = 5e11) -> AdaptiveConfig:
    """The study of depths as one of other shapes, in the order in which a run may go through them."""
    own = config()
    model = dataclasses.replace(own.run.model, names=models)
    run = dataclasses.replace(own.run, model=model, budget_flops=budget_flops)
    return dataclasses.replace(own, run=run, name=name)
