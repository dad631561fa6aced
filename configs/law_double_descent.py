"""Double descent over width and over training time: which laws follow it, and what foretells it.

    python -m scalax.launch configs/law_double_descent.py
    python -m scalax.launch configs/law_double_descent.py:quick

Least squares on random features, whose number passes that of the training examples, and linear regression by
gradient descent on features of two scales, both with noisy labels and exact test errors; 40 seeds. Expect
BNSL with three breaks within a few per cent of either curve, M1 to M4 nowhere near, and no law that foretells
a peak from rows before it. `quick` has smaller models, fewer seeds and resamples.
"""

from scalax.studies.double_descent import DoubleDescentConfig
from scalax.studies.double_descent.config import StepsConfig, WidthConfig


def config() -> DoubleDescentConfig:
    return DoubleDescentConfig()


def quick() -> DoubleDescentConfig:
    return DoubleDescentConfig(
        name="law_double_descent_quick",
        width=WidthConfig(
            examples=60, inputs=5, smallest=4, largest=1000, per_decade=12, cuts=(40, 120, 400)
        ),
        steps=StepsConfig(
            examples=100, large=70, small=5, last=1_000_000, per_decade=7, cuts=(500, 30_000, 300_000)
        ),
        seeds=10,
        resamples=4,
        most_breaks=3,
    )
