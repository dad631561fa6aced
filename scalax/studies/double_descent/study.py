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
    seeds = range(config.seeds)
    measured = {
        "width": (
            config.width.sizes(),
            np.array([error_by_width(config.width, seed) for seed in seeds]),
            config.width.cuts,
        ),
        "steps": (
            config.steps.times(),
            np.array([error_by_steps(config.steps, seed) for seed in seeds]),
            config.steps.cuts,
        ),
    }
    made = {}
    for name, (x, errors, cuts) in measured.items():
        say(f"{name}: fitting laws up to {len(cuts) + 1} cuts, with {config.resamples} resamples each")
        made[name] = sweep(x, errors, cuts, config.resamples, config.most_breaks)
    return DoubleDescentResult(config, **made)
