"""What each run of a study is doing, as its files say."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from etils import epath

from scalax import records, typed
from scalax.errors import UserError
from scalax.jobs.claims import stale_after_s
from scalax.jobs.holders import Holder, holder
from scalax.jobs.queue import FAILURE, failure
from scalax.places import no_directory
from scalax.records import INFO_FILE, METRICS_FILE, RunInfo, RunRecord
from scalax.schedule import Schedule, Shape

T = TypeVar("T")
STATES = ("running", "stopped", "failed", "damaged", "waiting", "finished")


class Note(NamedTuple):
    """What an owner says of its progress with its signs of life; None is not said."""

    step: int | None = None
    shape: str | None = None
    flops: float | None = None
    examples_per_s: float | None = None
    flops_per_s: float | None = None


class RunStatus(NamedTuple):
    """One run; None is not known. Speeds are of now where it runs, else the mean over the run."""

    run: str
    state: str  # one of STATES; waiting: not begun; damaged: a file cannot be read, and nobody works on it
    host: str | None  # where it runs
    pid: int | None
    shape: str | None
    step: int | None
    flops: float | None  # spent so far
    budget_flops: float | None
    examples_per_s: float | None
    flops_per_s: float | None
    metrics: dict[str, float]  # of the last evaluation
    age_s: float | None  # since the last sign of life
    problem: str | None  # why it failed, or which file cannot be read

    @property
    def share(self) -> float | None:
        """FLOPs spent over the budget; a finished run is done, though its last step left a rest."""
        if self.state == "finished":
            return 1.0
        if self.flops is None or not self.budget_flops:
            return None
        return self.flops / self.budget_flops


def survey(directory: Any, parts: Sequence[str] = ("runs",), *, empty: bool = False) -> list[RunStatus]:
    """The runs of the study, or the one run, in `directory`, by name. It writes nothing.

    - directory: of the study, or of the run.
    - parts: directories of a study that hold runs, in order.
    - empty: whether there may be no run, where a study's result lies alone.

    Raises UserError where there is no such directory, or no run.
    """
    path = epath.Path(directory)
    if not path.is_dir():
        raise UserError(f"{directory}: {no_directory(path)}; name that of a study, or of one run")
    if records.is_run(path):
        return [_status(path)]
    parents = [path / name for name in parts if (path / name).is_dir()]
    runs = [(parent, run) for parent in parents for run in _runs(parent)]
    if not runs and not empty:
        raise UserError(f"{directory}: no runs here; name the directory of a study, or of one run")
    return [_status(run, str(run.relative_to(parent))) for parent, run in runs]


def _runs(parent: epath.Path) -> Iterator[epath.Path]:
    """Directories of runs in `parent`, and in directories there that hold runs."""
    for path in sorted(parent.iterdir()):
        if path.name.startswith(".") or not path.is_dir():  # hidden: what a group of runs has in common
            continue
        inner = [] if records.is_run(path) else [p for p in sorted(path.iterdir()) if records.is_run(p)]
        yield from inner or [path]


def _status(path: epath.Path, shown: str = "") -> RunStatus:
    """Of the run in `path`, which is called `shown`, or by its directory."""
    info, problem = _read(lambda: records.read_info(path) if records.is_run(path) else None)
    name = info.name if info is not None else None
    found, bad_records = _read(lambda: records.scan(path / METRICS_FILE, name))
    ended = info is not None and info.finished
    if found is not None:
        of = info or RunInfo({}, Schedule(()), 0, {})  # one that is not finished
        bad_records = records.problem_of(path, of, found)
    elif ended and bad_records is None:
        bad_records = f"{path / METRICS_FILE}: the run is finished, and there is no such file"
    last = found.records[-1] if found is not None and found.records else None
    problem = problem or bad_records
    failed, owner = failure(path), None if "://" in str(path) else holder(path)
    running = owner if owner is not None and _is_running(owner) else None
    if ended and problem is None:
        state = "finished"
    elif running is not None and not ended:
        state = "running"
    elif failed is not None and not ended:
        where = f" ({failed.host}, {failed.time})" if failed.host or failed.time else ""
        state, problem = "failed", f"{failed.message}{where}"
    elif problem is not None:
        state = "damaged"
    else:
        state = "stopped" if info is not None or last else "waiting"
    running = running if state == "running" else None
    far = _far(last) | (_noted(running.note) if running is not None else {})
    return RunStatus(
        run=shown or path.name,
        state=state,
        host=running.host if running is not None else None,
        pid=(running.pid or None) if running is not None else None,
        shape=far.get("shape"),
        step=far.get("step"),
        flops=far.get("flops"),
        budget_flops=info.schedule.budget_flops if info is not None else None,
        examples_per_s=far.get("examples_per_s"),
        flops_per_s=far.get("flops_per_s"),
        metrics=last.metrics if last is not None else {},
        age_s=_age_s(path, owner),
        problem=problem,
    )


def _read(read: Callable[[], T]) -> tuple[T | None, str | None]:
    """What a file holds, None without one, and what is wrong with it."""
    try:
        return read(), None
    except FileNotFoundError:
        return None, None
    except UserError as e:
        return None, str(e)
    except OSError as e:
        return None, f"{e.filename}: cannot read it ({e.strerror or e})"


def _is_running(owner: Holder) -> bool:
    """Hosts' clocks may differ, so that a claim of another host counts a little longer."""
    return not owner.gone and owner.age_s < 1.5 * stale_after_s()


def _far(last: RunRecord | None) -> dict[str, Any]:
    if last is None:
        return {"step": 0, "flops": 0.0}
    far = {"shape": str(Shape.of(last)), "step": last.step, "flops": last.flops}
    if last.wall_s > 0:
        far |= {"examples_per_s": last.examples / last.wall_s, "flops_per_s": last.flops / last.wall_s}
    return far


def _noted(note: dict) -> dict[str, Any]:
    """What the owner said with its last sign of life; nothing where that is damaged."""
    try:
        said = typed.from_json(Note, note, "note")
    except UserError:
        return {}
    return {name: value for name, value in said._asdict().items() if value is not None}


def _age_s(path: epath.Path, owner: Holder | None) -> float | None:
    ages = [] if owner is None else [owner.age_s]
    for name in (METRICS_FILE, INFO_FILE, FAILURE):
        try:
            ages.append(max(0.0, time.time() - (path / name).stat().mtime))
        except OSError:
            continue
    return min(ages, default=None)
