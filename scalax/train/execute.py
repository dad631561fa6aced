"""Many runs of one experiment: grouped where one program trains several, and shared out among workers."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import jax
from etils import epath

from scalax import jobs, records
from scalax.config import OptimConfig
from scalax.errors import UserError
from scalax.evals import Evaluator, evaluations, measured_by
from scalax.jobs import Claim, Failed, Failure
from scalax.records import METRICS_FILE, Found, Run
from scalax.records.record import AGAIN
from scalax.schedule import Schedule
from scalax.train import loop, rundir
from scalax.train.branch import begins
from scalax.train.complete import check_metrics, check_records, followed
from scalax.train.course import Replan, check
from scalax.train.experiment import Experiment
from scalax.train.group import Diverged, Member, directory_of, name_of
from scalax.train.hooks import Hook
from scalax.train.population import pays
from scalax.train.timeline import Timeline

MOST_TOGETHER = 16  # runs in a population


class RunSpec(NamedTuple):
    """A run to make.

    - name: of its directory. optim: None takes the experiment's. replan: for a run that plans as it goes.
    - keep: FLOPs; of each, the state that a run which cools down from there begins with stays for good.
    - trunk: directory of a finished run, with which this one is the same until its cooldown begins: it takes
      over the state from there. Where none was kept, it trains from the start.
    """

    name: str
    schedule: Schedule
    seed: int
    optim: OptimConfig | None = None
    replan: Replan | None = None
    keep: tuple[float, ...] = ()
    trunk: str | None = None


class GroupJob(NamedTuple):
    """Runs of one schedule that train together (jobs.Job)."""

    schedule: Schedule
    members: tuple[Member, ...]
    replan: Replan | None = None
    keep: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        return name_of(self.members)

    @property
    def directory(self) -> epath.Path:
        return directory_of(self.members)

    def names(self) -> set[str]:
        """Of its runs."""
        return {member.path.name for member in self.members}

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
    - lenient: leave out runs that diverged, rather than raise. What failed for another reason (a disk, a
      file) is no result, and raises all the same.

    Runs of one schedule train as a population where that is faster (population.pays), if they all begin
    where they branch off another run, or all at the start. Raises jobs.Failed,
    when all others are done, where some failed, and UserError where a run's files are damaged.
    """
    specs = [_plain(experiment, spec) for spec in specs]
    schedules = dict.fromkeys(spec.schedule for spec in specs)
    timelines = {schedule: check(experiment, schedule) for schedule in schedules}
    members = {spec.name: _member(experiment, spec, directory, timelines[spec.schedule]) for spec in specs}
    alike: dict[tuple[Schedule, int], list[RunSpec]] = {}
    for spec in specs:
        alike.setdefault((spec.schedule, members[spec.name].begins), []).append(spec)

    def finished(spec: RunSpec) -> bool:
        return records.is_finished(epath.Path(directory) / spec.name)

    def found(spec: RunSpec) -> Run:
        return read(experiment, spec, directory, timelines[spec.schedule])

    # Those that others may finish meanwhile are left to the end, when all processes of a worker agree.
    early = [spec for spec in specs if finished(spec)] if jax.process_count() == 1 else []
    runs = {spec.name: found(spec) for spec in early}  # a damaged one is found before anything is trained
    new = [spec for spec in specs if not records.is_run(members[spec.name].path)]
    first = [timelines[spec.schedule].spans[0].shape for spec in new if not members[spec.name].begins]
    experiment.check_start(first)  # before anything is written
    todo = [
        GroupJob(
            schedule,
            tuple(members[spec.name] for spec in group),
            group[0].replan,
            tuple(sorted({flops for spec in group for flops in spec.keep})),
        )
        for (schedule, _), together in alike.items()
        for group in _groups(experiment, together, directory, runs)
    ]

    def evaluator() -> Evaluator:
        return experiment.evaluator

    def work(job: GroupJob, claim: Claim | None = None) -> None:
        loop.run(experiment, job.schedule, job.members, evaluator, hooks, claim, job.replan, job.keep)

    left = [job for job in todo if not (job.names() <= runs.keys() or job.finished())]
    if left:
        evaluator()  # what cannot be evaluated is found before anything is trained
    missing = sum(
        job.schedule.budget_flops - float(timelines[job.schedule].flops(member.begins))
        for job in left
        for member in job.members
    )
    names = {name for job in left for name in job.names()}
    whole = sum(bool(spec.trunk) and not members[spec.name].begins for spec in specs if spec.name in names)
    if whole:
        say(f"{whole} runs train from the start: the runs that they branch off kept no state there")
    for hook in hooks:
        hook.expect(missing)
    try:
        if jax.process_count() > 1:
            _side_by_side(todo, work)
        else:
            jobs.drain(todo, work, say=say)
    except Failed as e:
        if not lenient or any(failure.kind != Diverged.__name__ for failure in e.failures.values()):
            raise
    runs |= {
        spec.name: found(spec) for spec in specs if spec.name not in runs and (not lenient or finished(spec))
    }
    return {spec.name: runs[spec.name] for spec in specs if spec.name in runs}


