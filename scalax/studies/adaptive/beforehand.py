"""What an adaptive study will train, said before it does: how many runs, how many FLOPs, about how long."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from etils import epath

from scalax import records
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies.adaptive import tuning
from scalax.studies.adaptive.config import EFFICIENTTRAIN, AdaptiveConfig
from scalax.studies.adaptive.result import Settings
from scalax.studies.adaptive.specs import Specs
from scalax.train import Experiment, RunSpec
from scalax.train.population import Timed, pays
from scalax.train.timeline import Work
from scalax.units import flops_text, seconds_text

MOST_TIMED, TIMED_S = 3, 0.1  # shapes, of which each compiles a program, and seconds of steps at a time


class Wanted(NamedTuple):
    """Of a study: runs (with those that cool down), candidates of the search, how many of both are finished,
    FLOPs of the others."""

    runs: int
    candidates: int
    finished: int
    flops: float


def wanted(config: AdaptiveConfig, out: Any) -> Wanted:
    """What the study will train at most; a plan may turn out to have no change of shape.

    - config: of the study.
    - out: its directory, in which some of it may be finished.
    """
    seeds, budget = len(config.seeds), config.run.budget_flops
    search = tuning.choices(config).values() if config.tune.share else ()
    each = sum(len(values) for values in search) - max(0, len(search) - 1)  # the best so far comes again
    runs = candidates = cooled = 0
    for shapes in config.ladders().values():
        methods = len(shapes) + 1 + config.online + len(config.baselines)
        more = len(config.shifts) + len(config.fewer_shapes)
        runs += (methods + more) * seeds + (config.replans + 1 if config.replans else 0)
        cooled += methods * seeds * len(config.cooldowns)
        candidates += each * len(shapes)
    where = epath.Path(out)
    made, low, tried, ended = (
        _finished(where / name) for name in ("runs", EFFICIENTTRAIN, "tuning", "cooled")
    )
    made += low
    made, tried, ended = min(made, runs), min(tried, candidates), min(ended, cooled)
    flops = budget * (runs - made + config.tune.share * (candidates - tried))
    if cooled:  # each shares all but its cooldown with a run
        each = config.run.optim.cooldown_share * sum(config.cooldowns) / len(config.cooldowns)
        flops += budget * each * (cooled - ended)
    return Wanted(runs + cooled, candidates, made + tried + ended, flops)


def first_specs(
    config: AdaptiveConfig, example_flops: Mapping[str, Mapping[Shape, float]]
) -> Iterator[tuple[str, RunSpec]]:
    """The runs that the study begins with, each with the directory it is made in.

    - config: of the study.
    - example_flops: of each ladder by name, training FLOPs of each shape for an example.
    """
    for name, of_ladder in example_flops.items():
        if config.tune.share and (search := tuning.choices(config)):
            setting, values = next(iter(search.items()))
            for shape, value in itertools.product(of_ladder, values):
                yield "tuning", tuning.candidate(config, shape, Settings()._replace(**{setting: value}))
            continue
        specs = Specs(config, name, of_ladder, dict.fromkeys(of_ladder, Settings()))
        for shape in of_ladder:
            yield from (("runs", spec) for spec in specs.static(shape))


def _finished(directory: epath.Path) -> int:
    if not directory.is_dir():
        return 0
    return sum(records.is_finished(path) for path in directory.iterdir() if records.is_run(path))


def seconds(
    config: AdaptiveConfig,
    experiment: Experiment,
    example_flops: Sequence[Mapping[Shape, float]],
    flops: float,
    directory: Any,
) -> float:
    """About how long so many FLOPs take, by a few steps of the cheapest, the dearest and a middle shape.

    - config: of the study.
    - experiment: that it trains.
    - example_flops: training FLOPs of each shape for an example, of every ladder.
    - flops: to train.
    - directory: of the runs.

    nan where several processes train together.
    """
    if jax.process_count() > 1:
        return math.nan
    costs = dict(sorted(((s, f) for ladder in example_flops for s, f in ladder.items()), key=lambda x: x[1]))
    shapes = list(costs)
    places = np.unique(np.linspace(0, len(shapes) - 1, MOST_TIMED).round().astype(int))
    batch, seeds = config.run.batch_size, len(config.seeds)
    known = []
    for shape in (shapes[place] for place in places):
        schedule = Schedule((Stage(shape, config.run.budget_flops),))
        members = seeds if pays(experiment, schedule, seeds, directory) else None
        timed = Timed(experiment, Work(shape, batch), members)
        step_s = min(timed.step_s(TIMED_S) for _ in range(2))  # the first time has more to do than steps
        known.append(step_s / (batch * costs[shape] * (members or 1)))
    each = np.interp(np.log(list(costs.values())), np.log([costs[shapes[place]] for place in places]), known)
    return flops * float(np.mean(each))


def said(wanted: Wanted, seconds: float) -> str:
    """Both in a line."""
    search = f" and {wanted.candidates} short ones of a search" if wanted.candidates else ""
    left = f" ({wanted.finished} of them finished)" if wanted.finished else ""
    time = (
        f", about {seconds_text(seconds)} of training here, and compiling, evaluation and the report on top"
        if math.isfinite(seconds)
        else ""
    )
    return f"to train: {wanted.runs} runs{search}{left}; {flops_text(wanted.flops)} at most{time}"
