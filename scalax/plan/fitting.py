"""The laws of static runs, and how far they may be trusted."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from scalax import laws
from scalax.errors import UserError
from scalax.plan.compare import Trajectory
from scalax.schedule import Shape

Trajectories = Mapping[Shape, Sequence[Trajectory]]  # of each shape, one or more runs (seeds)
LAW = "shifted_power"  # that plans go by
MANY, KEPT = 2000, 400  # more evaluations of a shape than MANY are fitted as the means of KEPT groups
WHOLE_STEPS = 1.02  # a run stops at the last whole step before its budget


def fit_laws(
    trajectories: Trajectories,
    first_flops: float,
    resamples: int = 0,
    seed: int = 0,
    law: str | laws.Family = LAW,
) -> dict[Shape, laws.Fit]:
    """The law of each shape, by the Huber loss of log E over the evaluations of all its runs. With several
    seeds it is that of their geometric mean.

    - trajectories: of each shape.
    - first_flops: evaluations before are left out.
    - resamples: bootstrap resamples of the evaluations, each with a law of its own.
    - seed: of the fit.
    - law: its form, by default E = a (C + d)^-b + c.

    Raises UserError where a shape has too few evaluations, or the law is unknown.
    """
    family = laws.lookup(law)
    least = len(family.names) + 1
    rows = []
    for shape, runs in trajectories.items():
        flops, values = (np.concatenate(parts) for parts in zip(*runs, strict=True))
        kept = flops >= first_flops
        points = len(np.unique(flops[kept & (values > 0)]))
        if points < least:
            raise UserError(
                f"{shape}: a law needs {least} evaluations, and there are {points} after the first"
                f" {first_flops:.3g} FLOPs; evaluate more often, or leave out less of the runs"
            )
        rows.append(laws.Curve(*_thinned(flops[kept], values[kept]), str(shape)))
    fits = laws.fit(rows, [family], objective="huber", resamples=resamples, seed=seed)
    return {shape: fit[family.name] for shape, fit in zip(trajectories, fits, strict=True)}


def _thinned(flops: np.ndarray, values: np.ndarray) -> Trajectory:
    """The evaluations; where there are over MANY, the geometric means of those in each of KEPT intervals of
    log FLOPs. A law has a handful of parameters, and its bootstrap takes time by the evaluation."""
    if len(flops) <= MANY or not (flops > 0).all() or not (values > 0).all():
        return flops, values
    x, y = np.log(flops), np.log(values)
    at = np.minimum((x - x.min()) / max(np.ptp(x), 1e-300) * KEPT, KEPT - 1).astype(int)
    counts = np.bincount(at, minlength=KEPT)
    means = [np.exp(np.bincount(at, z, KEPT)[counts > 0] / counts[counts > 0]) for z in (x, y)]
    return means[0], means[1]


def measured_flops(trajectories: Trajectories) -> float:
    """The FLOPs up to which every shape was measured."""
    return min(max(float(flops[-1]) for flops, _ in runs) for runs in trajectories.values())


def measured_error(trajectories: Trajectories) -> float:
    """The least value that any of the runs reached."""
    return min(float(np.min(values)) for runs in trajectories.values() for _, values in runs)


def check_measured(
    trajectories: Trajectories, *, budget_flops: float | None = None, target: float | None = None
) -> None:
    """Raises UserError for a budget or a target that lies beyond the static runs.

    - trajectories: of the static runs.
    - budget_flops: None is not checked.
    - target: value of the metric; None is not checked.
    """
    last, least = measured_flops(trajectories), measured_error(trajectories)
    if budget_flops is not None and budget_flops > last * WHOLE_STEPS:
        raise UserError(
            f"a budget of {budget_flops:.4g} FLOPs is past the static runs, which end at {last:.4g};"
            " train them longer, or set `extrapolate`"
        )
    if target is not None and target < least:
        raise UserError(
            f"a target of {target:g} is below what any static run reached, {least:.4g};"
            " train them longer, or set `extrapolate`"
        )


def truncated(trajectories: Trajectories, share: float) -> dict[Shape, list[Trajectory]]:
    """The evaluations in the first `share` of each run's FLOPs."""
    if not 0 < share <= 1:
        raise ValueError(f"share must be in (0, 1], got {share}")
    return {
        shape: [(f[f <= share * f[-1]], v[f <= share * f[-1]]) for f, v in runs]
        for shape, runs in trajectories.items()
    }


def spent_flops(trajectories: Trajectories) -> float:
    """Training FLOPs of all the runs."""
    return math.fsum(float(flops[-1]) for runs in trajectories.values() for flops, _ in runs if len(flops))