def read(experiment: Experiment, spec: RunSpec, directory: Any, timeline: Timeline | None = None) -> Run:
    """A run as its directory has it.

    - experiment, spec, directory: as in `execute`.
    - timeline: of its schedule (None: it is made).

    Raises UserError where the directory belongs to another run, or is damaged.
    """
    spec = _plain(experiment, spec)
    timeline = timeline or check(experiment, spec.schedule)
    member = _member(experiment, spec, directory, timeline)
    rundir.optimizers(experiment.config, [member])
    described = rundir.describe(experiment, spec.schedule, member, timeline, bool(spec.replan))
    run = records.read_run(member.path, rundir.open_directory(member.path, described))
    if run.info.finished:
        path = member.path / METRICS_FILE
        if spec.replan:
            timeline = check(experiment, followed(spec.schedule, run.records))
        timeline = timeline._replace(begins=member.begins)
        try:
            check_records(path, Found(run.records, None, False), timeline, timeline.steps)
            task = experiment.task
            periods = measured_by(evaluations(experiment.config), task)
            check_metrics(path, run.records, task.measured, periods)
        except UserError as e:
            raise UserError(f"{e}; {AGAIN}") from None
    return run


def _side_by_side(todo: Sequence[GroupJob], work: Callable[[GroupJob], None]) -> None:
    """The processes of one worker go through the list together."""
    failed = {}
    for job in todo:
        try:
            work(job)
        except Diverged as e:  # as in every other process
            failed[job.name] = Failure(str(e), kind=Diverged.__name__)
    if failed:
        raise Failed(failed, len(todo))


def _member(experiment: Experiment, spec: RunSpec, directory: Any, timeline: Timeline) -> Member:
    path = epath.Path(directory) / spec.name
    member = Member(path, spec.seed, spec.optim)
    if spec.trunk is None:
        return member
    optim, budget_flops = spec.optim or experiment.config.optim, spec.schedule.budget_flops
    step = begins(path, spec.trunk, optim, budget_flops, timeline)
    return member._replace(trunk=epath.Path(spec.trunk), begins=step) if step else member


def _plain(experiment: Experiment, spec: RunSpec) -> RunSpec:
    return spec._replace(schedule=experiment.plain(spec.schedule))


def _groups(
    experiment: Experiment, specs: Sequence[RunSpec], directory: Any, finished: Collection[str]
) -> list[list[RunSpec]]:
    """Runs of one schedule that train together. finished: names of those that are known to be."""
    if any(spec.replan for spec in specs):
        return [[spec] for spec in specs]
    if len(specs) > MOST_TOGETHER:
        parts = [specs[i : i + MOST_TOGETHER] for i in range(0, len(specs), MOST_TOGETHER)]
        return [group for part in parts for group in _groups(experiment, part, directory, finished)]
    missing = any(
        spec.name not in finished and not records.is_finished(epath.Path(directory) / spec.name)
        for spec in specs
    )
    together = len(specs) > 1 and missing and pays(experiment, specs[0].schedule, len(specs), directory)
    return [list(specs)] if together else [[spec] for spec in specs]
