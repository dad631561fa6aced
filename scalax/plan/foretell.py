"""What laws foretell of a schedule, whichever way its plan was made: by errors or by examples."""

from collections.abc import Mapping

import numpy as np

from scalax.plan.carried import Carried, flops_by_examples, follow_examples
from scalax.plan.effects import Effects, ErrorLaw
from scalax.plan.follow import flops_needed, follow
from scalax.schedule import Schedule, Shape


def end_error(
    laws: Mapping[Shape, ErrorLaw], schedule: Schedule, effects: Effects, carried: Carried | None
) -> float:
    """The least error by the end of a schedule.

    - laws: of each shape.
    - schedule: of the run.
    - effects: of changes of shape, by errors.
    - carried: what foretells by examples; None foretells by errors.
    """
    at = np.array([schedule.budget_flops])
    if carried:
        return float(follow_examples(laws, carried, schedule, at)[0])
    return float(follow(laws, schedule, at, effects)[0])


def flops_to_error(
    laws: Mapping[Shape, ErrorLaw],
    schedule: Schedule,
    error: float,
    first_flops: float,
    effects: Effects,
    carried: Carried | None,
) -> float:
    """FLOPs at which a run by a schedule, whose last stage goes on, first has an error; inf if it never has.

    - error: to reach.
    - first_flops: that the laws hold from.
    - laws, schedule, effects, carried: as in `end_error`.
    """
    if carried:
        return flops_by_examples(laws, carried, schedule, error, first_flops)
    return flops_needed(laws, schedule, error, effects)
