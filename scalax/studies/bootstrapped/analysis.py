"""From errors by images seen to peaks, and to how far a part's curve is from the largest part's."""

from collections.abc import Sequence

import numpy as np

from scalax import laws
from scalax.studies.bootstrapped.config import BootstrappedConfig
from scalax.studies.bootstrapped.result import Gap, PartResult, PeakResult, Verdict
from scalax.studies.bootstrapped.seeds import reach


def parts(
    config: BootstrappedConfig,
    examples: Sequence[int],
    images: Sequence[int],
    errors: Sequence[np.ndarray],
    upstream: Sequence[np.ndarray],
) -> list[PartResult]:
    """What the runs show, part by part.

    - config: of the study.
    - examples: images seen at each evaluation, [e].
    - images: of each part.
    - errors: the metric on each part, [s, e] by seed and evaluation.
    - upstream: the error on upstream validation images, likewise.
    """
    x, whole = np.array(examples, float), np.log(errors[-1])
    found = []
    for place, (count, own, above) in enumerate(zip(images, errors, upstream, strict=True)):
        peak = peak_of(x, own, f"{count} images")
        gaps: list[Gap | None] = [None] * 3
        leaves = float("nan")
        if place < len(images) - 1:
            ratio, end = np.log(own) - whole, peak.x if peak.found else np.inf
            leaves = leaves_at(x, ratio, whole, config)
            nearest = np.abs(np.log(x) - np.log(peak.x)) if peak.found else np.full(len(x), np.nan)
            stretches = (x > count) & (x <= end), nearest == nearest.min(), x > end
            gaps = [gap(ratio, whole, rows, config.confidence) for rows in stretches]
        found.append(
            PartResult(
                share=config.shares[place],
                images=count,
                errors=own.tolist(),
                upstream=above.tolist(),
                peak=peak,
                leaves=leaves,
                before=gaps[0],
                peak_gap=gaps[1],
                after=gaps[2],
                verdict=verdict(gaps[0], config.tolerance),
            )
        )
    return found


def peak_of(x: np.ndarray, errors: np.ndarray, name: str) -> PeakResult:
    """The peak of all seeds' curves together; seeds are repeats, so that they tell the noise.

    - x: images seen, [e].
    - errors: [s, e].
    - name: of the curve, for messages.
    """
    curve = laws.Curve(np.tile(x, len(errors)), errors.ravel(), name)
    return PeakResult(*laws.until_peak(curve))


def leaves_at(x: np.ndarray, ratio: np.ndarray, whole: np.ndarray, config: BootstrappedConfig) -> float:
    """The x from which on the interval of the log ratio is above what is tolerated; nan for none.

    - x: images seen, [e].
    - ratio, whole: as for `gap`.
    - config: has the tolerance, a share of what the largest part's log error has fallen by then.
    """
    level = whole.mean(0)
    within = ratio.mean(0) - reach(ratio, config.confidence) <= config.tolerance * (level[0] - level)
    first = len(x) - int(within[::-1].argmax()) if within.any() else 0
    return float(x[first]) if first < len(x) else float("nan")


def gap(ratio: np.ndarray, whole: np.ndarray, rows: np.ndarray, confidence: float) -> Gap | None:
    """The mean log ratio over some evaluations, with Student's interval over seeds; None for no evaluation.

    - ratio: log of a part's error over the largest part's with the same seed, [s, e].
    - whole: log error of the largest part, [s, e].
    - rows: bool [e], the evaluations.
    - confidence: of the interval.
    """
    if not rows.any():
        return None
    of_seeds = ratio[:, rows].mean(1)
    value, half = float(of_seeds.mean()), float(reach(of_seeds, confidence))
    level = whole.mean(0)
    fall = float(level[0] - level[np.flatnonzero(rows)[-1]])
    return Gap(value, value - half, value + half, int(rows.sum()), fall)


def verdict(before: Gap | None, tolerance: float) -> Verdict:
    """Whether curves coincide: their whole interval lies within the tolerated share of the fall.

    - before: the gap before the peak.
    - tolerance: share of the fall.

    They are apart where the interval leaves out 0 and reaches past what is tolerated.
    """
    if before is None:
        return "no repeats"
    if max(abs(before.low), abs(before.high)) <= tolerance * before.fall:
        return "coincide"
    return "apart" if before.low > 0 or before.high < 0 else "not determined"
