"""From one task to another: how many FLOPs from level A to level B? (Figure 1 of the paper.)"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scalax import laws
from scalax.laws import Fit
from scalax.studies.returns.levels import flops_at
from scalax.studies.returns.result import Prediction

LAW = "m4"  # has a plateau before learning starts, which is where a guess stands
LEAST = 6  # evaluations that a law of a task is fitted to
SHIFTS = np.linspace(np.log(1e-3), np.log(1e3), 2401)  # log factors of FLOPs by which a law may be moved


class Curve(NamedTuple):
    """flops, accuracy (chance-corrected): of a task, at each evaluation [e]."""

    name: str
    flops: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """1 for a guess; kept above 0, for logs."""
        return np.clip(1 - self.accuracy, 1e-3, None)

    def until(self, flops: float) -> "Curve":
        kept = self.flops <= flops
        return Curve(self.name, self.flops[kept], self.accuracy[kept])


def predict(curves: Sequence[Curve], low: float, high: float) -> list[Prediction]:
    """For every ordered pair of tasks, from what is known of the second when it has reached the lower level.

    - curves: of the tasks.
    - low, high: the levels A and B.

    Tasks that do not reach both levels are left out.
    """
    reached = {c.name: (flops_at(low, *c[1:]), flops_at(high, *c[1:])) for c in curves}
    kept = [c for c in curves if np.isfinite(reached[c.name]).all()]
    if len(kept) < 2:
        return []
    parts = {c.name: c.until(reached[c.name][0]) for c in kept}
    whole_fits = _fits(kept)
    part_fits = _fits([part for part in parts.values() if len(part.flops) >= LEAST])
    found = []
    for first, second in itertools.permutations(kept, 2):
        (first_a, first_b), (second_a, second_b) = reached[first.name], reached[second.name]
        found.append(
            Prediction(
                first=first.name,
                second=second.name,
                measured=second_b - second_a,
                same_ratio=second_a * (first_b - first_a) / first_a,
                moved_law=_between(whole_fits.get(first.name), low, high, parts[second.name]),
                own_law=_between(part_fits.get(second.name), low, high),
            )
        )
    return found


def _fits(curves: Sequence[Curve]) -> dict[str, Fit]:
    if not curves:
        return {}
    fits = laws.fit([laws.Curve(c.flops, c.error, c.name) for c in curves], [LAW])
    return {c.name: fit[LAW] for c, fit in zip(curves, fits, strict=True)}


def _between(fit: Fit | None, low: float, high: float, moved_to: Curve | None = None) -> float:
    """FLOPs between the levels by a law, moved along FLOPs to the measurements of a curve where one is given;
    nan where the law does not reach both."""
    if fit is None:
        return float("nan")
    at_low, at_high = fit.inverse(np.array([1 - low, 1 - high]))
    factor = 1.0
    if moved_to is not None:
        factor = _shift(fit, moved_to)
    between = float(factor * (at_high - at_low))
    return between if between > 0 else float("nan")


def _shift(fit: Fit, curve: Curve) -> float:
    """The factor k for which error(flops / k) of the law is nearest to the curve's, in squares of the
    logs."""
    x = np.log(curve.flops)[None] - SHIFTS[:, None]
    predicted = fit.predict(np.exp(x.ravel())).reshape(x.shape)
    misfit = ((np.log(predicted) - np.log(curve.error)) ** 2).sum(1)
    return float(np.exp(SHIFTS[np.argmin(misfit)]))
