"""From the runs of a study to a plan, how sure it is, and what else was worth knowing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Literal, NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.laws import Fit
from scalax.plan.carried import (
    Carried,
    fewest_flops,
    mean_savings,
    measure_lags,
    measured_lags,
    usual_lags,
)
from scalax.plan.cheap import CheapPlan, cheap_plans
from scalax.plan.effects import Effects, no_effect
from scalax.plan.fitting import LAW, check_measured, fit_laws, measured_error, measured_flops
from scalax.plan.foretell import end_error, flops_to_error
from scalax.plan.joint import JointShapes, joint_laws
from scalax.plan.measured import MeasuredRun, measured_runs
from scalax.plan.runs import StaticRuns, read_runs
from scalax.plan.steepest import Plan, steepest_descent
from scalax.plan.switches import Switch, effects_of, measure_switches
from scalax.plan.uncertainty import Spread, spread
from scalax.schedule import Schedule, Shape

MOST_RESAMPLES = 100_000


@dataclass(frozen=True)
class PlanSettings:
    """What to plan for, and how.

    - metric: what the laws describe; lower is better.
    - axes: of the shape, which may change.
    - budget_flops: to plan for (None: those of the static runs).
    - target: plan the fewest FLOPs to this value of the metric instead.
    - law: its form; `shifted_power` is E = a (C + d)^-b + c.
    - free: shapes in any order; without it they go from cheap to dear, patches only shrink and resolutions
      only grow.
    - carry: what a run keeps when it changes its shape: error (`steepest_descent`), or what it learnt of its
      examples (`fewest_flops`; for patch sizes, resolutions and a budget). Then lags are those of the runs
      that changed their shape, or with ignore_switches the usual ones.
    - switch_cost: charge each change of shape the FLOPs that it cost in these runs, and no more.
    - switch_pace: also use how fast runs learnt after a change.
    - ignore_switches: take changes of shape to cost nothing. Without this and the two before, where any run
      changed its shape, a plan uses what that cost, and its pace where it was slower than the laws.
    - resamples: bootstrap resamples of each law; 0: nothing is said of how sure the plan is.
    - extrapolate: allow a budget or a target beyond the static runs.
    - first_share: of the static runs, left out of the laws.
    - cheap: also plan from the first 5 to 100% of the static runs.
    - joint_law: one law over all shapes, of their axes and examples, in place of one a shape.
    - untrained: with it, shapes to plan with that no run has.

    Raises UserError for a value out of range.
    """

    metric: str = "val_error"
    axes: Sequence[str] = ("patch",)
    budget_flops: float | None = None
    target: float | None = None
    law: str = LAW
    carry: Literal["error", "examples"] = "error"
    free: bool = False
    switch_cost: bool = False
    switch_pace: bool = False
    ignore_switches: bool = False
    resamples: int = 100
    extrapolate: bool = False
    first_share: float = 0.02
    cheap: bool = False
    joint_law: bool = False
    untrained: Sequence[Shape] = ()

    def __post_init__(self):
        for name in ("budget_flops", "target"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise UserError(f"`{name}` must be positive, got {value:g}")
        if self.budget_flops is not None and self.target is not None:
            raise UserError("give `budget_flops` or `target`, not both")
        if self.ignore_switches and (self.switch_cost or self.switch_pace):
            raise UserError(
                "`ignore_switches` does not go with `switch_cost` or `switch_pace`; leave one out"
            )
        if self.carry not in ("error", "examples"):
            raise UserError(f"`carry` must be error or examples, got {self.carry!r}")
        if self.carry == "examples":
            for name in ("target", "free", "switch_cost", "switch_pace", "joint_law"):
                if getattr(self, name):
                    raise UserError(f"`carry` examples does not go with `{name}`; leave one out")
            if others := sorted(set(self.axes) - {"patch", "resolution"}):
                raise UserError(
                    f"`carry` examples is for patch sizes and resolutions; leave {', '.join(others)} out of"
                    " `axes`, or carry the error"
                )
        if self.resamples < 0:
            raise UserError(f"`resamples` must not be negative, got {self.resamples}")
        if self.resamples > MOST_RESAMPLES:
            raise UserError(f"`resamples` must be {MOST_RESAMPLES} at most, got {self.resamples}")
        if self.untrained and not self.joint_law:
            raise UserError("`untrained` shapes have a law only with `joint_law`")
        if self.joint_law and (self.cheap or self.law != LAW):
            raise UserError("`joint_law` has a form of its own; leave out `law` and `cheap`")
        if not 0 < self.first_share < 1:
            raise UserError(f"`first_share` must lie between 0 and 1, got {self.first_share:g}")


class StudyPlan(NamedTuple):
    """A plan and all that it was made from.

    - first_flops: where the laws' data begin.
    - fits: the law of each shape.
    - switches: changes of shape in the runs that were read.
    - effects: what a plan by errors assumes that a change does.
    - carried: what a plan by examples was made from; None of one by errors.
    - spread: how sure the plan is; None without resamples.
    - measured: runs that made the plan's changes of shape, and what they saved.
    - cheap: plans from the first part of the runs; None where not asked for.
    - joint: the law over shapes; None where each has its own.
    """

    settings: PlanSettings
    runs: StaticRuns
    first_flops: float
    fits: dict[Shape, Fit]
    switches: list[Switch]
    effects: Effects
    plan: Plan
    spread: Spread | None
    measured: list[MeasuredRun]
    cheap: list[CheapPlan] | None
    joint: JointShapes | None = None
    carried: Carried | None = None

    @property
    def charged(self) -> bool:
        """Whether the plan takes into account what the switches did."""
        return self.effects is not no_effect

    def error(self, schedule: Schedule) -> float:
        """That the laws foretell at the end of a schedule."""
        return end_error(self.fits, schedule, self.effects, self.carried)

    def mean_savings(self, schedule: Schedule) -> float | None:
        """What a plan by examples is made for; None of one by errors."""
        if self.carried is None:
            return None
        return mean_savings(self.fits, self.carried, schedule, self.first_flops)

    def needed(self, schedule: Schedule, level: float) -> float:
        """FLOPs in which a run by a schedule has an error, by the laws; inf where it never has."""
        how = self.first_flops, self.effects, self.carried
        return flops_to_error(self.fits, schedule, level, *how)


def plan_study(directory: str | PathLike, settings: PlanSettings) -> StudyPlan:
    """Plan by the finished static runs of `directory`/runs.

    Raises UserError where there are too few of them, the budget or target lies beyond them, or what a change
    of shape does was asked for and no run has one.
    """
    runs = read_runs(directory, settings.metric, settings.axes)
    budget, target, free = settings.budget_flops, settings.target, settings.free
    if not settings.extrapolate:
        check_measured(runs.trajectories, budget_flops=budget, target=target)
    last = measured_flops(runs.trajectories)
    first = settings.first_share * last
    joint, stages = None, dict(runs.stages)
    if settings.joint_law:
        joint = joint_laws(
            runs.trajectories,
            runs.example_flops,
            first,
            settings.resamples,
            [shape.at(runs.image_size) for shape in settings.untrained],
            image_size=runs.image_size,
        )
        fits = joint.laws
        for shape in joint.untrained:  # trained by the settings of the shape that costs about as much
            near = min(
                runs.stages, key=lambda s: abs(math.log(joint.example_flops[s] / joint.example_flops[shape]))
            )
            stages[shape] = runs.stages[near]._replace(shape=shape)
    else:
        fits = fit_laws(runs.trajectories, first, settings.resamples, law=settings.law)
    switches = [s for run in runs.changing for s in measure_switches(run, settings.metric, fits)]
    effects, carried = no_effect, None
    if settings.carry == "examples":
        carried = _carried(runs, fits, budget or last, settings)
    asked = settings.switch_cost or settings.switch_pace
    if asked and not switches:
        raise UserError(
            f"{directory}: no run changes its shape, so the cost of a change is unknown; leave out"
            " `switch_cost` and `switch_pace`"
        )
    if switches and not settings.ignore_switches and not carried:
        # Unasked, a plan promises no more than the laws: what was faster than they say counts as they say.
        most = math.inf if asked else 1.0
        effects = effects_of(switches, pace=settings.switch_pace or not asked, most_pace=most)
    budget = None if target is not None else budget or last
    if carried:
        plan = fewest_flops(fits, carried, budget or last, first)
    else:
        plan = steepest_descent(fits, budget, first, target=target, free=free, effects=effects)
    # Each stage goes on with what the static runs of its shape were trained by.
    own = (stages[s.shape]._replace(until_flops=s.until_flops) for s in plan.schedule.stages)
    plan = plan._replace(schedule=Schedule(tuple(own)))
    sure = None
    if settings.resamples:
        sure = spread(fits, plan, first, target=target, free=free, effects=effects, carried=carried)
    cheap = None
    if settings.cheap:
        goal = plan.schedule.budget_flops
        how = {"free": free, "effects": effects, "law": settings.law, "carried": carried}
        cheap = cheap_plans(runs.trajectories, fits, goal, first, **how)
    pairs = [(t.before, t.after) for t in plan.transitions]
    measured = measured_runs(runs.changing, runs.trajectories, pairs, settings.metric) if pairs else []
    return StudyPlan(
        settings, runs, first, fits, switches, effects, plan, sure, measured, cheap, joint, carried
    )


def _carried(
    runs: StaticRuns, fits: Mapping[Shape, Fit], budget_flops: float, settings: PlanSettings
) -> Carried:
    """Of a plan by examples: lags are medians over the runs that changed their shape. A budget beyond the
    static runs believes the laws up to there."""
    last = {
        shape: max(budget_flops, *(float(flops[-1]) for flops, _ in of_shape)) / runs.example_flops[shape]
        for shape, of_shape in runs.trajectories.items()
    }
    carried = Carried(runs.example_flops, usual_lags(runs.image_size), last)
    if settings.ignore_switches:
        return carried
    found: dict[tuple[Shape, Shape], list[float]] = {}
    least = measured_error(runs.trajectories) / 10  # an error of 0 has no log
    for run in runs.changing:
        for pair, lag in measure_lags(run, settings.metric, fits, carried, least).items():
            found.setdefault(pair, []).append(lag)
    medians = {pair: float(np.median(lags)) for pair, lags in found.items()}
    return carried._replace(lags=measured_lags(medians, carried.lags), measured=frozenset(medians))
