"""Priors: of laws, wide ones that laws declare and those learned from many curves; and of how wrong laws are.

A curve is one of two kinds. Of the first kind, laws may be anything that their wide priors allow, and are
close to exact. Of the second, they are like those of the curves that the priors were learned from, and as
inexact.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import NamedTuple

import numpy as np

AMPLITUDES = (0.01, 0.03, 0.09, 0.18, 0.36)  # of the discrepancy (posterior.py), over the curve's slope
WIDE_AMPLITUDES = (0.4, 0.3, 0.2, 0.1, 0.0)  # how probable each is where laws have their wide priors
LEARNED_AMPLITUDES = (0.0, 0.0, 0.1, 0.7, 0.2)  # and where they have learned ones
LEARNED_KIND = {False: 0.3, True: 0.9}  # how probable the second kind is, by whether the rows are smoothed
LEARNED_ONLY = ("m3",)  # laws that are tried under their learned prior alone, where they have one


@dataclass(frozen=True, eq=False)
class Prior:
    """A Gaussian over a law's free coordinates (see PriorCoordinates)."""

    mean: np.ndarray  # [m]
    covariance: np.ndarray  # [m, m]

    @cached_property
    def root(self) -> np.ndarray:
        """[m, m]: the inverse of the covariance's Cholesky factor."""
        return np.linalg.inv(np.linalg.cholesky(self.covariance))


class PriorCoordinates(NamedTuple):
    """What a prior is about: numbers that rescaling x or y leaves alone, of p anchored where the data end.

    - of: (p [k], log y at the top of the data) -> [m]; traced by JAX. There the end of the data is at
      log x = log y = 0, so that limits are relative to the last y and bends to the last x.
    - wide: the prior before any curve was seen.
    """

    of: Callable
    wide: Prior


def wide_prior(mean: Sequence[float], deviation: Sequence[float]) -> Prior:
    """Independent coordinates with these means and standard deviations, each [m]."""
    return Prior(np.array(mean, float), np.diag(np.square(np.array(deviation, float))))


@cache
def learned_priors(early: bool = False) -> dict[str, Prior]:
    """Priors by law that come with the package, learned by `python -m scalax.laws.learn`.

    - early: of curves that still grow steeper, rather than of those that flatten.
    """
    data = json.loads(resources.files("scalax.laws").joinpath("priors.json").read_text())
    learned = data["early" if early else "priors"]
    return {name: Prior(np.array(p["mean"]), np.array(p["covariance"])) for name, p in learned.items()}
