"""FLOPs that a task needs from one level of chance-corrected accuracy to another. Pure NumPy."""

import numpy as np

TOP, BOTTOM, FIRST, APART = 0.9, 1 / 3, 1.05, 0.8
LEAST = 3  # tasks


def rising(values: np.ndarray) -> np.ndarray:
    """The least-squares fit to `values` [e] that never falls (pool adjacent violators)."""
    means: list[float] = []
    counts: list[int] = []
    for value in values:
        means.append(float(value))
        counts.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            total = counts[-2] + counts[-1]
            means[-2] = (means[-2] * counts[-2] + means[-1] * counts[-1]) / total
            counts[-2] = total
            del means[-1], counts[-1]
    return np.repeat(means, counts)


def flops_at(level: float, flops: np.ndarray, accuracy: np.ndarray) -> float:
    """FLOPs at which a curve first reaches a level; nan where it does not, or is above it from its start.

    - level: of accuracy.
    - flops, accuracy: of the curve, [e]; evenly rising between its points in log FLOPs, after `rising`.
    """
    curve = rising(accuracy)
    if curve[0] > level or curve[-1] < level:
        return float("nan")
    place = int(np.argmax(curve >= level))
    if place == 0:
        return float(flops[0])
    share = (level - curve[place - 1]) / (curve[place] - curve[place - 1])
    low, high = np.log(flops[place - 1]), np.log(flops[place])
    return float(np.exp(low + share * (high - low)))


def choose(curves: list[np.ndarray]) -> tuple[float, float, str]:
    """(A, B, reason): the levels at which curves can be compared, or why there are none.

    - curves: chance-corrected accuracy of each task along its run, [e].

    B is TOP of what the task that ends lowest reaches. A is BOTTOM of B, or FIRST of what the task that
    begins highest has at its first evaluation, whichever is more; it must be at most APART of B. Else the
    task that begins highest is left out, as long as LEAST are left.
    """
    if len(curves) < 2:
        return float("nan"), float("nan"), "fewer than two tasks are past guessing"
    fits = sorted((rising(curve) for curve in curves), key=lambda fit: fit[0])
    high = TOP * min(fit[-1] for fit in fits)
    for count in range(len(fits), min(LEAST, len(fits)) - 1, -1):
        low = max(BOTTOM * high, FIRST * fits[count - 1][0])
        if 0 < low <= APART * high:
            return float(low), float(high), ""
    return float("nan"), float("nan"), "the lowest curve ends too near to where the others begin"


def log_share(low: float, high: float, flops: np.ndarray, accuracy: np.ndarray) -> float:
    """Log of the FLOPs to level `low` over those to level `high` of a curve; nan where it does not pass both.

    The larger it is, the fewer FLOPs the step from the one level to the other takes, of those spent before.
    """
    return float(np.log(flops_at(low, flops, accuracy)) - np.log(flops_at(high, flops, accuracy)))
