"""A family with its parameters: predictions, slopes and inverses in plain units."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from scalax.errors import UserError
from scalax.laws.bank import evaluate
from scalax.laws.family import Family

SEARCHED = 512  # values of y whose x are searched for at once: each takes a row of 64 KB


@functools.cache
def _slope(family: Family):
    return jax.jit(jax.vmap(jax.grad(lambda p, u: family.log_y(p, u[None])[0], argnums=1), (None, 0)))


@dataclass(frozen=True)
class Law:
    """y = f(x) with fitted or given parameters. Inputs and outputs are arrays in the data's own units."""

    family_spec: Family
    p: np.ndarray  # [k], internal parameters
    around: tuple[float, float] = (0.0, 1.0)  # log x range of the data, where a search for x begins

    @property
    def family(self) -> str:
        return self.family_spec.name

    @functools.cached_property
    def params(self) -> dict[str, float]:
        """Parameters of `family_spec.formula` by name."""
        values = self.family_spec.natural(self.p[None])[0]
        return dict(zip(self.family_spec.names, values.tolist(), strict=True))

    def predict(self, x: ArrayLike) -> np.ndarray:
        """y at x: [n] -> [n] (x is [n, 2] for a law of two variables); a scalar gives a scalar."""
        x = np.asarray(x, float)
        if x.ndim < self.family_spec.variables:
            return self.predict(x[None])[0]
        with np.errstate(divide="ignore"):
            return np.exp(self._log_y(np.log(x)))

    def slope(self, x: ArrayLike) -> np.ndarray:
        """dy/dx at x by differentiating the law: same shape as x."""
        x = np.asarray(x, float)
        if x.ndim < self.family_spec.variables:
            return self.slope(x[None])[0]
        with jax.enable_x64(True):
            relative = np.asarray(_slope(self.family_spec)(jnp.asarray(self.p), jnp.asarray(np.log(x))))
        y = self.predict(x)
        return relative * (y[:, None] if x.ndim == 2 else y) / x

    def inverse(self, y: ArrayLike) -> np.ndarray:
        """x at which the law reaches y: [n] -> [n], nan where it never does; a scalar gives a scalar.

        A law that is not monotone is searched from small x upwards for the first crossing.
        """
        if self.family_spec.variables > 1:
            raise UserError(f"law {self.family}: it has two variables, so no single x reaches a given y")
        y = np.asarray(y, float)
        if y.ndim == 0:
            return self.inverse(y[None])[0]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if self.family_spec.inverse:
                x = np.exp(self.family_spec.inverse(self.p, np.log(y)))
            else:
                parts = np.array_split(np.log(y), len(y) // SEARCHED + 1)
                x = np.exp(np.concatenate([self._search(part) for part in parts]))
        return np.where(np.isfinite(x) & (x > 0), x, np.nan)

    @property
    def asymptote(self) -> float:
        """What y tends to as x grows without end: 0 for a pure power law, inf for a law that rises."""
        return float(np.exp(self.family_spec.log_limit(self.p)))

    def _log_y(self, log_x: np.ndarray) -> np.ndarray:
        return evaluate([self.family_spec], [self.p], log_x)[0]

    def _search(self, log_y):
        left, right = self.around
        grid = np.linspace(left - 40, right + 80, 8192)
        gap = self._log_y(grid)[None] - log_y[:, None]
        crosses = np.sign(gap[:, 1:]) != np.sign(gap[:, :-1])
        first = crosses.argmax(1)
        low, high = grid[first], grid[first + 1]
        side = np.sign(gap[np.arange(len(log_y)), first])
        for _ in range(50):
            middle = (low + high) / 2
            before = np.sign(self._log_y(middle) - log_y) == side
            low, high = np.where(before, middle, low), np.where(before, high, middle)
        return np.where(crosses.any(1), (low + high) / 2, np.nan)
