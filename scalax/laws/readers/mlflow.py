"""MLflow's files: `mlruns/EXPERIMENT/RUN/metrics/NAME`, a line of time, value and step for each report; then,
where it was told of one, the name and the digest of a data set."""

import re
from pathlib import Path

from scalax import untrusted
from scalax.errors import UserError
from scalax.laws.readers.table import Table

NAME = "MLflow metrics"
_LINE = re.compile(r"\d+ \S+ -?\d+( \S+ \S+)?")


def is_metric(path: Path, text: str) -> bool:
    """Whether it is the file of one metric."""
    lines = [line.strip() for line in text.split("\n", 3)[:2] if line.strip()]
    return "metrics" in path.parts[:-1] and bool(lines) and all(map(_LINE.fullmatch, lines))


def read(path: Path, text: str) -> list[Table]:
    """The one metric's table, of the run whose directory it lies in."""
    name = metric_name(path)
    if name in ("step", "timestamp"):  # MLflow's own columns, which keep their names
        name = f"metrics/{name}"
    columns: dict[str, list] = {"step": [], name: [], "timestamp": []}
    lines = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) not in (3, 5):
            raise UserError(f"{path}, row {number}: want time, value and step, got {line[:40]!r}")
        for cells, word in zip(columns.values(), (words[2], words[1], words[0]), strict=True):
            cells.append(word)
        lines.append(number)
    return [Table(str(path), columns, lines, run=run_name(run_directory(path)), format=NAME)]


def joined(tables: list[Table]) -> Table:
    """One table of a run's metrics, a row for each step of each."""
    columns: dict[str, list] = {}
    rows = sum(len(table.lines) for table in tables)
    for table in tables:
        for name in table.columns:
            columns.setdefault(name, [None] * rows)
    at = 0
    for table in tables:
        for name, cells in table.columns.items():
            columns[name][at : at + len(cells)] = cells
        at += len(table.lines)
    lines = [line for table in tables for line in table.lines]
    source = str(run_directory(Path(tables[0].source)))
    return tables[0]._replace(source=source, columns=columns, lines=lines)


def run_directory(path: Path) -> Path:
    """The run's directory: the one that holds `metrics/`."""
    parts = path.parts
    return Path(*parts[: len(parts) - 1 - parts[::-1].index("metrics")])


def metric_name(path: Path) -> str:
    """A metric's name, which may hold slashes."""
    return path.relative_to(run_directory(path) / "metrics").as_posix()


def is_run(directory: Path, beside_one: bool) -> bool:
    """Whether a directory that holds `metrics/` is a run's: as its meta.yaml says, which logged models have
    too; without one, where it lies beside a run (`beside_one`)."""
    if not (directory / "meta.yaml").exists():
        return beside_one
    return bool(_said(directory, "run_id") or _said(directory, "run_uuid"))


def run_name(run: Path) -> str:
    """As its meta.yaml has it, else the directory's name."""
    return _said(run, "run_name") or run.name


def _said(run: Path, key: str) -> str:
    """A value in meta.yaml; empty where there is none."""
    try:
        text = untrusted.read_bytes(run / "meta.yaml").decode()
    except (OSError, ValueError):
        return ""
    found = re.search(rf"^{key}:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip().strip("'\"") if found else ""
