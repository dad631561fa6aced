"""Measure both curves and fit the laws."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scalax.studies.double_descent.config import DoubleDescentConfig
from scalax.studies.double_descent.models import error_by_steps, error_by_width
from scalax.studies.double_descent.result import DoubleDescentResult
from scalax.studies.double_descent.scored import sweep


def run(
    config: DoubleDescentConfig,
    out: Any,
    hooks: Sequence[Any] = (),
    say: Callable[[str], None] = lambda line: None,
) -> DoubleDescentResult:
    """Both curves and all laws (see Study.run).

    - config: of the study.
    - out: its directory; the curves are measured anew each time.
    - hooks: not called: nothing is trained by scalax.train.
    - say: told what is done next.
    """
    made = {}
    for name, own, at, error in (
        ("width", config.width, config.width.sizes(), error_by_width),
        ("steps", config.steps, config.steps.times(), error_by_steps),
    ):
        say(f"{name}: {len(at)} rows with {config.seeds} seeds")
        errors = np.array([error(own, seed) for seed in range(config.seeds)])
        say(f"{name}: fitting laws up to {len(own.cuts) + 1} cuts with {config.resamples} resamples each")
        made[name] = sweep(at, errors, own.cuts, config.resamples, config.most_breaks)
    return DoubleDescentResult(config, **made)
