"""Scales on which a larger budget is compared with a smaller one. Pure NumPy.

With equal differences of accuracy, the ratio of accuracies is larger on a harder task by arithmetic alone:
what is added is divided by less. The scales here tell that apart.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Scale(NamedTuple):
    """- name, title: of the scale; the title as a figure says it.
    - of: which score it is made of: top1, top5 or loss.
    - gain: (score of the larger budget, of the smaller, chance, images) -> the log ratio, or the difference.
    - is_ratio: whether `gain` is a log ratio.
    """

    name: str
    title: str
    of: str
    gain: Callable[[np.ndarray, np.ndarray, float, int], np.ndarray]
    is_ratio: bool = True


def corrected(accuracy: np.ndarray, chance: float) -> np.ndarray:
    """Chance-corrected accuracy: 0 for a guess, 1 where all is right."""
    return (accuracy - chance) / (1 - chance)


def log_ratio(high: np.ndarray, low: np.ndarray, chance: float, images: int) -> np.ndarray:
    """Of accuracies; half an image is the least."""
    return np.log(np.maximum(high, 0.5 / images)) - np.log(np.maximum(low, 0.5 / images))


def log_corrected_ratio(high: np.ndarray, low: np.ndarray, chance: float, images: int) -> np.ndarray:
    return log_ratio(corrected(high, chance), corrected(low, chance), chance, images)


def log_odds_ratio(high: np.ndarray, low: np.ndarray, chance: float, images: int) -> np.ndarray:
    """Difference of the logits; half an image is the least and half an image from 1 the most."""
    edge = 0.5 / images
    high, low = np.clip(high, edge, 1 - edge), np.clip(low, edge, 1 - edge)
    return np.log(high / (1 - high)) - np.log(low / (1 - low))


def log_loss_ratio(high: np.ndarray, low: np.ndarray, chance: float, images: int) -> np.ndarray:
    """The smaller budget's loss over the larger's: above 0 where the larger is better."""
    return np.log(low) - np.log(high)


def difference(high: np.ndarray, low: np.ndarray, chance: float, images: int) -> np.ndarray:
    return high - low


SCALES = (
    Scale("top1", "top-1", "top1", log_ratio),
    Scale("corrected", "chance-corrected top-1", "top1", log_corrected_ratio),
    Scale("odds", "odds of top-1 (logit)", "top1", log_odds_ratio),
    Scale("difference", "top-1, difference", "top1", difference, is_ratio=False),
    Scale("top5", "top-5", "top5", log_ratio),
    Scale("loss", "loss, smaller budget over larger", "loss", log_loss_ratio),
)
EQUAL = "equal"  # FLOPs between two equal levels of chance-corrected accuracy (levels.py): of whole curves
EQUAL_TITLE = "FLOPs to A over FLOPs to B"
TITLES = {**{scale.name: scale.title for scale in SCALES}, EQUAL: EQUAL_TITLE}
