"""The noisy-halfspace experiment of 'Revisiting Neural Scaling Laws' on the sphere in 100 dimensions.

    python -m scalax.launch configs/law_halfspace.py

Logistic regression, labels flipped with probability 0.2, so the Bayes risk is 0.2; about half a minute on
2 CPU cores. Expect M2 straight only where the curve is a power law, and M4 straight everywhere.
"""

from scalax.studies.halfspace import HalfspaceConfig


def config() -> HalfspaceConfig:
    return HalfspaceConfig()
