"""What a run leaves behind: one `RunRecord` per evaluation, a line of JSON each."""

import json
import math
import os
import uuid
from typing import NamedTuple

from etils import epath

from scalax.errors import UserError


class RunRecord(NamedTuple):
    """One evaluation of one run.

    `flops` are training FLOPs spent so far by XLA's cost analysis, `flops_matmul` the same by the
    count of matrix products and convolutions; `metrics` hold e.g. `val_error` (share of images
    wrong), `val_loss` (cross-entropy, nats), `fewshot_error` and `fewshot_error_std`.
    """

    run: str
    step: int
    images: int
    flops: float
    flops_matmul: float
    wall_s: float
    patch: int
    width: int
    depth: int
    metrics: dict[str, float]
    family: str = "V"

    def to_json(self) -> dict:
        """One level, with the family (see schedule.Shape) only where it is not V."""
        fields = self._asdict()
        metrics = fields.pop("metrics")
        if self.family == "V":
            del fields["family"]
        return {**fields, **metrics}

    @classmethod
    def from_json(cls, line: dict) -> "RunRecord":
        fixed = {name: line[name] for name in cls._fields if name not in ("metrics", "family")}
        metrics = {k: v for k, v in line.items() if k not in fixed and k != "family"}
        return cls(**fixed, metrics=metrics, family=line.get("family", "V"))


def append(path, record: RunRecord) -> None:
    """Add one line. A local file gets it in a single synced write; a store without append is rewritten."""
    line = dumps(record.to_json()) + "\n"
    path = epath.Path(path)
    if "://" in str(path):
        text = path.read_text() if path.exists() else ""
        path.write_text(_whole_lines(text) + line)
        return
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+b") as file:
        if (size := file.seek(0, os.SEEK_END)) and (file.seek(size - 1), file.read(1))[1] != b"\n":
            line = "\n" + line  # closes the line that a killed process tore
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def read(path) -> list[RunRecord]:
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
        except (KeyError, TypeError):
            raise UserError(f"{path}, line {number}: not a run record of scalax") from None
    return records


def keep_until(path, step: int) -> list[RunRecord]:
    """Drop the records after `step` (a resumed run writes them again); returns what is kept."""
    path = epath.Path(path)
    if not path.exists():
        return []
    kept = [record for record in read(path) if record.step <= step]
    write_atomically(path, "".join(dumps(record.to_json()) + "\n" for record in kept))
    return kept


def write_atomically(path, text: str) -> None:
    """Replace a file's content so that a reader, or a kill, sees the old text or the new one."""
    path = epath.Path(path)
    if "://" in str(path):
        path.write_text(text)  # an object store replaces whole objects
        return
    beside = path.parent / f".{path.name}.{uuid.uuid4().hex}"  # several workers may write the same file
    with open(beside, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def dumps(data, **options) -> str:
    """Strict JSON: a non-finite number becomes null, so that every reader can parse the file."""
    return json.dumps(_finite(data), allow_nan=False, **options)


def _finite(data):
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def _whole_lines(text: str) -> str:
    return text[: text.rfind("\n") + 1]
