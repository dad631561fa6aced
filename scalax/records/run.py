"""run.json, which says what a run is and whether it is finished: read here and nowhere else."""

import dataclasses
import re
from typing import Any, NamedTuple

from etils import epath

from scalax import typed
from scalax.errors import UserError
from scalax.files import dumps, write_atomically
from scalax.records.record import AGAIN, Found, RunRecord, scan
from scalax.records.state_file import StateFile
from scalax.schedule import Schedule, Shape

INFO_FILE, METRICS_FILE = "run.json", "metrics.jsonl"
VERSION = 2  # of run.json; 1 had none, and fewer settings (settings.upgraded)
GROUP = re.compile(r"\.group-[0-9a-f]{12}")  # directory of a group; no name may lead elsewhere
REMEDY = "restore the file, or move {directory} away and make the run again"


class Trunk(NamedTuple):
    """What a run branched off: the other run's name, and the updates that were taken over from it."""

    run: str
    step: int


@dataclasses.dataclass(frozen=True)
class RunInfo:
    """What run.json holds.

    - config: the settings that the run depends on (settings.run_settings). schedule: which shape when.
    - seed, steps: of the run. precision: of computation.
    - data: numbers of training and validation examples, and of the model's outputs.
    - costs: by shape, FLOPs of a step and how XLA's count and ours agree.
    - device, versions: what the numbers depend on besides.
    - group: directory of the checkpoints of a run that trains with others; member: its number among them.
    - timing: seconds of compilation, changes of shape and idle devices, once it is finished.
    - trunk: what the run branched off; its own records begin there.
    - records: how many it had when it finished.
    - name: of its directory when the run was made. Its records and checkpoints say it too, so that files of
      another run are known as such; where the directory was renamed since, all three still agree. None of
      runs that were made before it was noted: then nothing is compared with it.
    """

    config: dict[str, Any]
    schedule: Schedule
    seed: int
    data: dict[str, Any]
    steps: int = 0
    precision: str = ""
    costs: dict[str, Any] = dataclasses.field(default_factory=dict)
    device: dict[str, Any] = dataclasses.field(default_factory=dict)
    versions: dict[str, Any] = dataclasses.field(default_factory=dict)
    finished: bool = False
    group: str | None = None
    member: int | None = None
    timing: dict[str, float] | None = None
    trunk: Trunk | None = None
    records: int | None = None
    name: str | None = None
    version: int = 1

    def to_json(self) -> dict:
        """Without what is not known (yet)."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: typed.to_json(value) for name, value in fields.items() if value is not None}


_FILE = StateFile(RunInfo, VERSION, REMEDY)


class Run(NamedTuple):
    """A run as its directory has it."""

    info: RunInfo
    records: list[RunRecord]


def read_info(directory: Any) -> RunInfo:
    """Raises UserError where the directory has no run.json, or it is not a run's."""
    path = epath.Path(directory) / INFO_FILE
    try:
        info = _FILE.read(path)
    except UserError:
        if epath.Path(directory).exists() and not epath.Path(directory).is_dir():
            raise UserError(f"{directory}: is no directory; name that of a run") from None
        raise
    if info is None:
        raise UserError(f"{path}: no such file; name the directory of a run")
    if info.group is not None and not GROUP.fullmatch(info.group):
        raise UserError(f"{path}, group: want .group- and 12 digits, got {typed.shown(info.group)}")
    if info.steps < 0 or (info.member or 0) < 0:
        raise UserError(f"{path}: steps and member must not be negative")
    return info


def validation_targets(directory: Any, info: RunInfo) -> int:
    """How many targets a validation error of the run is a share of.

    - directory: of the run.
    - info: of the run.

    Raises UserError where run.json does not say.
    """
    counts = [info.data.get("validation"), info.data.get("targets", 1)]
    if not all(typed.is_whole(count) and count > 0 for count in counts):
        raise UserError(
            f"{epath.Path(directory) / INFO_FILE}, data: does not say how many examples there are"
        )
    return counts[0] * counts[1]


def write_info(directory: Any, info: RunInfo) -> None:
    """Replace run.json. Raises UserError where it cannot be written."""
    path = epath.Path(directory) / INFO_FILE
    try:
        write_atomically(path, dumps(info.to_json(), indent=1) + "\n")
    except OSError as e:
        raise UserError(f"{path}: cannot write it ({e.strerror or e}); choose another directory") from None


def finish(directory: Any, info: RunInfo, timing: dict[str, float]) -> RunInfo:
    """Mark a run whose records are all written as finished; returns what run.json then holds.

    - directory: of the run.
    - info: what run.json holds else.
    - timing: of RunInfo.

    Raises UserError where run.json cannot be written, OSError where the records cannot be read.
    """
    count = len(scan(epath.Path(directory) / METRICS_FILE, info.name).records)
    info = dataclasses.replace(info, finished=True, timing=timing, records=count)
    write_info(directory, info)
    return info


def is_run(directory: Any) -> bool:
    return (epath.Path(directory) / INFO_FILE).exists()


def is_finished(directory: Any) -> bool:
    """Raises UserError where run.json is there but cannot be read."""
    return is_run(directory) and read_info(directory).finished


def read_run(directory: Any, info: RunInfo | None = None) -> Run:
    """A run as its directory has it.

    - directory: of the run.
    - info: what run.json holds, where that was read already.

    Raises UserError where run.json or the records are missing or damaged (`problem_of`).
    """
    info, path = info or read_info(directory), epath.Path(directory) / METRICS_FILE
    try:
        found = scan(path, info.name)
    except OSError as e:
        raise UserError(f"{path}: cannot read it ({e.strerror or e}); {AGAIN}") from None
    if problem := problem_of(directory, info, found):
        raise UserError(problem)
    return Run(info, found.records)


def problem_of(directory: Any, info: RunInfo, found: Found) -> str | None:
    """What is wrong with the records of a run, if anything: a line that is damaged, where it is not the last
    of a run that was killed; or, where the run is finished, that some are missing.

    - directory: of the run.
    - info: what its run.json holds.
    - found: its records.
    """
    path = epath.Path(directory) / METRICS_FILE
    if found.problem and (info.finished or not found.torn):
        return f"{found.problem}; {AGAIN}"
    if info.finished and not found.records:
        return f"{path}: the run is finished, and holds no record; {AGAIN}"
    if info.finished and info.records not in (None, len(found.records)):
        counts = f"{len(found.records)} records where the run finished with {info.records}"
        return f"{path}: has {counts}; {AGAIN}"
    if info.finished and not _ends(info, found.records):
        return f"{path}: the run is finished, and its records end at step {found.records[-1].step}; {AGAIN}"
    return None


def _ends(info: RunInfo, found: list[RunRecord]) -> bool:
    """Whether the records of a finished run go on to its end. Where it planned as it went, run.json has not
    the schedule that it came to follow: then they do where the budget buys no further step."""
    last = found[-1]
    if Shape.of(last) in {shape for stage in info.schedule.stages for shape in stage.shapes()}:
        return last.step >= info.steps
    before = [r for r in found if Shape.of(r) == Shape.of(last) and r.step < last.step]
    if not before:
        return False
    step_flops = (last.flops - before[0].flops) / (last.step - before[0].step)
    return info.schedule.budget_flops - last.flops < 1.001 * step_flops
