"""One `RunRecord` per evaluation of a run: a line of JSON each, in metrics.jsonl."""

import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from etils import epath

from scalax.errors import UserError
from scalax.records.files import dumps, write_atomically


class RunRecord(NamedTuple):
    """One evaluation of one run.

    - run: name of its directory. step: updates made. wall_s: seconds spent in steps.
    - examples: those trained on so far, `unit` says of what: images, sequences.
    - flops: training FLOPs spent so far by XLA's cost analysis; flops_matmul: the same by the count of
      matrix products and convolutions.
    - patch, width, depth, family: the shape of the model (schedule.Shape).
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

    def to_json(self) -> dict:
        """One level, with the examples under the name of their unit; family and unit stand there only where
        they are not V and images."""
        fields = {self.unit if key == "examples" else key: value for key, value in self._asdict().items()}
        metrics = fields.pop("metrics")
        for name, default in self._field_defaults.items():
            if fields[name] == default:
                del fields[name]
        return {**fields, **metrics}

    @classmethod
    def from_json(cls, line: dict) -> "RunRecord":
        """Raises KeyError or TypeError on what `to_json` could not have written."""
        own = {name: line.get(name, default) for name, default in cls._field_defaults.items()}
        own["examples"] = line[own["unit"]]
        fixed = {name: line[name] for name in cls._fields if name not in {"metrics", *own}}
        metrics = {k: v for k, v in line.items() if k not in fixed and k not in {*own, own["unit"]}}
        return cls(**fixed, **own, metrics=metrics)


def append(path: Any, record: RunRecord) -> None:
    """Add one line. A local file gets it in a single synced write; a store without append is rewritten."""
    line = dumps(record.to_json()) + "\n"
    path = epath.Path(path)
    if "://" in str(path):
        text = path.read_text() if path.exists() else ""
        path.write_text(text[: text.rfind("\n") + 1] + line)
        return
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+b") as file:
        if (size := file.seek(0, os.SEEK_END)) and (file.seek(size - 1), file.read(1))[1] != b"\n":
            line = "\n" + line  # closes the line that a killed process tore
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def measured(run: Sequence[RunRecord], metric: str) -> list[RunRecord]:
    """The records of a run that have the metric: an evaluation may take part in a few only."""
    return [record for record in run if record.metrics.get(metric) is not None]


def read(path: Any) -> list[RunRecord]:
    """All records of a file in order; a torn line, and only that, is passed over.

    Raises UserError where a line is whole JSON but not a record.
    """
    records = []
    for number, line in enumerate(epath.Path(path).read_text().split("\n"), start=1):
        try:
            data = json.loads(line)
        except json.JSONDecodeError:
            continue
        try:
            records.append(RunRecord.from_json(data))
        except (KeyError, TypeError, AttributeError):
            raise UserError(
                f"{path}, line {number}: not a run record of scalax; repair or remove it"
            ) from None
    return records


def keep_until(path: Any, step: int) -> list[RunRecord]:
    """Drop the records after `step` (a resumed run writes them again); returns what is kept."""
    path = epath.Path(path)
    if not path.exists():
        return []
    kept = [record for record in read(path) if record.step <= step]
    write_atomically(path, "".join(dumps(record.to_json()) + "\n" for record in kept))
    return kept
