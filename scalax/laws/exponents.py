"""Scaling exponents by curve and law, and what they have in common over tasks and models."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from scalax.errors import UserError
from scalax.laws.curves import Curve
from scalax.laws.fitting import fit
from scalax.laws.flags import Flag
from scalax.laws.registry import lookup
from scalax.laws.resampled import ends, resampled

LEVEL = 0.8  # of intervals
FAMILIES = ("m2", "m4")


class Exponent(NamedTuple):
    """Of one law on one curve.

    - curve, law: names; key: values of the columns that name the curve.
    - c: the exponent, positive: y falls towards its limit as x^-c.
    - low, high: 80% interval, by the standard error in log c.
    - limit: of the law.
    - trusted: whether nothing flags the fit.
    - flags: what to distrust of it.
    """

    curve: str
    key: dict[str, str]
    law: str
    c: float
    low: float
    high: float
    limit: float
    trusted: bool
    flags: tuple[Flag, ...] = ()


class Contrast(NamedTuple):
    """Two laws' exponents on the same curves: median of the first over the second with its interval, and the
    share of curves where the first is larger, with its interval (both of resampled curves, 90%)."""

    first: str
    second: str
    curves: int
    ratio: tuple[float, float, float]
    share: tuple[float, float, float]


def exponents(
    curves: Sequence[Curve],
    families: Sequence[str] = FAMILIES,
    progress: Callable[[float], object] | None = None,
) -> list[Exponent]:
    """The exponent c of each law on each curve, curve by curve; only rows to fit are seen.

    - curves: to fit.
    - families: names of laws with a parameter c.
    - progress: called with the number of fits just finished.

    Raises UserError for a law without an exponent c.
    """
    for name in families:
        if "c" not in lookup(name).names:
            raise UserError(f"law {name!r} has no exponent c; take m1, m2, m3, m4 or m4_alpha1")
    found = []
    for curve, fits in zip(curves, fit(curves, families, progress=progress), strict=True):
        for name, own in fits.items():
            c = abs(own.params["c"])
            spread = float(np.exp(ndtri(0.5 + LEVEL / 2) * own.stderr["c"] / c)) if c > 0 else np.nan
            trusted = own.converged and not own.flags
            interval = c / spread, c * spread
            found.append(
                Exponent(curve.name, curve.key, name, c, *interval, own.asymptote, trusted, own.flags)
            )
    return found


def contrast(found: Sequence[Exponent], first: str, second: str, seed: int = 0) -> Contrast:
    """Compare two laws on the curves that both were fitted to.

    - found: of `exponents`.
    - first, second: names of the laws.
    - seed: of the resampled curves.
    """
    by = {(each.curve, each.law): each.c for each in found}
    both = [curve for curve, law in by if law == first and (curve, second) in by]
    logs = np.log([by[curve, first] / by[curve, second] for curve in both])
    drawn = resampled(logs, seed)
    ratio = float(np.exp(np.median(logs))), *ends(np.exp(np.median(drawn, 1)))
    share = float((logs > 0).mean()), *ends((drawn > 0).mean(1))
    return Contrast(first, second, len(logs), ratio, share)
