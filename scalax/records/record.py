"""One `RunRecord` per evaluation of a run: a line of JSON each, in metrics.jsonl."""

import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from etils import epath

from scalax import metrics, typed, untrusted
from scalax.errors import UserError
from scalax.files import dumps, write_atomically
from scalax.schedule import Shape

SHAPE, NUMBERS = ("patch", "width", "depth"), ("flops", "flops_matmul", "wall_s")
TEXTS, WHOLE = ("run", "family", "unit"), ("step", "examples", "resolution", *SHAPE)
LARGEST = sys.float_info.max
ROUNDED = 1e-6  # that a share may leave 0 to 1 by
MOST_BYTES = 4 * 2**30  # of a file of records
AGAIN = "restore the file, or remove the run's directory and make it again"


class RunRecord(NamedTuple):
    """One evaluation of one run.

    - run: name of its directory. step: updates made. wall_s: seconds spent in steps.
    - examples: those trained on so far, `unit` says of what: images, sequences.
    - flops: training FLOPs spent so far by XLA's cost analysis; flops_matmul: the same by the count of
      matrix products and convolutions.
    - patch, width, depth, family, resolution: the shape of the model (schedule.Shape).
    - metrics: what was measured, by the names of scalax.metrics.
    """

    run: str
    step: int
    examples: int
    flops: float
    flops_matmul: float
    wall_s: float
    patch: int
    width: int
    depth: int
    metrics: dict[str, float]
    family: str = "V"
    unit: str = "images"
    resolution: int = 0

    def to_json(self) -> dict:
        """One level, with the examples under the name of their unit; family, unit and resolution stand there
        only where they are not V, images and 0."""
        fields = {self.unit if key == "examples" else key: value for key, value in self._asdict().items()}
        measured = fields.pop("metrics")
        for name, default in self._field_defaults.items():
            if fields[name] == default:
                del fields[name]
        return {**fields, **measured}

    @classmethod
    def from_json(cls, line: dict) -> "RunRecord":
        """Raises KeyError, TypeError or ValueError on what `to_json` could not have written."""
        if not isinstance(line, dict):
            raise TypeError(f"want an object, got {typed.shown(line)}")
        values = {name: line[name] for name in _NEEDED}
        values |= {name: line.get(name, default) for name, default in cls._field_defaults.items()}
        for name in TEXTS:
            if type(values[name]) is not str:
                raise TypeError(f"{name}: want text, got {typed.shown(values[name])}")
        values["examples"] = line[values["unit"]]
        for name in WHOLE:
            if type(values[name]) is not int or not 0 <= values[name] < 2**63:
                raise TypeError(f"{name}: want a whole number from 0 on, got {typed.shown(values[name])}")
        for name in NUMBERS:
            if type(values[name]) not in (int, float) or not 0 <= values[name] <= LARGEST:
                raise TypeError(f"{name}: want a number from 0 on, got {typed.shown(values[name])}")
        measured = {k: v for k, v in line.items() if k not in values and k != values["unit"]}
        for name, value in measured.items():
            if value is not None and not typed.is_number(value):
                raise TypeError(f"{untrusted.shown(name)}: want a number, got {typed.shown(value)}")
            if problem := _no_share(name, value):
                raise TypeError(problem)
        return cls(**values, metrics=measured)


_NEEDED = ("run", "step", *NUMBERS, *SHAPE)


def _no_share(name: str, value: float | None) -> str:
    """What is wrong with the value of a metric that is a share; empty where nothing is."""
    if value is None or not metrics.is_share(name) or -ROUNDED <= value <= 1 + ROUNDED or value != value:
        return ""
    return f"{untrusted.shown(name)}: want a share from 0 to 1, got {value}"


def append(path: Any, record: RunRecord) -> None:
    """Add one line, in place of one that a killed process tore. A local file gets it in a single synced
    write; a store without append is rewritten.

    Raises UserError where a metric that is a share is none.
    """
    for name, value in record.metrics.items():
        if problem := _no_share(name, value):
            raise UserError(f"{problem}; give what the task measures the name of a metric of its unit")
    line = dumps(record.to_json()) + "\n"
    path = epath.Path(path)
    if "://" in str(path):
        text = path.read_text() if path.exists() else ""
        path.write_text(text[: text.rfind("\n") + 1] + line)
        return
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+b") as file:
        if (size := file.seek(0, os.SEEK_END)) and (file.seek(size - 1), file.read(1))[1] != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def measured(run: Sequence[RunRecord], metric: str) -> list[RunRecord]:
    """The records of a run that have the metric: an evaluation may take part in a few only."""
    return [record for record in run if record.metrics.get(metric) is not None]


class Found(NamedTuple):
    """What a file of records holds.

    - records: those before the first line that is damaged.
    - problem: what is wrong with that line, with file and number; None where nothing is.
    - torn: what is wrong is only that a process was killed while it wrote the last line.
    """

    records: list[RunRecord]
    problem: str | None
    torn: bool


def scan(path: Any, run: str | None = None) -> Found:
    """Read records until the first line that is none, is out of order, or is of another run.

    - path: of the file.
    - run: name of the run that all must be of (RunInfo.name); None: that of the first.

    Raises OSError where there is no file that can be read, and UserError where it is no regular one.
    """
    found: list[RunRecord] = []
    lines = untrusted.read_bytes(path, MOST_BYTES).split(b"\n")
    for number, line in enumerate(lines, start=1):
        if number == len(lines) and not line.strip():
            break
        try:
            record = RunRecord.from_json(untrusted.parse_json(line))
            if run not in (None, record.run):
                raise TypeError(f"of run {typed.shown(record.run)}, and run.json is of {typed.shown(run)}")
            if found:
                _check_order(found[-1], record)
        except (KeyError, TypeError, ValueError) as e:
            cut = type(e) in (ValueError, untrusted.NotJSON)
            torn = cut and number == len(lines)  # the only line that has no end
            reason = f"no {e} in it" if isinstance(e, KeyError) else str(e)
            return Found(found, f"{path}, line {number}: no record of a run: {reason}", torn)
        found.append(record)
    return Found(found, None, False)


def read(path: Any) -> list[RunRecord]:
    """All records of a file in order; a last line that a kill has torn, and only that, is passed over.

    Raises OSError where there is no file that can be read, and UserError where a line is no record.
    """
    found = scan(path)
    if found.problem and not found.torn:
        raise UserError(f"{found.problem}; {AGAIN}")
    return found.records


def _check_order(before: RunRecord, after: RunRecord) -> None:
    """Raises TypeError where two lines cannot follow each other in a file."""
    if (after.run, after.unit) != (before.run, before.unit):
        raise TypeError("of another run than the line before")
    again = after.step == before.step and Shape.of(after) == Shape.of(before)
    if again or any(getattr(after, name) < getattr(before, name) for name in ("step", "flops")):
        raise TypeError(f"step {after.step} after step {before.step}")


def keep_until(path: Any, step: int, run: str | None = None) -> list[RunRecord]:
    """Drop what comes after `step` or is damaged (a resumed run writes it again); returns what is kept.

    - path: of the file.
    - step: updates made so far.
    - run: as of `scan`.
    """
    path = epath.Path(path)
    if not path.exists():
        return []
    kept = [record for record in scan(path, run).records if record.step <= step]
    write_atomically(path, "".join(dumps(record.to_json()) + "\n" for record in kept))
    return kept
