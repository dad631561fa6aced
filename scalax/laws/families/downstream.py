"""Downstream error against upstream error: y = k x^alpha + e_ir."""

import numpy as np

from scalax.laws.families._power import limit_plus_power
from scalax.laws.family import Family, transforms

FAMILY = Family(
    name="downstream",
    formula="k x^alpha + e_ir, x the upstream error",
    source="Abnar et al. 2021, 'Exploring the Limits of Large Scale Pre-training', eq. 1",
    names=("e_ir", "k", "alpha"),
    **transforms("log", "log", "log"),
    **limit_plus_power(1.0),
    log_limit=lambda p: np.inf,
    rises=True,
    floor="e_ir",
    labels={"k": "k", "alpha": "alpha", "e_ir": "e_ir (limit)"},
)
