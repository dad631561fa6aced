"""How sure a plan is: the same plan under laws fitted to resampled evaluations."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.laws import Fit
from scalax.plan.carried import Carried, fewest_flops
from scalax.plan.effects import Effects, no_effect
from scalax.plan.follow import best_law
from scalax.plan.foretell import end_error, flops_to_error
from scalax.plan.steepest import Plan, steepest_descent
from scalax.schedule import Shape

QUANTILES = (0.1, 0.5, 0.9)
LEVELS = 1000  # of the error axis, of each resample
POINTS = 60  # FLOPs, of each resample of a plan by examples


class TransitionSpread(NamedTuple):
    """Where the laws of the resamples put a transition of the plan: quantiles 10, 50 and 90%, over those
    resamples (`share` of all) whose own plan has it; empty where none has."""

    before: Shape
    after: Shape
    share: float
    flops: tuple[float, ...]
    error: tuple[float, ...]


class Spread(NamedTuple):
    """win: the share of resamples in which the plan, unchanged, beats that resample's best static shape: it
    has a lower error at the budget, or needs fewer FLOPs to the target. savings: quantiles of
    the FLOPs that this static shape takes to its own error at the budget (or to the target), over those
    that the plan takes to it. error: quantiles of the plan's error at its end."""

    transitions: tuple[TransitionSpread, ...]
    win: float
    savings: tuple[float, ...]
    error: tuple[float, ...]
    resamples: int


def spread(
    fits: Mapping[Shape, Fit],
    plan: Plan,
    first_flops: float,
    *,
    target: float | None = None,
    free: bool = False,
    effects: Effects = no_effect,
    carried: Carried | None = None,
) -> Spread:
    """Judge a plan under each of the fits' bootstrap resamples. The evaluations of a run share its noise, so
    the true spread is wider.

    - fits: the law of each shape, with resamples.
    - plan: to judge.
    - first_flops, target, free, effects: what it was made with, see `steepest_descent`.
    - carried: what it was made with, if by examples (`fewest_flops`).

    Raises ValueError without resamples.
    """
    draws = [
        dict(zip(fits, drawn, strict=True))
        for drawn in zip(*(fit.resamples for fit in fits.values()), strict=True)
    ]
    if not draws:
        raise ValueError("the laws have no resamples: fit them with resamples=")
    schedule, budget_flops = plan.schedule, plan.schedule.budget_flops
    seen: dict[tuple[Shape, Shape], list[tuple[float, float]]] = {}
    wins, savings, ends = [], [], []
    for laws in draws:
        end = end_error(laws, schedule, effects, carried)
        if target is None:
            _, level = best_law(laws, budget_flops=budget_flops)
            alone = budget_flops
        else:
            level = target
            _, alone = best_law(laws, target=target)
        ours = flops_to_error(laws, schedule, level, first_flops, effects, carried)
        ends.append(end)
        savings.append(alone / ours if np.isfinite(ours) else 0.0)
        wins.append(bool(ours < alone * (1 - 1e-9)))
        own = _own(laws, budget_flops, first_flops, target, free, effects, carried)
        for pair, at in _transitions(own).items():
            seen.setdefault(pair, []).append(at)
    spreads = []
    for t in plan.transitions:
        found = seen.get((t.before, t.after), [])
        flops, error = (
            (tuple(_quantiles(column)) for column in zip(*found, strict=True)) if found else ((), ())
        )
        spreads.append(TransitionSpread(t.before, t.after, len(found) / len(draws), flops, error))
    return Spread(tuple(spreads), float(np.mean(wins)), _quantiles(savings), _quantiles(ends), len(draws))


def _own(laws, budget_flops, first_flops, target, free, effects, carried) -> Plan | None:
    """The plan of these laws; None where they make none."""
    try:
        if carried:
            return fewest_flops(laws, carried, budget_flops, first_flops, POINTS)
        budget = budget_flops if target is None else None
        return steepest_descent(
            laws, budget, first_flops, target=target, free=free, effects=effects, levels=LEVELS
        )
    except UserError:
        return None


def _transitions(plan: Plan | None) -> dict[tuple[Shape, Shape], tuple[float, float]]:
    """FLOPs and error of the first transition between each pair."""
    made = plan.transitions if plan else ()
    return {(t.before, t.after): (t.flops, t.error) for t in reversed(made)}


def _quantiles(values: Sequence[float]) -> tuple[float, ...]:
    """Each is one of the values, so that infinite ones may be among them."""
    return tuple(float(q) for q in np.quantile(values, QUANTILES, method="inverted_cdf"))
