"""What laws predict of a run by any schedule."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.plan.effects import Effect, Effects, ErrorLaw, no_effect
from scalax.schedule import Schedule, Shape


class _Leg(NamedTuple):
    """A stage on its law: at `first_flops` of the run, the law stands at `law_flops` and the error at
    `error`; it is back there after `idle_flops`, and then falls `pace` times as fast as the law."""

    law: ErrorLaw
    first_flops: float
    last_flops: float
    law_flops: float
    error: float
    idle_flops: float
    pace: float

    def error_at(self, flops: np.ndarray) -> np.ndarray:
        into = np.maximum(flops - self.first_flops - self.idle_flops, 0.0) * self.pace
        return np.minimum(self.error, self.law.predict(self.law_flops + into))

    def flops_at(self, target: float) -> float:
        """FLOPs of the run at which the error is `target`; inf where the law never has it."""
        if target >= self.error:
            return self.first_flops
        at = _law_flops(self.law, target)
        return self.first_flops + self.idle_flops + max(at - self.law_flops, 0.0) / self.pace


def follow(
    laws: Mapping[Shape, ErrorLaw], schedule: Schedule, flops: np.ndarray, effects: Effects = no_effect
) -> np.ndarray:
    """Least error so far of a run by a schedule, whose last stage goes on beyond its end: [n].

    - laws: of each shape.
    - schedule: of the run.
    - flops: [n], where the error is wanted.
    - effects: of changes of shape, at pace 1 where the pace is not known.

    A change of shape goes on at its error on the law of the new shape. A shape whose law ends above that
    error stays there. Raises UserError where a stage has no law.
    """
    flops = np.asarray(flops, float)
    errors = np.empty_like(flops)
    for leg in _legs(laws, schedule, effects):
        inside = flops >= leg.first_flops
        errors[inside] = leg.error_at(flops[inside])
    return errors


def flops_needed(
    laws: Mapping[Shape, ErrorLaw], schedule: Schedule, target: float, effects: Effects = no_effect
) -> float:
    """FLOPs at which a run by a schedule, whose last stage goes on beyond its end, first has an error; inf
    where it never has.

    - laws: of each shape.
    - schedule: of the run.
    - target: the error.
    - effects: of changes of shape.

    Raises UserError where a stage has no law.
    """
    needed = np.inf
    for leg in _legs(laws, schedule, effects):
        needed = leg.flops_at(target)
        if needed <= leg.last_flops:
            return needed
    return needed


def best_law(
    laws: Mapping[Shape, ErrorLaw], *, budget_flops: float | None = None, target: float | None = None
) -> tuple[Shape, float]:
    """The best static shape, and what makes it so.

    - laws: of each shape.
    - budget_flops: the shape with the least error there, and that error.
    - target: instead, the shape that needs the least FLOPs to it, and those FLOPs (inf: none reaches it).
    """
    if target is None:
        values = {s: float(law.predict(np.array([budget_flops]))[0]) for s, law in laws.items()}
    else:
        values = {s: _law_flops(law, target) for s, law in laws.items()}
    best = min(values, key=values.__getitem__)
    return best, values[best]


def _legs(laws: Mapping[Shape, ErrorLaw], schedule: Schedule, effects: Effects) -> Iterator[_Leg]:
    first, error, before = 0.0, np.inf, None
    for stage in schedule.stages:
        if stage.patches or stage.shape not in laws:
            what = "patches drawn at random" if stage.patches else f"{stage.shape}"
            raise UserError(f"no law of {what}: a schedule with it cannot be predicted")
        law = laws[stage.shape]
        effect = effects(before, stage.shape) if before else Effect()
        at = _law_flops(law, error) if before else 0.0
        idle = effect.recovery_share * first
        # Plans are rounded to four digits: a change at a bound is within it.
        known = 0.999 * effect.earliest <= first <= 1.001 * effect.latest
        leg = _Leg(law, first, stage.until_flops, at, error, idle, effect.pace if known else 1.0)
        yield leg
        error = float(leg.error_at(np.array([stage.until_flops]))[0])
        first, before = stage.until_flops, stage.shape


def _law_flops(law: ErrorLaw, error: float) -> float:
    """FLOPs at which the law has the error: 0 above where it begins, inf below where it ends."""
    at = float(law.inverse(np.array([error]))[0])
    if np.isfinite(at):
        return max(at, 0.0)
    return np.inf if error <= law.asymptote else 0.0
