"""Many runs of one experiment: grouped where one program trains several, and shared out among workers."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from etils import epath

from scalax import jobs, records
from scalax.config import OptimConfig
from scalax.errors import UserError
from scalax.evals import Evaluator
from scalax.jobs import Claim
from scalax.records import Run
from scalax.schedule import Schedule
from scalax.train import loop, rundir
from scalax.train.course import Replan, check
from scalax.train.experiment import Experiment
from scalax.train.group import Member, directory_of, name_of
from scalax.train.health import Diverged
from scalax.train.hooks import Hook
from scalax.train.population import pays

MOST_TOGETHER = 16  # runs in a population


class RunSpec(NamedTuple):
    """A run to make.

    - name: of its directory. optim: None takes the experiment's. replan: for a run that plans as it goes.
    """

    name: str
    schedule: Schedule
    seed: int
    optim: OptimConfig | None = None
    replan: Replan | None = None


class GroupJob(NamedTuple):
    """Runs of one schedule that train together (jobs.Job)."""

    schedule: Schedule
    members: tuple[Member, ...]
    replan: Replan | None = None

    @property
    def name(self) -> str:
        return name_of(self.members)

    @property
    def directory(self) -> epath.Path:
        return directory_of(self.members)

    def finished(self) -> bool:
        return all(records.is_finished(member.path) for member in self.members)


def execute(
    experiment: Experiment,
    specs: Sequence[RunSpec],
    directory: Any,
    hooks: Sequence[Hook] = (),
    say: Callable[[str], None] = lambda line: None,
    lenient: bool = False,
) -> dict[str, Run]:
    """Make the runs that are missing in `directory`, with whoever else does, and read them all, by name.

    - experiment: what is trained.
    - specs: the runs.
    - directory: each run is in a directory there, of its name.
    - hooks: called of all training.
    - say: gets a line for each failure, and one when there is only waiting left.
    - lenient: leave out runs that failed, rather than raise.

    Runs of one schedule train as a population where that is faster (population.pays). Raises UserError, when
    all others are done, where some failed.
    """
    schedules = list(dict.fromkeys(spec.schedule for spec in specs))
    for schedule in schedules:
        check(experiment, schedule)
    todo = [
        GroupJob(schedule, tuple(_member(spec, directory) for spec in group), group[0].replan)
        for schedule in schedules
        for group in _groups(experiment, [s for s in specs if s.schedule == schedule], directory)
    ]

    def evaluator() -> Evaluator:
        return experiment.evaluator

    def work(job: GroupJob, claim: Claim | None = None) -> None:
        loop.run(experiment, job.schedule, job.members, evaluator, hooks, claim, job.replan)

    left = [job for job in todo if not job.finished()]
    if left:
        evaluator()  # what cannot be evaluated is found before anything is trained
    missing = sum(len(job.members) * job.schedule.budget_flops for job in left)
    for hook in hooks:
        hook.expect(missing)
    try:
        if jax.process_count() > 1:
            _side_by_side(todo, work)
        else:
            jobs.drain(todo, work, say=say)
    except UserError:
        if not lenient:
            raise
    return {
        spec.name: read(experiment, spec, directory)
        for spec in specs
        if not lenient or records.is_finished(epath.Path(directory) / spec.name)
    }


def read(experiment: Experiment, spec: RunSpec, directory: Any) -> Run:
    """A run as its directory has it. Raises UserError where that belongs to another.

    - experiment: that the run is of.
    - spec: of the run.
    - directory: where its directory is.
    """
    member = _member(spec, directory)
    rundir.optimizers(experiment.config, [member])
    timeline = check(experiment, spec.schedule)
    rundir.open_directory(
        member.path, rundir.describe(experiment, spec.schedule, member, timeline, bool(spec.replan))
    )
    return records.read_run(member.path)


def _side_by_side(todo: Sequence[GroupJob], work: Callable[[GroupJob], None]) -> None:
    """The processes of one worker go through the list together."""
    failed = []
    for job in todo:
        try:
            work(job)
        except Diverged as e:  # as in every other process
            failed.append(str(e))
    if failed:
        raise UserError(f"{len(failed)} of {len(todo)} failed: {'; '.join(failed[:3])}")


def _member(spec: RunSpec, directory: Any) -> Member:
    return Member(epath.Path(directory) / spec.name, spec.seed, spec.optim)


def _groups(experiment: Experiment, specs: Sequence[RunSpec], directory: Any) -> list[list[RunSpec]]:
    if any(spec.replan for spec in specs):
        return [[spec] for spec in specs]
    if len(specs) > MOST_TOGETHER:
        parts = [specs[i : i + MOST_TOGETHER] for i in range(0, len(specs), MOST_TOGETHER)]
        return [group for part in parts for group in _groups(experiment, part, directory)]
    missing = any(not records.is_finished(epath.Path(directory) / spec.name) for spec in specs)
    together = len(specs) > 1 and missing and pays(experiment, specs[0].schedule, len(specs), directory)
    return [list(specs)] if together else [[spec] for spec in specs]
