"""The laws of a ladder's static runs, the plan that they make, and what plans from less of them are worth."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from scalax import laws, plan
from scalax.errors import UserError
from scalax.plan import Carried, Lags, Switch, Trajectory
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape
from scalax.studies.adaptive.result import CheapPlan, PlanSummary, Transition


class Planning(NamedTuple):
    """plan is None where none can be made, and `message` says why: the static runs are worth their report all
    the same.

    - law: name of the laws' form.
    - first_flops: where their data begin.
    - carried: of plans by examples; None plans by errors.
    """

    law: str
    laws: dict[Shape, laws.Fit]
    plan: plan.Plan | None
    message: str
    budget_flops: float
    first_flops: float
    carried: Carried | None = None

    @property
    def changing(self) -> Schedule | None:
        """The plan's schedule, where it changes shape at all."""
        return self.plan.schedule if self.plan and self.plan.transitions else None

    def again(self, switches: Sequence[Switch], lags: Lags | None) -> "Planning":
        """By the same laws, with what changes of shape did taken into account.

        - switches: what they did to the error, for plans by errors; at least one.
        - lags: for plans by examples.
        """
        if self.plan is None:
            return self
        if self.carried is None or lags is None:
            effects = plan.effects_of(switches, pace=True)
            better = plan.steepest_descent(self.laws, self.budget_flops, self.first_flops, effects=effects)
            return self._replace(plan=better, message=better.message)
        carried = self.carried._replace(lags=lags)
        better = plan.fewest_flops(self.laws, carried, self.budget_flops, self.first_flops)
        return self._replace(plan=better, message=better.message, carried=carried)

    def summary(self) -> PlanSummary:
        if self.plan is None:
            return PlanSummary(self.message, None, [], [], [])
        transitions = [Transition(**transition.to_json()) for transition in self.plan.transitions]
        return PlanSummary(self.message, self.plan.schedule, transitions, *self.plan.curve())

    def cheap(self, curves: Mapping[Shape, Sequence[Trajectory]]) -> list[CheapPlan]:
        """Plans from the first part of each static run, under the laws of the whole runs."""
        if self.plan is None:
            return []
        found = plan.cheap_plans(
            curves, self.laws, self.budget_flops, self.first_flops, law=self.law, carried=self.carried
        )
        return [CheapPlan(**{**row._asdict(), "plan": row.plan and row.plan.message}) for row in found]


def make_plan(
    curves: Mapping[Shape, Sequence[Trajectory]],
    law: str,
    budget_flops: float,
    first_flops: float,
    carried: Carried | None = None,
) -> Planning:
    """Fit a law to the static runs of each shape, and plan by them: follow the steepest, or by examples.

    - curves: of each shape, one a seed.
    - law: its name in scalax.laws.
    - budget_flops: to plan for.
    - first_flops: evaluations before are left out.
    - carried: of plans by examples; None plans by errors.
    """
    fits: dict[Shape, laws.Fit] = {}
    try:
        fits = plan.fit_laws(curves, first_flops, law=law)
        if carried:
            made = plan.fewest_flops(fits, carried, budget_flops, first_flops)
        else:
            made = plan.steepest_descent(fits, budget_flops, first_flops)
    except UserError as e:
        return Planning(law, fits, None, f"no plan: {e}", budget_flops, first_flops, carried)
    return Planning(law, fits, made, made.message, budget_flops, first_flops, carried)


class PilotRun(NamedTuple):
    """A run by a plan. mean: geometric mean of the least metric so far (plan.mean_so_far)."""

    planning: Planning
    run: list[RunRecord]
    switches: list[Switch]
    mean: float


def refine(
    planning: Planning,
    rounds: int,
    train_pilot: Callable[[Schedule], list[RunRecord]],
    metric: str,
    least: float,
) -> list[PilotRun]:
    """Train a pilot by the plan, plan again with what its changes of shape cost, and repeat.

    - planning: the first plan.
    - rounds: how often to plan again at most; it ends before where a plan was there before or has no change.
    - train_pilot: trains a run by a schedule, and gives its records.
    - metric: that runs are compared by.
    - least: what the metric is taken to be at least.

    Returns a pilot a plan; none where the first plan has no change of shape.
    """
    tried: list[PilotRun] = []
    known: dict[tuple[Shape, Shape], Switch] = {}
    measured: dict[tuple[Shape, Shape], float] = {}
    lags, usual = None, planning.carried.lags if planning.carried else None
    while planning.changing and planning.changing not in [pilot.planning.changing for pilot in tried]:
        run = train_pilot(planning.changing)
        switches = plan.measure_switches(run, metric, planning.laws, least)
        mean = plan.mean_so_far(
            plan.trajectory_of(run, metric, least), planning.first_flops, planning.budget_flops
        )
        tried.append(PilotRun(planning, run, switches, mean))
        known |= {(switch.before, switch.after): switch for switch in switches}
        if len(tried) > rounds or not known:
            break
        if planning.carried and usual:
            measured |= plan.measure_lags(run, metric, planning.laws, planning.carried, least)
            lags = plan.measured_lags(measured, usual)
        planning = planning.again(list(known.values()), lags)
    return tried
