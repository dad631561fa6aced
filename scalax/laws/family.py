"""What a scaling law is to the fitter: a pure function of log x with a box and starts drawn from the data."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

TINY = -20.0  # log of a term, relative to the data, below which it no longer shows


class Span(NamedTuple):
    """Where a curve's rows to fit lie, in logs: x from `left` to `right`, y from `low` to `high`.

    Floats; for a law of two variables `left` and `right` are arrays [2]. `first` and `last` are the
    log y at the two ends of x.
    """

    left: Any
    right: Any
    low: float
    high: float
    first: float
    last: float

    @property
    def width(self):
        return self.right - self.left

    @property
    def height(self) -> float:
        return max(self.high - self.low, 1e-3)

    @property
    def steepness(self):
        """The curve's overall slope, |d log y / d log x|: what exponents are measured in."""
        return self.height / self.width


class Family(NamedTuple):
    """A law y = f(x), as log y of log x with parameters p [k], some of them logs of the natural ones.

    Units cancel: `shift` maps the parameters of a curve moved by (du, dv) in (log x, log y), so the
    fitter works on centred logs and rescaled data give the same fit.
    """

    name: str
    formula: str
    source: str  # paper and equation
    names: tuple[str, ...]  # of the natural parameters
    to_natural: Callable  # (p [k]) -> natural parameters [k]; traced by JAX
    from_natural: Callable  # its inverse; -inf where p is the log of a zero
    log_y: Callable  # (p [k], log_x [n]) -> log y [n]; traced by JAX
    log_limit: Callable  # (p [k]) -> log of y as x grows without end; -inf where y tends to 0
    inverse: Callable | None  # (p [k], log_y [n]) -> log x [n], nan where not reached; None: by search
    shift: Callable  # (p [..., k], du, dv) -> p [..., k]
    box: Callable  # (Span) -> (low [k], high [k])
    starts: Callable  # (Span, unit cube points [s, k]) -> p [s, k]
    parts: Callable | None = None  # (p, log_x) -> dict of named curves, to plot what a law is made of
    variables: int = 1
    floor: int | None = None  # which of p is the log of a limit that y stays above

    def natural(self, p) -> dict[str, float]:
        """Parameters as the formula has them."""
        return dict(zip(self.names, np.asarray(self.to_natural(p), float).tolist(), strict=True))

    def internal(self, natural: dict[str, float]) -> np.ndarray:
        """The p [k] of natural parameters."""
        return np.asarray(self.from_natural([natural[name] for name in self.names]), float)


def coordinates(*kinds: str) -> dict[str, Any]:
    """`to_natural` and `from_natural` one by one: "log" is exp(p), "-log" is -exp(p), "id" is p."""

    def to_natural(p):
        ways = {"log": jnp.exp, "-log": lambda v: -jnp.exp(v), "id": lambda v: v}
        return jnp.stack([ways[kind](v) for kind, v in zip(kinds, p, strict=True)])

    def from_natural(values):
        ways = {"log": np.log, "-log": lambda v: np.log(-v), "id": lambda v: v}
        with np.errstate(divide="ignore"):
            return np.array([ways[kind](v) for kind, v in zip(kinds, values, strict=True)])

    return dict(to_natural=to_natural, from_natural=from_natural)


def between(low, high, unit):
    return low + (high - low) * unit


def log_excess(log_y, log_floor):
    """log(y - floor) for y above a floor, in logs; nan below it."""
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.asarray(log_floor - log_y, float)
        return log_y + np.log(np.where(gap < 0, -np.expm1(np.minimum(gap, 0)), np.nan))
