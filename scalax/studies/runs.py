"""The runs of a study: grouped where one program trains several, and shared out among workers."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
from etils import epath

from scalax import jobs, train
from scalax.config import OptimConfig
from scalax.errors import UserError
from scalax.schedule import Schedule
from scalax.train.group import Group

MOST_TOGETHER = 16  # runs in a population


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
    lenient: bool = False,
) -> dict[str, train.RunResult]:
    """Make the runs that are missing in `out`, with whoever else does, and read them all, by name.

    Runs of one schedule train as a population where that is faster (train.pays). Raises UserError,
    when all others are done, where some failed; `lenient` leaves those out instead.
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

    left = [job for job in todo if not job.finished()]
    missing = sum(len(job.members) * job.schedule.budget_flops for job in left)
    for hook in hooks:
        hook.expect(missing)
    try:
        if jax.process_count() > 1:
            _side_by_side(todo, work)
        else:
            jobs.drain(todo, work, tell=tell)
    except UserError:
        if not lenient:
            raise
    # This checks that the directories are these runs', and reads them.
    return {
        run.name: train.run(setup, run.schedule, [_member(run, out)], evaluate, replan=run.replan)[0]
        for run in planned
        if not lenient or _finished(epath.Path(out) / run.name)
    }


def _side_by_side(todo: Sequence[Job], work: Callable[[Job], None]) -> None:
    """The processes of one worker go through the list together."""
    failed = []
    for job in todo:
        try:
            work(job)
        except train.Diverged as e:  # as in every other process
            failed.append(str(e))
    if failed:
        raise UserError(f"{len(failed)} of {len(todo)} failed: {'; '.join(failed[:3])}")


def _member(run: Planned, out) -> train.Member:
    return train.Member(epath.Path(out) / run.name, run.seed, run.optim)


def _groups(setup: train.Setup, runs: Sequence[Planned], out) -> list[list[Planned]]:
    if any(run.replan for run in runs):
        return [[run] for run in runs]
    if len(runs) > MOST_TOGETHER:
        parts = [runs[i : i + MOST_TOGETHER] for i in range(0, len(runs), MOST_TOGETHER)]
        return [group for part in parts for group in _groups(setup, part, out)]
    missing = any(not _finished(epath.Path(out) / run.name) for run in runs)
    together = len(runs) > 1 and missing and train.pays(setup, runs[0].schedule, len(runs), out)
    return [list(runs)] if together else [[run] for run in runs]
