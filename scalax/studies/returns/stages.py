"""In which stage of learning a cell is: guessing, learning or saturated. Pure NumPy."""

import numpy as np

from scalax.studies.returns.bootstrap import interval

GUESSING, LEARNING, SATURATED = "guessing", "learning", "saturated"
RULE = (
    "A cell is guessing where the interval of its accuracy reaches down to chance (1 over the number of"
    " classes). Of the others, let the first good budget be the least one that is within noise of the best:"
    " the interval of the difference between the two holds 0. Where more than the first good budget was"
    " spent, that bought nothing beyond noise: then the first good budget and all above it are saturated."
    " The rest are learning."
)


def stages_of(accuracy: np.ndarray, resampled: np.ndarray, chance: float, confidence: float) -> list[str]:
    """The stage of each budget of one architecture on one task, by RULE.

    - accuracy: [b], from the smallest budget to the largest.
    - resampled: [r, b], of the same resamples of seeds and images.
    - chance: accuracy of a guess.
    - confidence: of the intervals.
    """
    count = len(accuracy)
    guessing = [interval(resampled[:, b], confidence)[0] <= chance for b in range(count)]
    best = int(np.argmax(accuracy))
    behind = [interval(resampled[:, best] - resampled[:, b], confidence)[0] > 0 for b in range(count)]
    good = next(b for b in range(count) if not behind[b])
    saturated_from = good if good < count - 1 else count
    return [GUESSING if guessing[b] else SATURATED if b >= saturated_from else LEARNING for b in range(count)]
