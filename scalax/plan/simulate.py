"""What an online scheduler would have done on given laws, with the effects of changes of shape."""

from collections.abc import Mapping

import numpy as np

from scalax.plan.effects import Effects, ErrorLaw, no_effect
from scalax.plan.follow import follow
from scalax.plan.online import Online
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape, Stage

JUMP = 0.3  # of the error just after a change, relative; it is gone after the recovery


def simulate(
    online: Online,
    laws: Mapping[Shape, ErrorLaw],
    evaluations: np.ndarray,
    effects: Effects = no_effect,
    noise: float = 0.0,
    seed: int = 0,
) -> tuple[Schedule, list[RunRecord]]:
    """Let an online plan decide on a run that follows known laws.

    - online: as at the start of a run.
    - laws: of each shape.
    - evaluations: FLOPs [n] up to the budget.
    - effects: of changes of shape.
    - noise: standard deviation of an evaluation, in the log of the error.
    - seed: of the noise.

    -> the schedule it made, and the records it saw; a change is recorded before and after, as by a run.
    """
    rng = np.random.default_rng(seed)
    records: list[RunRecord] = []
    stages: list[Stage] = []
    shape, began, recovered, before = online.decide(), 0.0, 0.0, 0.0

    def observe(flops: float, error: float) -> None:
        value = error * float(np.exp(noise * rng.normal()))
        images = max(1, round(flops / 1e3))
        record = RunRecord(
            run="simulated",
            step=len(records),
            examples=images,
            flops=flops,
            flops_matmul=flops,
            wall_s=0.0,
            metrics={online.metric: value},
            **shape._asdict(),
        )
        records.append(record)
        online.observe(record)

    for flops in np.append(evaluations[evaluations < online.budget_flops], online.budget_flops):
        schedule = Schedule((*stages, Stage(shape, online.budget_flops)))
        error = float(follow(laws, schedule, np.array([flops]), effects)[0])
        if flops < recovered:
            error = before * (1 + JUMP * (recovered - flops) / (recovered - began))
        observe(float(flops), error)
        if online.decide() != shape and flops < online.budget_flops:
            stages.append(Stage(shape, float(flops)))
            effect = effects(shape, online.decide())
            shape, began, before = online.decide(), float(flops), error
            recovered = began * (1 + effect.recovery_share)
            observe(began, before * (1 + JUMP * (recovered > began)))
    return Schedule((*stages, Stage(shape, online.budget_flops))), records
