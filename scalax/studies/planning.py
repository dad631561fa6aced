"""The laws of a family's static runs, the plan that they make, and what plans from less of them are worth."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scalax import laws, plan
from scalax.errors import UserError
from scalax.plan.compare import Curve
from scalax.plan.effects import Effects
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape
from scalax.studies.compare import curve_of

POINTS = 100  # of a law, kept


class Planning(NamedTuple):
    """plan is None where none can be made, and `message` says why: the static runs are worth their report all
    the same. first_flops: where the laws' data begin."""

    laws: dict[Shape, laws.Fit]
    plan: plan.Plan | None
    message: str
    budget_flops: float
    first_flops: float

    @property
    def changing(self) -> Schedule | None:
        """The plan's schedule, where it changes shape at all."""
        return self.plan.schedule if self.plan and self.plan.transitions else None

    def again(self, effects: Effects) -> "Planning":
        """By the same laws, reckoning with what changes of shape do."""
        if self.plan is None:
            return self
        planned = plan.steepest_descent(self.laws, self.budget_flops, self.first_flops, effects=effects)
        return self._replace(plan=planned, message=planned.message)

    def to_json(self) -> dict:
        flops, errors = self.plan.curve() if self.plan else ([], [])
        return {
            "message": self.message,
            "schedule": self.plan.schedule.to_json() if self.plan else None,
            "transitions": [t.to_json() for t in self.plan.transitions] if self.plan else [],
            "flops": flops,
            "errors": errors,
        }

    def laws_json(self) -> dict:
        x = np.geomspace(self.first_flops, self.budget_flops, POINTS)
        return {
            str(shape): {
                "params": {name: float(value) for name, value in fit.params.items()},
                "stderr": {name: float(value) for name, value in fit.stderr.items()},
                "rmsle": float(fit.rmsle),
                "flags": list(fit.flags),
                "flops": x.tolist(),
                "values": np.asarray(fit.predict(x)).tolist(),
            }
            for shape, fit in self.laws.items()
        }

    def cheap_json(self, curves: Mapping[Shape, Sequence[Curve]]) -> list[dict]:
        """Plans from the first part of each static run, under the laws of the whole runs."""
        if self.plan is None:
            return []
        found = plan.cheap_plans(curves, self.laws, self.budget_flops, self.first_flops)
        return [{**row._asdict(), "plan": row.plan and row.plan.message} for row in found]


def make_plan(curves: Mapping[Shape, Sequence[Curve]], budget_flops: float, first_flops: float) -> Planning:
    """Follow the steepest of the laws of `curves`, of each shape one a seed."""
    fits: dict[Shape, laws.Fit] = {}
    try:
        fits = plan.fit_laws(curves, first_flops)
        planned = plan.steepest_descent(fits, budget_flops, first_flops)
    except UserError as e:
        return Planning(fits, None, f"no plan: {e}", budget_flops, first_flops)
    return Planning(fits, planned, planned.message, budget_flops, first_flops)


class Pilot(NamedTuple):
    """A run by a plan. mean: geometric mean of the least metric so far (plan.mean_so_far)."""

    planning: Planning
    run: list[RunRecord]
    switches: list[plan.Switch]
    mean: float

    def to_json(self, taken: bool) -> dict:
        """taken: its plan is the study's."""
        return {
            "run": self.run[0].run,
            "plan": self.planning.message,
            "mean": self.mean,
            "taken": taken,
            "switches": [switch.to_json() for switch in self.switches],
        }


def refine(
    planned: Planning, rounds: int, train: Callable[[Schedule], list[RunRecord]], metric: str, least: float
) -> list[Pilot]:
    """Train the plan once, plan again with what its changes of shape did, and so on up to `rounds` times,
    until a plan comes back or changes no more: a pilot for each plan, none where the first has no change."""
    tried: list[Pilot] = []
    known: dict[tuple[Shape, Shape], plan.Switch] = {}
    while planned.changing and planned.changing not in [pilot.planning.changing for pilot in tried]:
        run = train(planned.changing)
        switches = plan.measure_switches(run, metric, planned.laws, least)
        mean = plan.mean_so_far(curve_of(run, metric, least), planned.first_flops, planned.budget_flops)
        tried.append(Pilot(planned, run, switches, mean))
        known |= {(switch.before, switch.after): switch for switch in switches}
        if len(tried) > rounds or not known:
            break
        planned = planned.again(plan.effects_of(known.values(), pace=True))
    return tried
