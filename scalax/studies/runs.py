"""The runs of a study: grouped where one program trains several, and shared out among workers."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
from etils import epath

from scalax import jobs, train
from scalax.config import OptimConfig
from scalax.schedule import Schedule
from scalax.train.group import Group


class Planned(NamedTuple):
    """A run to make: the name of its directory, schedule, seed, optimiser if its own, and how it plans as it
    goes (train.run), if it does."""

    name: str
    schedule: Schedule
    seed: int
    optim: OptimConfig | None = None
    replan: train.Replan | None = None


@dataclasses.dataclass(frozen=True)
class Job:
    """Runs of one schedule that train together (jobs.drain)."""

    schedule: Schedule
    members: tuple[train.Member, ...]
    replan: train.Replan | None = None

    @property
    def name(self) -> str:
        return Group(self.members, (), ()).name

    @property
    def directory(self):
        return Group(self.members, (), ()).directory

    def finished(self) -> bool:
        return all(_finished(member.path) for member in self.members)


def _finished(directory) -> bool:
    try:
        return bool(json.loads((directory / "run.json").read_text()).get("finished"))
    except (OSError, ValueError):
        return False


def execute(
    setup: train.Setup,
    evaluate: Callable,
    planned: Sequence[Planned],
    out,
    hooks: Sequence[train.Hook] = (),
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, train.RunResult]:
    """Make the runs that are missing in `out`, with whoever else does, and read them all, by name.

    Runs of one schedule train as a population where that is faster (train.pays). Raises UserError,
    when all others are done, where some failed.
    """
    for schedule in {run.schedule for run in planned}:
        train.check(setup, schedule)
    todo = [
        Job(schedule, tuple(_member(run, out) for run in group), group[0].replan)
        for schedule in dict.fromkeys(run.schedule for run in planned)
        for group in _groups(setup, [run for run in planned if run.schedule == schedule], out)
    ]

    def work(job: Job, held=None) -> None:
        train.run(setup, job.schedule, job.members, evaluate, hooks, held, job.replan)

    missing = sum(job.schedule.budget_flops for job in todo if not job.finished())
    for hook in hooks:
        hook.expect(missing)
    if jax.process_count() > 1:  # the processes of one worker go through the list side by side
        for job in todo:
            work(job)
    else:
        jobs.drain(todo, work, tell=tell)
    # All are finished: this checks that the directories are these runs', and reads them.
    return {run.name: train.run(setup, run.schedule, [_member(run, out)], evaluate)[0] for run in planned}


def _member(run: Planned, out) -> train.Member:
    return train.Member(epath.Path(out) / run.name, run.seed, run.optim)


def _groups(setup: train.Setup, runs: Sequence[Planned], out) -> list[list[Planned]]:
    if any(run.replan for run in runs):
        return [[run] for run in runs]
    missing = any(not _finished(epath.Path(out) / run.name) for run in runs)
    together = len(runs) > 1 and missing and train.pays(setup, runs[0].schedule, len(runs), out)
    return [list(runs)] if together else [[run] for run in runs]
