"""From laws to a schedule of shapes, and what the schedule saved."""

from scalax.plan.baselines import BASELINES, baseline
from scalax.plan.carried import (
    Carried,
    Lags,
    fewest_flops,
    flops_by_examples,
    follow_examples,
    mean_savings,
    measure_lags,
    measured_lags,
    usual_lags,
)
from scalax.plan.cheap import CheapPlan, cheap_plans
from scalax.plan.compare import (
    Trajectory,
    best_static,
    flops_to_reach,
    mean_so_far,
    target_values,
    targets_from,
    trajectory_of,
)
from scalax.plan.effects import Effect, Effects, ErrorLaw, grows, no_effect, refines
from scalax.plan.fitting import (
    LAW,
    Trajectories,
    check_measured,
    fit_laws,
    measured_error,
    measured_flops,
    truncated,
)
from scalax.plan.follow import best_law, flops_needed, follow
from scalax.plan.isoflop import FrontierPoint, IsoFlop, frontier, frontier_ratio, isoflop, values_at
from scalax.plan.joint import JointShapes, LeftOut, joint_laws, shape_of
from scalax.plan.measured import MeasuredRun, measured_runs
from scalax.plan.online import Online, OnlineSettings, OnlineState
from scalax.plan.runs import StaticRuns, read_runs
from scalax.plan.simulate import simulate
from scalax.plan.steepest import Plan, Transition, steepest_descent
from scalax.plan.study import PlanSettings, StudyPlan, plan_study
from scalax.plan.switches import Switch, SwitchEffects, effects_of, measure_switches
from scalax.plan.uncertainty import Spread, TransitionSpread, spread

__all__ = [
    "BASELINES",
    "LAW",
    "Carried",
    "CheapPlan",
    "Effect",
    "Effects",
    "ErrorLaw",
    "FrontierPoint",
    "IsoFlop",
    "JointShapes",
    "Lags",
    "LeftOut",
    "MeasuredRun",
    "Online",
    "OnlineSettings",
    "OnlineState",
    "Plan",
    "PlanSettings",
    "Spread",
    "StaticRuns",
    "StudyPlan",
    "Switch",
    "SwitchEffects",
    "Trajectories",
    "Trajectory",
    "Transition",
    "TransitionSpread",
    "baseline",
    "best_law",
    "best_static",
    "cheap_plans",
    "check_measured",
    "effects_of",
    "fewest_flops",
    "fit_laws",
    "flops_by_examples",
    "flops_needed",
    "flops_to_reach",
    "follow",
    "follow_examples",
    "frontier",
    "frontier_ratio",
    "grows",
    "isoflop",
    "joint_laws",
    "mean_savings",
    "mean_so_far",
    "measure_lags",
    "measure_switches",
    "measured_error",
    "measured_flops",
    "measured_lags",
    "measured_runs",
    "no_effect",
    "plan_study",
    "read_runs",
    "refines",
    "shape_of",
    "simulate",
    "spread",
    "steepest_descent",
    "target_values",
    "targets_from",
    "trajectory_of",
    "truncated",
    "usual_lags",
    "values_at",
]
