"""What a scaling law is to the fitter: a pure function of log x with a box and starts drawn from the data."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from scalax.laws.flags import Flag
from scalax.laws.priors import PriorCoordinates

TINY = -20.0  # log of a term, relative to the data, below which it no longer shows


class Extent(NamedTuple):
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
    def width(self) -> Any:
        return self.right - self.left

    @property
    def height(self) -> float:
        return max(self.high - self.low, 1e-3)

    @property
    def steepness(self) -> Any:
        """The curve's overall slope, |d log y / d log x|: what exponents are measured in."""
        return self.height / self.width


class ShiftedPower(NamedTuple):
    """E = a (C + d)^-b + c: what plans that reason about a law, not only follow it, need it to be."""

    a: float
    b: float
    c: float = 0.0
    d: float = 0.0


class Broken(NamedTuple):
    """A law as power laws one after the other, in logs: log(y - limit) = level - exponent log x.

    - log_limit: of the law.
    - levels, exponents: [n + 1], of the segments from small x to large.
    - log_d: [n], where the breaks between them are.
    - log_f: [n], of how wide each is: within d 9^-f to d 9^f a break does 80% of its change of exponent.
    """

    log_limit: float
    levels: np.ndarray
    exponents: np.ndarray
    log_d: np.ndarray
    log_f: np.ndarray


@dataclass(frozen=True, eq=False)
class Family:
    """A law y = f(x), as log y of log x with parameters p [k], some of them logs of the natural ones.

    Units cancel: `shift` maps the parameters of a curve moved by (du, dv) in (log x, log y), so the
    fitter works on centred logs and rescaled data give the same fit.

    What a fit needs:

    - name, formula, source: the source is a paper and its equation.
    - names: of the natural parameters, in the order of p.
    - to_natural: p [k] -> natural parameters [k], with jax.numpy.
    - from_natural: its inverse; -inf where p is the log of a zero.
    - log_y: (p [k], log_x [n]) -> log y [n]; traced by JAX.
    - log_limit: p [k] -> log of y as x grows without end; -inf where y tends to 0.
    - shift: (p [..., k], du, dv) -> p [..., k].
    - box: Extent -> (low [k], high [k]).
    - starts: (Extent, unit cube points [s, k]) -> p [s, k].

    What it may have besides:

    - inverse: (p [k], log_y [n]) -> log x [n], nan where not reached; without it, x is searched for.
    - variables: of x; 2 where log_x is [n, 2].
    - rises: whether y grows with x without end.
    - floor: the parameter that is a limit which y stays above, its p being the log of it.
    - prior: what a prior of it is about, and a wide one. With it the law can be a member of a forecast.
    - diagnose: (natural parameters by name, (left, right) of the data's log x) -> flags of its own.
    - as_shifted_power: natural parameters by name -> the same law as a (C + d)^-b + c. With it a run can
      plan by the law as it goes (`plan.Online`).
    - segments: p [k] -> Broken, of a law that consists of power laws with breaks between them.
    - labels: heads of columns by parameter, in the order in which tables show them; `{x}` and `{y}` stand
      for the units of x and y.
    - decisive: parameters without which it is not known how the law descends; plans by it say so.
    - colour: of its line in figures.
    """

    name: str
    formula: str
    source: str
    names: tuple[str, ...]
    to_natural: Callable
    from_natural: Callable
    log_y: Callable
    log_limit: Callable
    shift: Callable
    box: Callable[[Extent], tuple[np.ndarray, np.ndarray]]
    starts: Callable[[Extent, np.ndarray], np.ndarray]
    inverse: Callable | None = None
    variables: int = 1
    rises: bool = False
    floor: str | None = None
    prior: PriorCoordinates | None = None
    diagnose: Callable[[dict[str, float], tuple[float, float]], Iterable[Flag]] | None = None
    as_shifted_power: Callable[[dict[str, float]], ShiftedPower] | None = None
    segments: Callable[[np.ndarray], Broken] | None = None
    labels: dict[str, str] = field(default_factory=dict)
    decisive: tuple[str, ...] = ()
    colour: str = ""

    def natural(self, p: np.ndarray) -> np.ndarray:
        """Parameters as the formula has them, of internal ones: [m, k] -> [m, k], in float64."""
        rows = max(16, 1 << (len(p) - 1).bit_length())  # few shapes, so few compiled programs
        padded = np.concatenate([p, np.repeat(p[:1], rows - len(p), 0)])
        with jax.enable_x64(True):
            return np.asarray(_to_naturals(self)(padded))[: len(p)]

    def internal(self, natural: dict[str, float]) -> np.ndarray:
        """The p [k] of natural parameters."""
        return np.asarray(self.from_natural([natural[name] for name in self.names]), float)

    def headings(self, x: str = "x", y: str = "y") -> dict[str, str]:
        """The head of each parameter's column, in the order of a table.

        >>> from scalax import laws
        >>> laws.FAMILIES["shifted_power"].headings(x="FLOPs")
        {'a': 'a', 'b': 'b', 'c': 'c (limit)', 'd': 'd (FLOPs)'}
        """
        labels = self.labels or {name: name for name in self.names}
        return {name: label.format(x=x, y=y) for name, label in labels.items()}


@functools.cache
def _to_naturals(family: Family) -> Callable:
    return jax.jit(jax.vmap(family.to_natural))


def unpack(p: Any) -> tuple:
    """The parameters of p [..., k], each [...], to be named: `log_a, log_b = unpack(p)`."""
    return tuple(p[..., i] for i in range(p.shape[-1]))


def transforms(*kinds: str) -> dict[str, Any]:
    """`to_natural` and `from_natural` by parameter: "log" is exp(p), "-log" is -exp(p), "id" is p."""

    def to_natural(p):
        ways = {"log": jnp.exp, "-log": lambda v: -jnp.exp(v), "id": lambda v: v}
        return jnp.stack([ways[kind](v) for kind, v in zip(kinds, p, strict=True)])

    def from_natural(values):
        ways = {"log": np.log, "-log": lambda v: np.log(-v), "id": lambda v: v}
        with np.errstate(divide="ignore"):
            return np.array([ways[kind](v) for kind, v in zip(kinds, values, strict=True)])

    return dict(to_natural=to_natural, from_natural=from_natural)


def lerp(low: Any, high: Any, unit: Any) -> Any:
    """From `low` at `unit` 0 to `high` at `unit` 1, a straight line; arrays broadcast."""
    return low + (high - low) * unit


def log_excess(log_y: Any, log_floor: Any) -> Any:
    """log(y - floor) for y above a floor, in logs, with NumPy; nan below it; arrays broadcast."""
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.asarray(log_floor - log_y, float)
        return log_y + np.log(np.where(gap < 0, -np.expm1(np.minimum(gap, 0)), np.nan))
