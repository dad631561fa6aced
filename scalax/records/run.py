"""run.json, which says what a run is and whether it is finished: read here and nowhere else."""

import dataclasses
import json
from typing import Any, NamedTuple

from etils import epath

from scalax import typed
from scalax.errors import UserError
from scalax.records.files import dumps, write_atomically
from scalax.records.record import RunRecord, read
from scalax.schedule import Schedule

INFO_FILE, METRICS_FILE = "run.json", "metrics.jsonl"
VERSION = 2  # of run.json; 1 had none, and fewer settings (settings.upgraded)


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
    version: int = 1

    def to_json(self) -> dict:
        """Without what is not known (yet)."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: typed.to_json(value) for name, value in fields.items() if value is not None}


class Run(NamedTuple):
    """A run as its directory has it."""

    info: RunInfo
    records: list[RunRecord]


def read_info(directory: Any) -> RunInfo:
    """Raises UserError where the directory has no run.json, or it is not a run's."""
    path = epath.Path(directory) / INFO_FILE
    try:
        data = json.loads(path.read_text())
    except OSError as e:
        raise UserError(f"{path}: cannot read it ({e.strerror or e})") from None
    except ValueError:
        raise UserError(f"{path}: not JSON; move the directory away, or choose another") from None
    return typed.from_json(RunInfo, data, str(path))


def write_info(directory: Any, info: RunInfo) -> None:
    """Replace run.json. Raises UserError where it cannot be written."""
    path = epath.Path(directory) / INFO_FILE
    try:
        write_atomically(path, dumps(info.to_json(), indent=1) + "\n")
    except OSError as e:
        raise UserError(f"{path}: cannot write it ({e.strerror or e}); choose another directory") from None


def is_run(directory: Any) -> bool:
    return (epath.Path(directory) / INFO_FILE).exists()


def is_finished(directory: Any) -> bool:
    """Raises UserError where run.json is there but cannot be read."""
    return is_run(directory) and read_info(directory).finished


def read_run(directory: Any) -> Run:
    """Raises UserError where run.json or the records are missing or damaged."""
    info, path = read_info(directory), epath.Path(directory) / METRICS_FILE
    try:
        return Run(info, read(path))
    except OSError as e:
        raise UserError(f"{path}: cannot read it ({e.strerror or e})") from None
