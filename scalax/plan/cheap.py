"""How short the static runs may be: plans from the first share of each, judged by the laws of the whole."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scalax.errors import UserError
from scalax.laws import Family
from scalax.plan.carried import Carried, fewest_flops
from scalax.plan.effects import Effects, ErrorLaw, no_effect
from scalax.plan.fitting import LAW, Trajectories, fit_laws, spent_flops, truncated
from scalax.plan.follow import best_law
from scalax.plan.foretell import flops_to_error
from scalax.plan.steepest import Plan, steepest_descent
from scalax.schedule import Shape

SHARES = (0.05, 0.1, 0.25, 0.5, 1.0)


class CheapPlan(NamedTuple):
    """A plan from the first `share` of the static runs, under the laws of the whole runs.

    planning_flops: of the static runs as far as they were used. savings: FLOPs in which the best static
    shape reaches its error at the budget, over those of the plan to that error (0: never); net_savings:
    with the planning FLOPs added to the plan's. plan is None, with the reason, where none can be made.
    """

    share: float
    planning_flops: float
    plan: Plan | None
    savings: float
    net_savings: float
    reason: str = ""


def cheap_plans(
    trajectories: Trajectories,
    referee: Mapping[Shape, ErrorLaw],
    budget_flops: float,
    first_flops: float,
    *,
    shares: Sequence[float] = SHARES,
    free: bool = False,
    effects: Effects = no_effect,
    law: str | Family = LAW,
    carried: Carried | None = None,
) -> list[CheapPlan]:
    """Plan for the whole budget from the first part of every run.

    The referee's laws count as the truth, so the plan from whole runs is judged by its own laws, and the
    other plans are extrapolations. Finding the best static shape is not charged.

    - trajectories: of each shape.
    - referee: laws of the whole runs.
    - budget_flops: to plan for.
    - first_flops: evaluations before it, at a share of it, are left out.
    - shares: of each run to plan from.
    - free, effects: as in `steepest_descent`.
    - law: its form, as in `fit_laws`.
    - carried: plans by examples (`fewest_flops`); None plans by errors (`steepest_descent`).
    """
    _, level = best_law(referee, budget_flops=budget_flops)
    found = []
    for share in shares:
        used = truncated(trajectories, share)
        planning = share * spent_flops(trajectories)
        try:
            fits = fit_laws(used, share * first_flops, law=law)
            first = share * first_flops
            if carried:
                plan = fewest_flops(fits, carried, budget_flops, first)
            else:
                plan = steepest_descent(fits, budget_flops, first, free=free, effects=effects)
        except UserError as e:
            found.append(CheapPlan(share, planning, None, float("nan"), float("nan"), str(e)))
            continue
        ours = flops_to_error(referee, plan.schedule, level, first_flops, effects, carried)
        found.append(CheapPlan(share, planning, plan, budget_flops / ours, budget_flops / (ours + planning)))
    return found
