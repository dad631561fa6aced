"""Runs of many sizes: a row a measurement, with several variables and one value."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from scalax.errors import UserError
from scalax.laws.curves import PLAIN, Scale
from scalax.laws.joint.form import MOST_VARIABLES


class Runs:
    """Rows (x, y) of several variables.

    - x: [n, v], positive, e.g. parameters and tokens.
    - y: [n], positive: a loss or an error.
    - variables: names of the columns of x.
    - run: [n], which run each row is of (None: each is a run of its own). Rows of a run share its noise.
    - label: what y is.
    - scale: how the user writes y, where y here is the distance from a bound.
    - notes: what a reader did to the rows, in words.

    Raises UserError where shapes do not match, or a number is not positive and finite.
    """

    def __init__(
        self,
        x: ArrayLike,
        y: ArrayLike,
        variables: Sequence[str] = (),
        run: ArrayLike | None = None,
        label: str = "y",
        scale: Scale = PLAIN,
        notes: tuple[str, ...] = (),
    ):
        self.x, self.y = np.asarray(x, float), np.asarray(y, float)
        if self.x.ndim != 2 or self.y.shape != self.x.shape[:1]:
            raise UserError(f"x must be [n, v] and y [n], got {self.x.shape} and {self.y.shape}")
        if not 1 <= self.x.shape[1] <= MOST_VARIABLES:
            raise UserError(f"x must have 1 to {MOST_VARIABLES} variables, got {self.x.shape[1]}")
        self.variables = tuple(variables) or tuple(f"x{i + 1}" for i in range(self.x.shape[1]))
        self.run = np.arange(len(self.y)).astype(str) if run is None else np.asarray(run)
        self.label, self.scale, self.notes = label, scale, notes
        if len(self.variables) != self.x.shape[1] or len(self.run) != len(self.y):
            raise UserError("`variables` must name each column of x, and `run` each row")
        table = np.column_stack([self.x, self.y])
        wrong = ~(np.isfinite(table) & (table > 0)).all(1)
        if wrong.any():
            raise UserError(f"x and y must be positive and finite, got {table[wrong][0].tolist()}")

    def __len__(self) -> int:
        return len(self.y)

    def rows(self, kept: np.ndarray) -> "Runs":
        """Some of the rows: indices, or [n] bool."""
        run = self.run[kept]
        return Runs(self.x[kept], self.y[kept], self.variables, run, self.label, self.scale, self.notes)

    def without_lowest(self, count: int) -> "Runs":
        """Without the rows of the lowest last variable to the first, e.g. of tokens per parameter.

        Raises UserError where no row would be left.
        """
        if not 0 <= count < len(self):
            raise UserError(f"`without_lowest` must lie between 0 and {len(self) - 1}, got {count}")
        return self.rows(np.sort(np.argsort(self.x[:, -1] / self.x[:, 0], kind="stable")[count:]))

    def resampled(self, count: int, seed: int) -> np.ndarray:
        """How often each row is in resamples of the runs, [count, n]."""
        names, index = np.unique(self.run, return_inverse=True)
        rng = np.random.default_rng([seed, len(names)])
        return rng.multinomial(len(names), np.full(len(names), 1 / len(names)), count)[:, index].astype(float)
