"""Curves with a known truth: laws drawn at random, sampled with noise, to be forecast far beyond."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from scalax.laws.curves import Curve
from scalax.laws.families.m4 import solve_bend

REACHES = (2.0, 10.0, 100.0)  # times the last x
LAST = 1e9  # x of the last row
DECADES = 3.0  # of x, over which bends are laid out whatever the design

_solve_bend = jax.jit(solve_bend)  # by itself its loop would compile at each call, and each program stays


class Design(NamedTuple):
    """How a curve is sampled.

    - rows: of different x.
    - decades: from the first x to the last.
    - noise: standard deviation in log y, independent from row to row.
    - even: spaced evenly in x, or else in log x.
    """

    rows: int = 40
    decades: float = 3.0
    noise: float = 0.01
    even: bool = False


DESIGNS = {
    "40 rows, 1% noise": Design(),
    "even in x": Design(even=True),
    "5% noise": Design(noise=0.05),
    "12 rows": Design(rows=12),
    "two decades": Design(decades=2.0),
}


class Truth(NamedTuple):
    """A curve and what it truly follows: `log_y` of log x [n] is [n]."""

    law: str
    curve: Curve
    log_y: Callable[[np.ndarray], np.ndarray]


def draw(law: str, count: int, design: Design = DESIGNS["40 rows, 1% noise"], seed: int = 0) -> list[Truth]:
    """Curves of one law with parameters drawn at random.

    - law: one of LAWS.
    - count: of curves.
    - design: how they are sampled.
    - seed: of parameters and noise; the parameters are the same for every design.
    """
    first = LAST / 10**design.decades
    x = np.linspace(first, LAST, design.rows) if design.even else np.geomspace(first, LAST, design.rows)
    truths = []
    for i in range(count):
        number = list(LAWS).index(law)
        log_y = LAWS[law](np.random.default_rng([seed, number, i]))
        noise = design.noise * np.random.default_rng([seed, number, i, 1]).standard_normal(design.rows)
        y = np.exp(log_y(np.log(x)) + noise)
        truths.append(Truth(law, Curve(x, y, f"{law}/{i}"), log_y))
    return truths


def draw_family(law: str, count: int, design: Design, seed: int = 0, spread: float = 0.05) -> list[Truth]:
    """Curves of one law whose parameters are near each other.

    - law, count, design: as in `draw`.
    - seed: of the family, its curves and noise.
    - spread: standard deviation of a parameter within the family, as a share of the range that all have.
    """
    first = LAST / 10**design.decades
    x, number = np.geomspace(first, LAST, design.rows), list(LAWS).index(law)
    truths = []
    for i in range(count):
        of_family = np.random.default_rng([seed, number])
        log_y = LAWS[law](_Near(of_family, np.random.default_rng([seed, number, i, 2]), spread))
        noise = design.noise * np.random.default_rng([seed, number, i, 3]).standard_normal(design.rows)
        y = np.exp(log_y(np.log(x)) + noise)
        truths.append(Truth(law, Curve(x, y, f"{law}/{i}"), log_y))
    return truths


class _Near(NamedTuple):
    """Draws what lies near the draws of a family."""

    family: np.random.Generator
    own: np.random.Generator
    spread: float

    def uniform(self, low: float, high: float) -> float:
        share = self.family.uniform() + self.spread * self.own.standard_normal()
        return low + (high - low) * float(np.clip(share, 0, 1))


def _place(rng, low: float, high: float) -> float:
    """log x at a share of the way from the first decade to the last x."""
    return float(np.log(LAST) - (1 - rng.uniform(low, high)) * DECADES * np.log(10))


def _power(rng):
    slope = rng.uniform(0.05, 0.6)
    return lambda log_x: -slope * (log_x - np.log(LAST))


def _with_limit(rng, log_y):
    """A limit of 10% to 70% of the y at the last x is added to what falls to zero."""
    share = rng.uniform(0.1, 0.7)
    end = log_y(np.log(LAST))
    return lambda log_x: np.logaddexp(np.log(share), np.log1p(-share) + log_y(log_x) - end)


def _m2(rng):
    return _with_limit(rng, _power(rng))


def _m4(rng):
    slope, log_a = rng.uniform(0.3, 1.0), rng.uniform(np.log(0.5), np.log(2))
    log_e_inf, half = np.log(rng.uniform(0.05, 0.4)), _place(rng, 0.3, 0.8)
    level = np.expm1(log_a) * np.log(2)

    def log_y(log_x):
        w = np.asarray(_solve_bend(level - slope * (log_x - half), np.exp(log_a)), float)
        return np.logaddexp(log_e_inf - np.logaddexp(0, w), -np.logaddexp(0, -w))

    return log_y


def _bnsl(rng):
    early, late = rng.uniform(0.02, 0.2), rng.uniform(0.2, 0.6)
    at, sharp = _place(rng, 0.2, 0.7), np.exp(rng.uniform(np.log(0.1), np.log(0.7)))

    def log_y(log_x):
        return -early * log_x - (late - early) * sharp * np.logaddexp(0, (log_x - at) / sharp)

    return _with_limit(rng, log_y)


def _shifted_power(rng):
    slope, at = rng.uniform(0.2, 0.6), _place(rng, 0.1, 0.6)
    return _with_limit(rng, lambda log_x: -slope * np.logaddexp(log_x, at))


LAWS = {"m2": _m2, "power": _power, "m4": _m4, "bnsl": _bnsl, "shifted_power": _shifted_power}
