"""From how large an x on a law foretells the rest of a curve ('Broken Neural Scaling Laws', section 6)."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scalax.errors import UserError
from scalax.laws.curves import Curve
from scalax.laws.family import Family
from scalax.laws.fit_result import Fit
from scalax.laws.fitting import fit
from scalax.laws.registry import lookup

TOLERANCE = 0.05  # RMSLE
CUTS = 48  # of a curve, at most
MOST_CUTS = 1000
EXACT_STEPS = 3000  # of the solver: rows without noise say all, but in digits far from the first


@dataclasses.dataclass(frozen=True)
class Extrapolations:
    """Fits to the rows up to each of several x, scored on all rows to the right of it.

    - x: [k], the largest x that was fitted, in rising order.
    - fitted: [k], rows that were.
    - error: [k], RMSLE on the rows to the right; nan where the law says nothing there.
    """

    x: np.ndarray
    fitted: np.ndarray
    error: np.ndarray

    def threshold(self, tolerance: float) -> float | None:
        """The least x from which on every error is at most the tolerance; None where the last one is not.

        One small error before larger ones is luck, and counts for nothing.
        """
        within = np.flip(np.logical_and.accumulate(np.flip(self.error <= tolerance)))
        return float(self.x[within][0]) if within.any() else None

    def all_within(self, tolerance: float) -> bool:
        """Whether every error is at most the tolerance: the threshold may then lie below the first x."""
        return bool((self.error <= tolerance).all())


@dataclasses.dataclass(frozen=True)
class Limit:
    """Of one law on one curve.

    - curve: its name; key: values of the columns that name it.
    - fit: of all rows, which the simulation follows.
    - rows: of the curve's own rows.
    - noiseless: of rows that follow the fit exactly, over the same range of x.
    - tolerance: RMSLE that the thresholds are for.
    """

    curve: str
    key: dict[str, str]
    fit: Fit
    rows: Extrapolations
    noiseless: Extrapolations
    tolerance: float

    @property
    def threshold(self) -> float | None:
        """Of the rows."""
        return self.rows.threshold(self.tolerance)

    @property
    def threshold_noiseless(self) -> float | None:
        return self.noiseless.threshold(self.tolerance)

    @property
    def breaks(self) -> tuple[float, ...]:
        """x of the breaks of a broken law in the fit of all rows, in rising order; of other laws none."""
        taken_apart = self.fit.family_spec.segments
        return tuple(np.exp(taken_apart(self.fit.p).log_d).tolist()) if taken_apart else ()

    def to_json(self) -> dict[str, Any]:
        """All of it, `fit` as `Fit.to_json` has it."""

        def lists(found: Extrapolations) -> dict[str, list]:
            return {name: value.tolist() for name, value in vars(found).items()}

        return {
            "curve": self.curve,
            "key": self.key,
            "law": self.fit.family,
            "tolerance": self.tolerance,
            "threshold": self.threshold,
            "threshold_noiseless": self.threshold_noiseless,
            "breaks": list(self.breaks),
            "rows": lists(self.rows),
            "noiseless": lists(self.noiseless),
            "fit": self.fit.to_json(),
        }


def least_rows(family: str | Family) -> int:
    """Different x that a curve must have: as many as the law has parameters, and two more."""
    return len(lookup(family).names) + 2


def different_x(curve: Curve) -> int:
    """Of its usable rows, whether to fit or held out."""
    return len(np.unique(curve.x[curve.usable]))


def limits(
    curves: Sequence[Curve],
    family: str | Family = "bnsl",
    tolerance: float = TOLERANCE,
    cuts: int = CUTS,
    progress: Callable[[float], object] | None = None,
) -> list[Limit]:
    """Extrapolation error of a law against the largest x that it is fitted to, curve by curve.

    All rows count, whether to fit or held out. The fits begin with as many different x as the law has
    parameters, and end one short of all.

    - curves: of one variable.
    - family: the law.
    - tolerance: RMSLE that a threshold is for.
    - cuts: of a curve at most, spread evenly in log x where its rows make more. The simulation has so many.
    - progress: called with the number of fits just finished.

    Raises UserError for an unknown law, a law of several variables, and a curve with too few rows.
    """
    law = lookup(family)
    if law.variables != 1:
        raise UserError(f"law {law.name!r} is of {law.variables} variables; take one of x alone")
    if not 0 < tolerance < float("inf"):
        raise UserError(f"`tolerance` must be positive and finite, got {tolerance:g}")
    if cuts < 2:
        raise UserError(f"`cuts` must be at least 2, got {cuts}")
    if cuts > MOST_CUTS:
        raise UserError(f"`cuts` must be {MOST_CUTS} at most, got {cuts}")
    least = len(law.names)
    wholes = [_whole(curve, least_rows(law)) for curve in curves]
    parts = [_parts(whole, least, cuts) for whole in wholes]
    fits = fit([*wholes, *_flat(parts)], [law], progress=progress)
    of_all, of_rows = fits[: len(wholes)], iter(fits[len(wholes) :])
    simulated = [_simulated(w, own[law.name], least + cuts) for w, own in zip(wholes, of_all, strict=True)]
    noiseless = [_parts(whole, least, cuts) for whole in simulated]
    of_noiseless = iter(fit(_flat(noiseless), [law], progress=progress, steps=EXACT_STEPS))

    def scored(tries: Sequence[Curve], found) -> Extrapolations:
        x = np.array([part.x[part.fit].max() for part in tries])
        count = np.array([int(part.fit.sum()) for part in tries])
        return Extrapolations(x, count, np.array([next(found)[law.name].rmsle_held_out for _ in tries]))

    return [
        Limit(
            curve=curve.name,
            key=curve.key,
            fit=own[law.name],
            rows=scored(tries, of_rows),
            noiseless=scored(tries_noiseless, of_noiseless),
            tolerance=tolerance,
        )
        for curve, own, tries, tries_noiseless in zip(curves, of_all, parts, noiseless, strict=True)
    ]


def _whole(curve: Curve, least: int) -> Curve:
    """All its usable rows, to fit. Raises UserError where they are too few."""
    if (count := different_x(curve)) < least:
        raise UserError(
            f"curve {curve.name!r}: has {count} different x, and its limit needs {least}; take a law of fewer"
            " parameters, or leave the curve out"
        )
    x, y = curve.x[curve.usable], curve.y[curve.usable]
    order = np.argsort(x, kind="stable")
    return Curve(x[order], y[order], curve.name)


def _parts(whole: Curve, least: int, cuts: int) -> list[Curve]:
    """The curve with its rows up to each of several x to fit, and the others held out."""
    x = np.unique(whole.x)[least - 1 : -1]
    if len(x) > cuts:
        even = np.geomspace(x[0], x[-1], cuts)
        x = x[np.unique(np.abs(np.log(x)[:, None] - np.log(even)).argmin(0))]
    return [Curve(whole.x, whole.y, whole.name, whole.x <= last) for last in x]


def _simulated(whole: Curve, law: Fit, points: int) -> Curve:
    """Rows that follow the law exactly, evenly in log x over the range of the curve's own."""
    x = np.geomspace(whole.x[0], whole.x[-1], points)
    return Curve(x, law.predict(x), whole.name)


def _flat(parts: Sequence[Sequence[Curve]]) -> list[Curve]:
    return [part for own in parts for part in own]
