"""Whether runs of one schedule are better trained as one program."""

import statistics
import time
from typing import Any, NamedTuple

import jax
from etils import epath

from scalax import records
from scalax.errors import UserError
from scalax.records import StateFile
from scalax.schedule import Schedule
from scalax.train.experiment import Experiment
from scalax.train.rates import hyperparams
from scalax.train.timeline import Work, plan

WORTH_FLOPS = 1e12  # on a CPU: less is trained one by one before a trial has ended
ROUNDS, ROUND_S = 3, 0.3


class Trial(NamedTuple):
    """Seconds a step of one run alone, and a step of all members together."""

    alone_s: float
    together_s: float


_FILE = StateFile(Trial, 1, "remove it, and the trial is made again")


def pays(experiment: Experiment, schedule: Schedule, members: int, directory: Any) -> bool:
    """Whether `members` runs of `schedule` should train as a population.

    - experiment: what is trained.
    - schedule: of the runs.
    - members: number of runs.
    - directory: of the runs; what a trial found is kept there.

    config.population decides; for 'auto', accelerators say yes and a CPU is put to the trial, since there a
    population is faster for some shapes and slower for others (README). What a trial found is kept in
    `directory`, so that all workers of a study, now and later, do the same.
    """
    config = experiment.config
    if config.optim.on_nonfinite == "lower_rate" or members < 2:  # a run that goes back leaves the others
        return False
    if config.population != "auto":
        return config.population == "always"
    if jax.default_backend() != "cpu":
        return True
    if jax.process_count() > 1 or schedule.budget_flops * members < WORTH_FLOPS:
        return False
    timeline = plan(schedule, lambda work: experiment.cost(*work).step, config.batch_size, config.eval)
    steps = {work: 0 for work in timeline.costs}
    for span in timeline.spans:
        for step in range(span.first, span.last) if span.drawn else [span.first]:
            steps[span.work(step)] += 1 if span.drawn else span.last - span.first
    together = alone = 0.0
    for work, count in steps.items():
        times = _agreed(
            epath.Path(directory) / f".population-{_name(work)}x{members}.json", experiment, work, members
        )
        alone, together = alone + count * members * times.alone_s, together + count * times.together_s
    return together < alone


def _name(work: Work) -> str:
    return f"{work.shape}-{work.batch_size}".replace("/", "_")


def _agreed(path: epath.Path, experiment: Experiment, work: Work, members: int) -> Trial:
    """What the trial of this work found, made here where no worker has made it; the first counts."""
    if (found := _read(path)) is not None:
        return found
    made = Trial(**trial(experiment, work, members))
    path.parent.mkdir(parents=True, exist_ok=True)
    if not records.create_atomically(path, _FILE.text(made)) and not _holds(path):
        _FILE.write(path, made)  # that of a worker which was killed before it wrote, without hard links
    return _read(path) or made


def _read(path: epath.Path) -> Trial | None:
    """None where no trial was made, or its worker was killed before it wrote."""
    found = _FILE.read(path) if _holds(path) else None
    if found is not None and not (found.alone_s > 0 and found.together_s > 0):
        raise UserError(f"{path}: has no times of a step; {_FILE.remedy}")
    return found


def _holds(path: epath.Path) -> bool:
    try:
        return path.stat().length > 0
    except FileNotFoundError:
        return False
    except OSError:
        return True  # and says what is wrong when it is read


def trial(experiment: Experiment, work: Work, members: int) -> dict:
    """Seconds a step of one run alone, and a step of all of them together: medians of alternating rounds.

    - experiment: what is trained.
    - work: shape and batch size.
    - members: number of runs.
    """
    sides = {"alone_s": Timed(experiment, work, None), "together_s": Timed(experiment, work, members)}
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            taken[name].append(side.step_s())
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


class Timed:
    """Steps of a program that count for no run.

    - experiment: what is trained.
    - work: shape and batch size.
    - members: of a population; None for a run alone.
    """

    def __init__(self, experiment: Experiment, work: Work, members: int | None):
        optim, seed = experiment.config.optim, 0 if members is None else list(range(members))
        self._batches = experiment.batches
        self._program = experiment.programs.step(*work, members)
        self._state = experiment.programs.new_state(work.shape, seed)
        self._feed = experiment.batches.feed(seed, work.batch_size)
        self._rates = (
            hyperparams(0.0, [optim]) if members is None else hyperparams([0.0] * members, [optim] * members)
        )

    def step_s(self, round_s: float = ROUND_S) -> float:
        """Seconds of a step, the mean over `round_s` seconds."""
        started, steps = time.perf_counter(), 0
        while (taken := time.perf_counter() - started) < round_s or not steps:
            for _ in range(4):
                self._state, metrics = self._program(
                    self._state, self._batches.dataset(), self._batches.next(self._feed), self._rates
                )
            jax.block_until_ready(metrics)
            steps += 4
        return taken / steps
