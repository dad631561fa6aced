"""Closed-form laws and made-up records: what the tests of plans share."""

from typing import NamedTuple

import numpy as np

from scalax.records import RunRecord
from scalax.schedule import Shape

LARGE, MIDDLE, SMALL = Shape(8, 64, 4), Shape(4, 64, 4), Shape(2, 64, 4)


class PowerLaw(NamedTuple):
    """a (C + d)^-b + c in closed form: an implementation apart from scalax.laws."""

    a: float
    b: float
    c: float = 0.0
    d: float = 0.0

    @property
    def asymptote(self):
        return self.c

    def predict(self, x):
        with np.errstate(divide="ignore"):
            return self.a * (np.asarray(x, float) + self.d) ** -self.b + self.c

    def inverse(self, y):
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(y > self.c, ((np.asarray(y) - self.c) / self.a) ** (-1 / self.b) - self.d, np.nan)


# Three laws that cross twice below 1e10 FLOPs, where they have 0.36, 0.22 and 0.25.
CROSSING = {
    LARGE: PowerLaw(16.0, 0.30, 0.34, 1e5),
    MIDDLE: PowerLaw(120.0, 0.33, 0.16, 1e7),
    SMALL: PowerLaw(900.0, 0.36, 0.02, 3e8),
}


def record(run: str, shape: Shape, flops: float, step: int = 0, **metrics: float) -> RunRecord:
    step = step or int(flops / 1e5)
    return RunRecord(
        run, step, 10 * step, flops, 0.9 * flops, flops / 1e9, **shape._asdict(), metrics=metrics
    )
