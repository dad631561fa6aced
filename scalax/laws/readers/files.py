"""Files of curves in directories, and short names that tell them apart."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from scalax.errors import UserError
from scalax.laws.readers import events, mlflow
from scalax.laws.readers.formats import FORMATS, read_tables
from scalax.laws.readers.table import Table
from scalax.records.remark import Remark

ANY = ("*.csv", "*.tsv", "*.jsonl", "*.json", "*.log", "*.txt")  # where no file has a name that trainers give
LONGEST_LINE = 1000  # characters of a line of MLflow's
SKIPPED = {"wandb-metadata.json", "wandb-summary.json", "config.json", "args.json", "hparams.json"}


def tables_of(paths: Sequence[str | Path], progress: Callable[[int], object] | None = None) -> list[Table]:
    """Tables of files, and of those that trainers leave in directories, each with a name of its run."""
    tables: list[Table] = []
    for path in map(Path, paths):
        tables += _directory(path) if path.is_dir() else read_tables(path)
        if progress:
            progress(1)
    names = labels([Path(table.source) for table in tables])
    return [t if t.run else t._replace(run=name) for t, name in zip(tables, names, strict=True)]


def _directory(path: Path) -> list[Table]:
    """Tables of what is found below a directory."""
    if runs := _mlflow_runs(path):
        return [
            mlflow.joined(
                [t for p in sorted(run.glob("metrics/**/*")) if _is_plain(p) for t in read_tables(p)]
            )
            for run in runs
        ]
    named = {p for format in FORMATS for pattern in format.files for p in path.rglob(pattern) if p.is_file()}
    if not named and (found := sorted(p for p in path.rglob("*.tfevents.*") if p.is_file())):
        return _events(found)
    if not named and (found := _offline_runs(path)):
        return [table for p in found for table in read_tables(p)]
    found = sorted(named) or sorted(
        {p for pattern in ANY for p in path.glob(pattern) if p.is_file() and p.name not in SKIPPED}
    )
    if not found:
        raise UserError(f"{path}: no file of curves in this directory; name one")
    found, remarks = _last_checkpoints(found)
    tables = [table for p in found for table in read_tables(p)]
    tables[0] = tables[0]._replace(remarks=(*tables[0].remarks, *remarks))
    return tables


def _offline_runs(path: Path) -> list[Path]:
    """Files of offline runs of Weights & Biases, each once: `latest-run` is a link to one of them."""
    return sorted({p.resolve() for p in path.rglob("*.wandb") if p.is_file()})


def _mlflow_runs(path: Path) -> list[Path]:
    """Directories of MLflow's runs below `path`: by a file of a metric, or by where they lie. What is damaged
    in them is for the reader to refuse."""
    files = [p for p in path.rglob("*") if "metrics" in p.parts[:-1] and _is_plain(p)]
    found = {mlflow.run_directory(p) for p in files if _is_mlflow(p)}
    beside = {run.parent for run in found}
    others = {mlflow.run_directory(p) for p in files} - found
    return sorted(found | {run for run in others if mlflow.is_run(run, run.parent in beside)})


def _is_plain(path: Path) -> bool:
    """Whether it is a file, and not one that a desktop leaves, such as .DS_Store."""
    return path.is_file() and not path.name.startswith(".")


def _is_mlflow(path: Path) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return mlflow.is_metric(path, file.readline(LONGEST_LINE))
    except (OSError, UnicodeDecodeError):
        return False


def _events(paths: Sequence[Path]) -> list[Table]:
    """A table a directory: files that lie together are one run, written one after the other."""
    out: dict[Path, list[Table]] = {}
    for path in paths:
        try:
            out.setdefault(path.parent, []).extend(read_tables(path))
        except events.NoScalar:
            continue
    if not out:
        raise UserError(f"{paths[0].parent}: no scalar in {len(paths)} files of events; give some with one")
    return [_in_sequence(parts) for parts in out.values()]


def _in_sequence(parts: Sequence[Table]) -> Table:
    names = dict.fromkeys(name for part in parts for name in part.columns)
    columns = {
        name: [c for part in parts for c in part.columns.get(name, [None] * len(part.lines))]
        for name in names
    }
    lines = [line for part in parts for line in part.lines]
    return parts[0]._replace(columns=columns, lines=lines, remarks=tuple(r for p in parts for r in p.remarks))


def _last_checkpoints(paths: Sequence[Path]) -> tuple[list[Path], list[Remark]]:
    """Without the states of earlier checkpoints, whose rows a later one, or the final state, has too."""
    kept = [path for path in paths if not any(_holds(other, path) for other in paths)]
    gone = len(paths) - len(kept)
    return kept, [Remark("other_checkpoints", str(kept[0]), values={"count": gone})] if gone else []


def _holds(path: Path, earlier: Path) -> bool:
    """Whether `path` is the state of the same run as `earlier` at a later time."""
    at, at_earlier = _checkpoint(path), _checkpoint(earlier)
    if at_earlier is None or path.name != earlier.name:
        return False
    folder = earlier.parent.parent
    return path.parent == folder or (path.parent.parent == folder and at is not None and at > at_earlier)


def _checkpoint(path: Path) -> int | None:
    found = re.fullmatch(r"checkpoint-(\d+)", path.parent.name)
    return int(found[1]) if found else None


def labels(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of paths that tell them apart, without what they all share at the end."""
    parts = [(*path.parts[:-1], label(path)) for path in paths]
    if len(set(parts)) < len(parts) or len(parts) < 2:
        return [part[-1] if part else "" for part in parts]
    while len({part[-1] for part in parts}) == 1 and all(len(part) > 1 for part in parts):
        parts = [part[:-1] for part in parts]
    depth = next(d for d in range(1, 100) if len({part[-d:] for part in parts}) == len(parts))
    return ["/".join(part[-depth:]) for part in parts]


def label(path: Path) -> str:
    """A file's name without its ending; of TensorBoard's 'run-NAME-tag-TAG.csv', the run's."""
    if found := re.fullmatch(r"run-(.+)-tag-.+", path.stem):
        return found[1]
    if ".tfevents." in path.name:
        return path.parent.name or path.name
    return path.name.removesuffix("".join(path.suffixes[-1:])) or path.name
