"""The laws of static runs, and how far they may be trusted."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from scalax import laws
from scalax.errors import UserError
from scalax.plan.compare import Curve
from scalax.schedule import Shape

Curves = Mapping[Shape, Sequence[Curve]]  # of each shape, one or more runs (seeds)
LEAST_POINTS = 5  # a law has four parameters
WHOLE_STEPS = 1.02  # a run stops at the last whole step before its budget


def fit_laws(curves: Curves, first_flops: float, resamples: int = 0, seed: int = 0) -> dict[Shape, laws.Fit]:
    """E = a (C + d)^-b + c of each shape, by the Huber loss of log E over the evaluations of all its runs
    from `first_flops` on.

    With several seeds the law is that of their geometric mean. resamples: bootstrap resamples of the
    evaluations, each with a law of its own. Raises UserError where a shape has too few evaluations.
    """
    rows = []
    for shape, runs in curves.items():
        flops, values = (np.concatenate(parts) for parts in zip(*runs, strict=True))
        kept = flops >= first_flops
        points = len(np.unique(flops[kept & (values > 0)]))
        if points < LEAST_POINTS:
            raise UserError(
                f"{shape} has {points} evaluations from {first_flops:.3g} FLOPs on, a law needs"
                f" {LEAST_POINTS}; evaluate more often, or lower the share of the runs left out"
            )
        rows.append(laws.Curve(flops[kept], values[kept], str(shape)))
    fits = laws.fit(rows, ["shifted_power"], objective="huber", resamples=resamples, seed=seed)
    return {shape: fit["shifted_power"] for shape, fit in zip(curves, fits, strict=True)}


def measured_flops(curves: Curves) -> float:
    """The FLOPs up to which every shape was measured."""
    return min(max(float(flops[-1]) for flops, _ in runs) for runs in curves.values())


def measured_error(curves: Curves) -> float:
    """The least value that any run reached."""
    return min(float(np.min(values)) for runs in curves.values() for _, values in runs)


def check_measured(curves: Curves, *, budget_flops: float | None = None, target: float | None = None) -> None:
    """Raises UserError for a budget or a target that lies beyond the static runs."""
    last, least = measured_flops(curves), measured_error(curves)
    if budget_flops is not None and budget_flops > last * WHOLE_STEPS:
        raise UserError(
            f"a budget of {budget_flops:.4g} FLOPs is past the static runs, which end at {last:.4g};"
            " train them longer, or extrapolate (--extrapolate)"
        )
    if target is not None and target < least:
        raise UserError(
            f"a target of {target:g} is below what any static run reached, {least:.4g};"
            " train them longer, or extrapolate (--extrapolate)"
        )


def truncated(curves: Curves, share: float) -> dict[Shape, list[Curve]]:
    """The evaluations in the first `share` of each run's FLOPs."""
    if not 0 < share <= 1:
        raise ValueError(f"share must be in (0, 1], got {share}")
    return {
        shape: [(f[f <= share * f[-1]], v[f <= share * f[-1]]) for f, v in runs]
        for shape, runs in curves.items()
    }


def spent_flops(curves: Curves) -> float:
    """Training FLOPs of all the runs."""
    return math.fsum(float(flops[-1]) for runs in curves.values() for flops, _ in runs if len(flops))
