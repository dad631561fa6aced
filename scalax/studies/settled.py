"""Studies that are finished: whether anything has changed since, and what is shown where nothing has."""

import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etils import epath

import scalax
from scalax import records, studies, typed, untrusted
from scalax.config import DataConfig
from scalax.errors import UserError
from scalax.records.record import MOST_BYTES

MARK = ".settled.json"


def keep(config: Any, out: Any) -> None:
    """Note in directory `out` of what its study.json was made; to be called when that is written.

    config: of the study.
    """
    if (mark := _mark(config, out)) is not None:
        records.write_atomically(epath.Path(out) / MARK, json.dumps(mark))


def runs_of(config: Any, out: Any) -> int | None:
    """How many finished runs the study.json in directory `out` was made of.

    None where the study is to be done, again or for the first time: the config, the files of its data, a
    file of a run, a file of scalax or a file of the user that was loaded is another than it was then.
    """
    try:
        kept = records.read_json(epath.Path(out) / MARK, "")
        mark = None if kept is None else _mark(config, out)
        return mark["runs"] if mark is not None and kept == mark else None
    except (OSError, UserError):  # damaged: whoever does the study says so
        return None


def _mark(config: Any, out: Any) -> dict[str, Any] | None:
    """What a result depends on; None where it is none of ours, of which we do not know that."""
    study = studies.of(config)
    if not study.Config.__module__.startswith("scalax."):
        return None
    where = epath.Path(out)
    found = [run for name in study.directories for run in _finished(where / name)]
    result = where / studies.FILE
    if not result.exists():
        return None
    return {
        "config": _digest([json.dumps(typed.to_json(config)).encode()]),
        "code": _digest(_code()),
        "data": _digest(part for data in _data_of(config) for part in _files(data)),
        "result": _digest([untrusted.read_bytes(result, studies.MOST_BYTES)]),
        "records": _digest(
            part
            for run in found
            for part in (
                str(run.relative_to(where)).encode(),
                untrusted.read_bytes(run / records.INFO_FILE),
                untrusted.read_bytes(run / records.METRICS_FILE, MOST_BYTES),
            )
        ),
        "runs": len(found),
    }


def _data_of(part: Any) -> Iterator[DataConfig]:
    """All data that a config names."""
    if isinstance(part, DataConfig):
        yield part
    elif isinstance(part, tuple):
        for each in part:
            yield from _data_of(each)
    elif dataclasses.is_dataclass(part):
        for field in dataclasses.fields(part):
            yield from _data_of(getattr(part, field.name))


def _files(data: DataConfig) -> Iterator[bytes]:
    """The names of the files below data.dir, or the size of the one that it is.

    None of prepared data sets, which nobody adds a file to, and of a bucket, where listing takes long.
    """
    if not data.dir or data.source == "tfds" or "://" in data.dir:
        return
    whole = Path(data.dir).expanduser()
    if whole.is_file():
        yield str(whole.stat().st_size).encode()
    for folder, below, names in os.walk(whole):
        below.sort()
        yield from sorted(os.fsencode(os.path.join(os.path.relpath(folder, whole), name)) for name in names)


def _finished(directory: epath.Path) -> list[epath.Path]:
    if not directory.is_dir():
        return []
    runs = sorted(path for path in directory.iterdir() if records.is_run(path))
    return [path for path in runs if records.is_finished(path)]


def _code() -> Iterator[bytes]:
    """The files of scalax, and those of a user (module_of)."""
    package = Path(scalax.__file__).parent
    for path in sorted(package.rglob("*.py")):
        yield str(path.relative_to(package)).encode()
        yield path.read_bytes()
    for name in sorted(sys.modules):
        if stamp := getattr(sys.modules[name], "STAMP", None):
            yield Path(stamp[0]).read_bytes()


def _digest(parts) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()
