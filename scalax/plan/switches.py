"""What changes of shape did to runs that were already made, for plans to take into account."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scalax.plan.compare import flops_to_reach
from scalax.plan.effects import Effect, ErrorLaw
from scalax.records import RunRecord
from scalax.schedule import Shape

FALL = 1 / 3  # of a fall, in its log
REACH = 2.0  # a pace is taken to hold from the FLOPs of the change over this to the FLOPs times this


class Switch(NamedTuple):
    """One change of shape of one run.

    jump: the metric just after less that just before, at the same step. recovery_flops: from the change
    until the metric is back below that before it; where the stage ends first (`recovered` is False), the
    FLOPs of the stage, which is the least it can be. pace: how many times faster than the new shape's law
    the run fell after it recovered: the law's FLOPs from the metric before the change to the least of the
    stage, over the run's. nan without a law, a recovery or a further fall. The law is not followed beyond
    the FLOPs that it was measured to, if it falls by a share FALL or more by then.
    """

    run: str
    before: Shape
    after: Shape
    flops: float
    value: float
    jump: float
    recovery_flops: float
    recovered: bool
    pace: float

    @property
    def recovery_share(self) -> float:
        """FLOPs to recover, as a share of all spent before the change."""
        return self.recovery_flops / self.flops

    def to_json(self) -> dict:
        own = {"before": str(self.before), "after": str(self.after), "recovery_share": self.recovery_share}
        return {**self._asdict(), **own}


class SwitchEffects(NamedTuple):
    """Measured effects by pair of shapes, and the typical one, of pace 1, for pairs never measured.

    The FLOPs to recover are taken to grow in proportion to those spent before the change.
    """

    pairs: Mapping[tuple[Shape, Shape], Effect]
    typical: Effect

    def __call__(self, before: Shape, after: Shape) -> Effect:
        return self.pairs.get((before, after), self.typical)


def measure_switches(
    records: Sequence[RunRecord],
    metric: str,
    laws: Mapping[Shape, ErrorLaw] | None = None,
    least: float = 1e-9,
) -> list[Switch]:
    """Every change of shape in the records of one run, in order.

    - records: of the run.
    - metric: lower is better.
    - laws: of each shape, for the pace.
    - least: what the metric is taken to be at least, for it is read in its log.

    Between evaluations the metric is read off in its log and that of the FLOPs since the change (one step
    more, so that the change itself has a log): evaluate densely after a change to measure it well.
    """
    measured = [record for record in records if metric in record.metrics]
    stages = [list(stage) for _, stage in itertools.groupby(measured, Shape.of)]
    found = []
    for old, new in itertools.pairwise(stages):
        start, value = old[-1].flops, max(float(old[-1].metrics[metric]), least)
        after = Shape.of(new[0])
        flops = np.array([record.flops for record in new])
        values = np.maximum([float(record.metrics[metric]) for record in new], least)
        step_flops = (new[-1].flops - start) / max(new[-1].step - new[0].step, 1)
        back = start - step_flops + flops_to_reach(flops - start + step_flops, values, value)
        recovered = math.isfinite(back)
        law = (laws or {}).get(after)
        pace = math.nan
        if law and recovered:
            pace = _pace(law, records[-1].flops, flops, values, back, value)
        recovery = (back if recovered else float(flops[-1])) - start
        found.append(
            Switch(
                new[0].run,
                Shape.of(old[-1]),
                after,
                start,
                value,
                float(values[0]) - value,
                recovery,
                recovered,
                pace,
            )
        )
    return found


def _pace(
    law: ErrorLaw, law_flops: float, flops: np.ndarray, values: np.ndarray, back: float, value: float
) -> float:
    """As in Switch; the law was measured up to `law_flops`."""
    least, measured = float(values.min()), float(law.predict(np.array([law_flops]))[0])
    if least >= value:
        return math.nan
    if math.log(value / max(least, measured)) >= FALL * math.log(value / least):
        least = max(least, measured)
    first, last = law.inverse(np.array([value, least]))
    took = flops_to_reach(flops, values, least) - back
    return float((last - first) / took) if last > first and took > 0 else math.nan


def effects_of(switches: Iterable[Switch], pace: bool = False, most_pace: float = math.inf) -> SwitchEffects:
    """Medians over the switches of each pair of shapes, and the FLOPs to recover over all.

    - switches: of any runs.
    - pace: include it (1 where it was not measured). It holds near where it was measured, so that a plan may
      make such a change at most REACH times earlier or later.
    - most_pace: a greater pace counts as this.

    Raises ValueError without a switch.
    """
    switches = list(switches)
    if not switches:
        raise ValueError("no change of shape was measured")
    pairs = {(s.before, s.after) for s in switches}
    return SwitchEffects(
        {
            pair: _median([s for s in switches if (s.before, s.after) == pair], pace, most_pace)
            for pair in pairs
        },
        _median(switches, pace=False, most_pace=most_pace),
    )


def _median(switches: list[Switch], pace: bool, most_pace: float) -> Effect:
    share = float(np.median([s.recovery_share for s in switches]))
    measured = [s for s in switches if pace and math.isfinite(s.pace)]
    if not measured:
        return Effect(share)
    flops = [s.flops for s in measured]
    typical = min(most_pace, float(np.median([s.pace for s in measured])))
    return Effect(share, typical, min(flops) / REACH, max(flops) * REACH)
