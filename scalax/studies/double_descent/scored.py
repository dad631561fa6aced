"""Laws fitted to all rows of a curve and to its first ones, and their errors over resampled seeds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from scalax.studies.double_descent.result import AFTER_PEAK, CHOSEN, OLD, Cut, Interval, LawScore, Sweep

if TYPE_CHECKING:
    from scalax.laws import Fit

LEVEL = 0.9  # of intervals
LEAST_AFTER = 5  # rows from the peak on


def sweep(
    x: Sequence[float], errors: np.ndarray, cuts: Sequence[float], resamples: int, most_breaks: int
) -> Sweep:
    """The mean curve with its landmarks, and every law's errors.

    - x: [n].
    - errors: [seeds, n].
    - cuts: x up to which laws are fitted, apart from all.
    - resamples: of the seeds.
    - most_breaks: of the broken laws.
    """
    logs = np.log(errors)
    mean = logs.mean(0)
    low, high = np.quantile(logs, [0.1, 0.9], axis=0)
    dip, peak = landmarks(mean)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(logs), (resamples, len(logs)))
    means = np.concatenate([mean[None], logs[drawn].mean(1)])
    at = np.asarray(x, float)
    scored = _scored(at, np.exp(means), [*cuts, at[-1]], most_breaks)
    return Sweep(
        x=at.tolist(),
        error=np.exp(mean).tolist(),
        low=np.exp(low).tolist(),
        high=np.exp(high).tolist(),
        dip=float(at[dip]),
        peak=float(at[peak]),
        cuts=scored,
    )


def landmarks(log_y: np.ndarray) -> tuple[int, int]:
    """Rows of the dip and the peak of the largest rise: [n] -> two indices, the same one without any rise."""
    rise = log_y - np.minimum.accumulate(log_y)
    peak = int(rise.argmax())
    return int(log_y[: peak + 1].argmin()), peak


def _scored(x: np.ndarray, means: np.ndarray, cuts: Sequence[float], most_breaks: int) -> list[Cut]:
    """means: [1 + resamples, n], the first of all seeds."""
    from scalax import laws
    from scalax.laws import select

    curves = [laws.Curve(x, y, f"up to {cut:g}", x <= cut) for cut in cuts for y in means]
    fits: list[dict[str, Fit]] = [{} for _ in curves]
    broken = ["bnsl" if n == 1 else f"bnsl{n}" for n in range(1, most_breaks + 1)]
    starts = [*(select.STARTS[0] for _ in OLD), *select.STARTS[1 : most_breaks + 1]]
    for count in sorted(set(starts)):
        alike = [name for name, own in zip([*OLD, *broken], starts, strict=True) if own == count]
        for own, new in zip(fits, laws.fit(curves, alike, starts=count), strict=True):
            own |= new
    for own, choice in zip(fits, select.choose_all(curves, most_breaks, select.STARTS[0]), strict=True):
        own[CHOSEN] = choice.fit
    made = []
    for i, cut in enumerate(cuts):
        mine = slice(i * len(means), (i + 1) * len(means))
        own = fits[mine]
        _, peak = landmarks(np.log(means[0, x <= cut]))
        if 0 < peak <= np.sum(x <= cut) - LEAST_AFTER:
            later = [laws.Curve(x[peak:], y[peak:], "", x[peak:] <= cut) for y in means]
            for each, new in zip(own, laws.fit(later, ["m4"]), strict=True):
                each[AFTER_PEAK] = new["m4"]
        made.append(_cut(x, means, float(cut), own))
    return made


def _cut(x: np.ndarray, means: np.ndarray, cut: float, fits: "Sequence[dict[str, Fit]]") -> Cut:
    """fits: of each of the means, by name."""
    later = x > cut
    scores = []
    for name, first in fits[0].items():
        own = [each[name] for each in fits]
        fitted = interval([f.rmsle for f in own])
        held = interval([f.rmsle_held_out for f in own]) if later.any() else None
        left, right = (float(end) for end in first.around)
        p = np.asarray(first.p, float).tolist()
        scores.append(LawScore(name, first.family, p, (left, right), float(np.exp(left)), fitted, held))
    missed = np.log(means[:, later]) - np.log(means[:, ~later][:, -1:])
    still = interval(np.sqrt(np.mean(missed**2, 1))) if later.any() else None
    return Cut(cut, int((~later).sum()), still, scores)


def interval(values: Sequence[float] | np.ndarray) -> Interval:
    """Of a value, the first, and the same of resampled seeds, the others."""
    low, high = np.quantile(np.asarray(values)[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values[0]), float(low), float(high))
