"""The one registry of formats, in the order in which a file is tried against them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from scalax import untrusted
from scalax.laws.readers import delimited, events, json_document, json_lines, mlflow, text_log, wandb_run
from scalax.laws.readers.table import Table
from scalax.records.table import text_of

HEAD = 1 << 16  # bytes of a file that are looked at to tell its format


class Format(NamedTuple):
    """A kind of text file.

    - name: in words.
    - files: patterns of the names that such files have, by which they are found in directories.
    - matches: (path, its text) -> whether it is one.
    - read: (path, its text) -> tables.
    """

    name: str
    files: tuple[str, ...]
    matches: Callable[[Path, str], bool]
    read: Callable[[Path, str], list[Table]]


FORMATS = (
    Format(mlflow.NAME, (), mlflow.is_metric, mlflow.read),
    Format(
        json_lines.NAME,
        ("metrics.jsonl", "metrics.json", "scalars.json", "*.log.json", "log.txt", "wandb-history.jsonl"),
        lambda _, text: json_lines.is_json_lines(text),
        json_lines.read,
    ),
    Format(
        "a JSON document",
        ("trainer_state.json", "log_history.json", "history.json"),
        lambda _, text: json_document.is_json_document(text),
        json_document.read,
    ),
    Format(
        delimited.NAME,
        ("metrics.csv", "summary.csv", "results.csv", "log.csv", "training.csv", "progress.csv"),
        lambda _, text: delimited.is_delimited(text) and not text_log.is_text_log(text),
        delimited.read,
    ),
    Format(text_log.NAME, (), lambda _, text: text_log.is_text_log(text), text_log.read),
)


def sniff(path: Path, text: str) -> Format:
    """The format of a text: the first that it matches, else a table, whose reader says what is wrong."""
    table = next(format for format in FORMATS if format.name == delimited.NAME)
    return next((format for format in FORMATS if format.matches(path, text)), table)


def read_tables(path: Path) -> list[Table]:
    """The tables of one file. Raises UserError with file, row and column for what cannot be read."""
    raw = untrusted.read_table_bytes(path, "curves")
    if raw and events.is_events(path, raw[:HEAD]):
        return events.read(path, raw)
    if wandb_run.is_wandb(raw[:HEAD]):
        return wandb_run.read(path, raw)
    text = text_of(path, raw, "a CSV or JSONL file, a log, or TensorBoard's events")
    return sniff(path, text).read(path, text)
