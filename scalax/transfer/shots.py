"""How the laws of few-shot tasks move with the number of shots: tasks that are named 'pets@5'."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scalax.transfer.fits import FITS, TaskFit

SHOTS = re.compile(r"^(?P<name>.*?)\s*@\s*(?P<shots>\d+)(?:[\s_-]*shots?)?$")
PARAMETERS = ("k", "alpha", "e_ir")


class ShotTrend(NamedTuple):
    """One parameter of the laws of one task.

    - name: of the task, without its shots.
    - fit: what the laws were fitted to.
    - parameter: 'k', 'alpha' or 'e_ir'.
    - shots: in order.
    - values: at each.
    - pearson: correlation of the value with the number of shots; nan for fewer than three.
    - rises, falls: steps from one number of shots to the next at which the value rises or falls.
    """

    name: str
    fit: str
    parameter: str
    shots: list[int]
    values: list[float]
    pearson: float
    rises: int
    falls: int


def split_shots(task: str) -> tuple[str, int] | None:
    """The task and its shots; None where its name has none.

    >>> split_shots("pets@5"), split_shots("pets")
    (('pets', 5), None)
    """
    found = SHOTS.match(task)
    return (found["name"], int(found["shots"])) if found else None


def shot_trends(fits: Sequence[TaskFit]) -> list[ShotTrend]:
    """For each task with two or more numbers of shots (Abnar et al. 2021, tables F.1 and F.2)."""
    named: dict[str, dict[int, TaskFit]] = {}
    for fit in fits:
        if found := split_shots(fit.task):
            named.setdefault(found[0], {})[found[1]] = fit
    trends = []
    for name, by_shots in named.items():
        shots = sorted(by_shots)
        if len(shots) < 2:
            continue
        for kind in FITS:
            for parameter in PARAMETERS:
                values = [getattr(by_shots[s].laws[kind], parameter).value for s in shots]
                steps = np.diff(values)
                counts = int((steps > 0).sum()), int((steps < 0).sum())
                trends.append(
                    ShotTrend(name, kind, parameter, shots, values, pearson(shots, values), *counts)
                )
    return trends


def pearson(x: Sequence[float], y: Sequence[float]) -> float:
    """Correlation of the pairs without nan; nan for fewer than three of them, or where either is constant."""
    a, b = np.asarray(x, float), np.asarray(y, float)
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3 or np.ptp(a[both]) == 0 or np.ptp(b[both]) == 0:
        return float("nan")
    return float(np.corrcoef(a[both], b[both])[0, 1])
