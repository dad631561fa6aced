"""What seeds tell of a mean over them."""

import numpy as np
from scipy.special import stdtrit


def reach(values: np.ndarray, confidence: float) -> np.ndarray:
    """Half of Student's interval of the mean over seeds, [s, ...] -> [...].

    - values: by seed, two or more.
    - confidence: of the interval.
    """
    seeds = len(values)
    return stdtrit(seeds - 1, (1 + confidence) / 2) * values.std(0, ddof=1) / np.sqrt(seeds)
