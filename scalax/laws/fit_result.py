"""A law fitted to one curve: its errors, how well its parameters are known, and what to distrust of it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scalax.laws.bank import evaluate_each
from scalax.laws.curves import Curve, Points
from scalax.laws.family import Family
from scalax.laws.flags import Flag
from scalax.laws.law import Law
from scalax.laws.sandwich import sandwich
from scalax.laws.solve import Solution

AT_BOUND = 1e-9  # of an internal parameter, from the end of its box
LEAST_AGREEING = 0.2  # share of the polished starts
LARGEST_CONDITION = 1e10


@dataclass(frozen=True)
class Fit(Law):
    """A law fitted to one curve.

    - stderr: standard error of each parameter: of independent noise of one size in log y for the objective
      "sle", and by the sandwich formula for the others.
    - rmsle, rmsle_held_out: root mean squared error in log y over the rows to fit, and over the others (nan
      without any); rsle, rsle_held_out: their root standard log errors.
    - flags: what to distrust.
    - notes: what was odd about the curve's rows, in words.
    - diagnostics: the numbers behind the flags: starts_agree (share of the polished starts that reach the
      same cost), condition (of the scaled Gauss-Newton matrix), points, free parameters, cost.
    - resamples: a law for each bootstrap resample of the rows.
    """

    stderr: dict[str, float] = field(default_factory=dict)
    rmsle: float = np.nan
    rsle: float = np.nan
    rmsle_held_out: float = np.nan
    rsle_held_out: float = np.nan
    converged: bool = False
    flags: tuple[Flag, ...] = ()
    notes: tuple[str, ...] = ()
    diagnostics: dict[str, float] = field(default_factory=dict)
    resamples: tuple[Law, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All but the resamples; `flags` as sentences, and `flag_data` as they are."""
        return {
            "law": self.family,
            "formula": self.family_spec.formula,
            "source": self.family_spec.source,
            "params": self.params,
            "stderr": self.stderr,
            "rmsle": self.rmsle,
            "rsle": self.rsle,
            "rmsle_held_out": self.rmsle_held_out,
            "rsle_held_out": self.rsle_held_out,
            "limit": self.asymptote,
            "converged": self.converged,
            "flags": [str(flag) for flag in self.flags],
            "flag_data": [dataclasses.asdict(flag) for flag in self.flags],
            "notes": list(self.notes),
            "diagnostics": self.diagnostics,
        }


def fit_result(
    family: Family, objective: str, points: Points, found: Solution, resampled: Sequence[np.ndarray]
) -> Fit:
    """The best solution in the data's own units, with standard errors and the health of the fit.

    - objective: that was minimised, see `fit`.
    - found: solutions of the curve, best first.
    - resampled: p [k] of each resample, in the units of `points`.
    """

    def law(p) -> Law:
        moved = family.shift(np.asarray(p)[None], points.center_x, points.center_y)[0]
        left, right = (points.center_x + end for end in (points.extent.left, points.extent.right))
        return Law(family, moved, (float(np.min(left)), float(np.max(right))))

    low, high = family.box(points.extent)
    best = law(found.p[0])
    params = best.params
    p, cost, h = found.p[0], float(found.cost[0]), np.asarray(found.hessian[0])
    free = (p > low + AT_BOUND) & (p < high - AT_BOUND)
    scale = np.sqrt(np.maximum(np.diag(h), 1e-300))
    scaled = (h / scale / scale[:, None])[np.ix_(free, free)]
    condition = float(np.linalg.cond(scaled)) if free.any() and np.isfinite(scaled).all() else np.inf
    rows = len(points.log_y)
    variance = cost / points.weights.sum() * rows / max(rows - free.sum(), 1)
    covariance = np.zeros_like(h)
    if np.isfinite(condition) and objective != "sle":
        covariance = sandwich(family, objective, points, np.asarray(p), np.asarray(free))
    elif np.isfinite(condition):
        covariance[np.ix_(free, free)] = (
            variance * np.linalg.pinv(scaled) / np.outer(scale[free], scale[free])
        )
    jacobian = _jacobian(family, points, np.asarray(p))
    with np.errstate(all="ignore"):
        stderr = np.sqrt(np.einsum("ij,jk,ik->i", jacobian, covariance, jacobian))
    agree = float(np.mean(found.cost <= cost * (1 + 1e-4) + 1e-18 * points.weights.sum()))
    flags = []
    if not found.converged[0]:
        flags.append(Flag("not_settled"))
    if len(found.cost) > 1 and agree < LEAST_AGREEING:
        flags.append(Flag("few_agree", numbers={"share": agree}))
    flags += _at_bounds(family.names, p, low, high)
    if rows <= len(p):
        flags.append(Flag("too_few_points", numbers={"points": rows, "parameters": len(p)}))
    if condition > LARGEST_CONDITION:
        flags.append(Flag("undetermined", numbers={"condition": condition}))
    if family.diagnose:
        flags += family.diagnose(params, best.around)
    return Fit(
        family_spec=family,
        p=best.p,
        around=best.around,
        stderr=dict(zip(family.names, stderr.tolist(), strict=True)),
        converged=bool(found.converged[0]),
        flags=tuple(flags),
        diagnostics=dict(
            starts_agree=agree, condition=condition, points=rows, free=int(free.sum()), cost=cost
        ),
        resamples=tuple(law(p) for p in resampled),
    )


def _at_bounds(names: Sequence[str], p, low, high) -> list[Flag]:
    flags = []
    for name, value, least, most in zip(names, p, low, high, strict=True):
        at_low, at_high = value <= least + AT_BOUND, value >= most - AT_BOUND
        if least < most and (at_low or at_high):
            flags.append(Flag("at_bound", name, {"side": -1 if at_low else 1}))
    return flags


def _jacobian(family: Family, points: Points, p: np.ndarray) -> np.ndarray:
    """[k, k]: of the natural parameters, in the data's own units, by p in those of `points`."""
    steps = 1e-6 * np.eye(len(p))
    around = family.shift(np.concatenate([p + steps, p - steps]), points.center_x, points.center_y)
    with np.errstate(all="ignore"):
        ahead, behind = np.split(family.natural(around), 2)
        return ((ahead - behind) / 2e-6).T


def with_errors(fits: Sequence[Fit], curves: Sequence[Curve], notes: Sequence[Sequence[str]]) -> list[Fit]:
    """The fits with their errors added.

    - fits: without them.
    - curves: whose rows each is compared with.
    - notes: about the rows of each.
    """
    usable = [curve.usable for curve in curves]
    log_x = [np.log(curve.x[rows]) for curve, rows in zip(curves, usable, strict=True)]
    predicted = evaluate_each([fit.family_spec for fit in fits], [fit.p for fit in fits], log_x)
    made = []
    for fitted, curve, rows, log_y, said in zip(fits, curves, usable, predicted, notes, strict=True):
        error, to_fit, scores = log_y - np.log(curve.y[rows]), curve.fit[rows], {}
        for suffix, own in (("", error[to_fit]), ("_held_out", error[~to_fit])):
            if own.size:
                scores["rmsle" + suffix], scores["rsle" + suffix] = rmsle(own)
        made.append(dataclasses.replace(fitted, **scores, notes=tuple(said)))
    return made


def rmsle(log_error: np.ndarray) -> tuple[float, float]:
    """Root mean squared log error, and the root standard log error by which one standard error of the
    mean square would raise it ('Broken Neural Scaling Laws', section 4)."""
    square = np.asarray(log_error) ** 2
    root = float(np.sqrt(square.mean()))
    return root, float(np.sqrt(square.mean() + square.std() / np.sqrt(len(square)))) - root
