"""Tables of models from files: wide, a column a task, or long, a row a task; accuracies or errors."""

import csv
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scalax.errors import UserError, suggest
from scalax.records.remark import Remark, listed, more
from scalax.records.table import Table, cell_text, read_table
from scalax.transfer.cells import (
    Cells,
    Reading,
    cells_of,
    holds_of,
    is_text,
    may_be_task,
    number_in,
    unit_of,
    units_of,
)
from scalax.transfer.models import FEWEST, Column, ModelTable, model_table

NAME_WORDS = ("model", "name", "id", "run")


def read_models(
    path: str | Path,
    upstream: str,
    downstream: Sequence[str] = (),
    *,
    task: str | None = None,
    value: str | None = None,
    model: Sequence[str] = (),
    group: str | None = None,
    size: Sequence[str] = (),
    images: str | None = None,
    reading: Reading | None = None,
    table: Table | None = None,
) -> ModelTable:
    """The models of a file.

    - path: a CSV or JSONL file: wide, a row a model and a column a task, or long, a row a model and task.
    - upstream: column of the upstream task; in a long table the name of a task, or a column.
    - downstream: columns, or tasks, to read; without, all others whose numbers can be read in the unit of the
      upstream one.
    - task: column with the name of the task, which makes the table long.
    - value: column of the accuracy or error of a long table; found if only one can be it.
    - model: columns whose cells together name a model; without, all of text in a long table, in a wide one
      the first of text and as many others as tell all rows apart.
    - group: column of the kind of model.
    - size: columns of size, data or compute.
    - images: how many test images errors are shares of: a number, for all tasks; 'TASK=N,TASK=N'; or a
      column, which counts for downstream tasks alone.
    - reading: of accuracies, errors and units.
    - table: of the file, where it has been read.

    Cells that are empty or say nan, NA, none, null, -, ? are missing. Raises UserError for what cannot be
    read.
    """
    path, said = Path(path), reading or Reading()
    table = table or read_table(path, "models")
    named = [upstream] if not task else [task, value]
    for name in (*named, *model, group, *size, *(() if task else downstream)):
        _check_column(path, table, name)
    if said.unit not in (None, "share", "percent"):
        raise UserError(f"`unit` {said.unit!r} is unknown{suggest(said.unit, ('share', 'percent'))}")
    if task:
        value = value or _value_column(path, table, {task, group, images, *size, *model, upstream})
        models, cells, rows, keys = _long(
            path, table, upstream, downstream, task, value, model, group, size, images
        )
    else:
        models, cells, rows, keys = _wide(path, table, upstream, downstream, model, group, size, images, said)
    for name in (*said.errors, *said.accuracies):
        if name not in cells and name not in (value, "all"):
            raise UserError(f"`errors` and `accuracies`: {name!r} is not read{suggest(name, cells)}")
    tasks = {cell_text(row, task).strip() for row in table.rows} if task else set()
    units = units_of(path, cells, tasks, str(value), said.unit)
    columns, errors = [], {}
    for name, own in cells.items():
        holds, why = holds_of(path, name, value, said)
        unit = units[name]
        share = own.values / (100 if unit == "percent" else 1)
        errors[name] = share if holds == "error" else 1 - share
        seen = own.values[np.isfinite(own.values)]
        least, most = (float(seen.min()), float(seen.max())) if len(seen) else (math.nan, math.nan)
        columns.append(Column(name, holds, unit, why, least, most, int(np.isnan(own.values).sum())))
    e_us = errors.pop(upstream)
    counts_us, counts_ds = _images(path, table, rows, images, upstream, list(errors))
    return model_table(
        upstream,
        e_us,
        errors,
        models,
        [cell_text(table.rows[row], group).strip() or "(none)" for row in rows] if group else None,
        {name: np.array([number_in(path, table, row, name)[0] for row in rows]) for name in size},
        counts_us,
        counts_ds,
        columns,
        [] if task else [c for c in table.columns if c not in {*cells, *model, group, images, *size}],
        _remarks(path, table, task, rows, [] if model else keys),
    )


def column_names(text: str, columns: Sequence[str] = ()) -> tuple[str, ...]:
    """The names in 'a,b'; a name with a comma stands in double quotes, as in CSV.

    - text: of an argument.
    - columns: a name of one of these is taken whole.

    >>> column_names('err_a,"top 1, real"')
    ('err_a', 'top 1, real')
    """
    if text in columns:
        return (text,)
    return tuple(name.strip() for name in next(csv.reader([text], skipinitialspace=True), []) if name.strip())


def _check_column(path: Path, table: Table, name: str | None) -> None:
    if name is not None and name not in table.columns:
        shown = [column[:60] for column in table.columns[:60]]
        raise UserError(f"{path}, row 1: no column {name!r}{suggest(name, shown)}")


def _check_rows(path: Path, table: Table) -> None:
    """Raises UserError where the rows are too few for a law, and to tell what columns hold."""
    if (rows := len(table.rows)) < FEWEST:
        raise UserError(
            f"{path}: has {rows} row{'s' if rows > 1 else ''}, and a law needs {FEWEST} models or more; add"
            " rows"
        )


def _wide(path, table, upstream, downstream, model, group, size, images, said):
    """Names of the models, cells by task (upstream first), rows of the models, and columns of the names."""
    rows = list(range(len(table.rows)))
    if downstream:
        tasks = list(dict.fromkeys(downstream))
        if upstream in tasks:
            raise UserError(f"`downstream` names the upstream column, {upstream!r}; leave it out")
    else:
        apart = {upstream, group, images, *size, *model}
        first = cells_of(path, table, rows, upstream)
        top = 1.0 if unit_of(path, upstream, first, said.unit) == "share" else 100.0
        tasks = [c for c in table.columns if c not in apart and may_be_task(table, c, top)]
        if not tasks:
            _check_rows(path, table)
            others = ", ".join(repr(c) for c in table.columns if c not in apart) or "none"
            raise UserError(
                f"{path}: no column but {upstream!r} looks like accuracies or errors in its unit; name"
                f" `downstream` (columns: {others})"
            )
    cells = {name: cells_of(path, table, rows, name) for name in (upstream, *tasks)}
    others = [c for c in table.columns if c not in {*cells, images, *size}]
    names, keys = _names(path, table, rows, model, others, list(size))
    return names, cells, rows, keys


def _long(path, table, upstream, downstream, task, value, model, group, size, images):
    """The same of a long table: its rows are brought together by model."""
    found = list(dict.fromkeys(cell_text(row, task).strip() for row in table.rows))
    if upstream not in found and upstream not in table.columns:
        raise UserError(
            f"`upstream` {upstream!r} is neither a task in column {task!r} nor a column"
            f"{suggest(upstream, [*found, *table.columns])}"
        )
    for name in downstream:
        if name not in found:
            raise UserError(f"`downstream`: no task {name!r} in column {task!r}{suggest(name, found)}")
    keys = list(model) or [
        c for c in table.columns if c not in {task, value, images} and is_text(path, table, c)
    ]
    if not keys:
        raise UserError(f"{path}: `model` must name the columns that tell models apart")
    rows: dict[str, int] = {}
    where: dict[tuple[str, str], int] = {}
    for i, row in enumerate(table.rows):
        name = ", ".join(cell_text(row, key).strip() for key in keys)
        rows.setdefault(name, i)
        place = (name, cell_text(row, task).strip())
        if where.setdefault(place, i) != i:
            raise UserError(
                f"{path}, row {table.lines[i]}: model {name!r} occurs twice with task {place[1]!r} (row"
                f" {table.lines[where[place]]}); name the columns that tell models apart by `model`"
            )
    wanted = list(dict.fromkeys(downstream)) or [name for name in found if name != upstream]
    cells = {}
    for name in (upstream, *wanted):
        places = [where.get((model, name)) for model in rows]
        column = value
        if name not in found:  # a column that each row of a model repeats
            places, column = list(rows.values()), upstream
        numbers = [(math.nan, False) if p is None else number_in(path, table, p, column) for p in places]
        lines = [0 if p is None else table.lines[p] for p in places]
        cells[name] = Cells(np.array([n for n, _ in numbers]), lines, sum(sign for _, sign in numbers))
    return list(rows), cells, list(rows.values()), keys


def _value_column(path: Path, table: Table, apart: set[str | None]) -> str:
    """The one column that can hold the accuracies or errors of a long table."""
    able = [c for c in table.columns if c not in apart and may_be_task(table, c, 100.0)]
    if len(able) != 1:
        _check_rows(path, table)
        shown = ", ".join(map(repr, able)) or "none"
        raise UserError(f"{path}: `value` must name the column of accuracies or errors; it may be {shown}")
    return able[0]


def _names(path, table, rows, model, others, size) -> tuple[list[str], list[str]]:
    """A name for each row of a wide table, of as few columns as tell all rows apart, and these columns."""
    text = [c for c in others if is_text(path, table, c)]
    text = text or [c for c in others if c.lower() in NAME_WORDS]
    keys = list(model) or text[:1]
    if not keys:
        return [f"row {table.lines[row]}" for row in rows], []
    more = [c for c in others if not may_be_task(table, c, 100.0)]  # an accuracy is no name
    spare = [] if model else [c for c in dict.fromkeys((*text, *more, *size)) if c not in keys]
    while True:
        names = [", ".join(filter(None, (cell_text(table.rows[r], k).strip() for k in keys))) for r in rows]
        seen: dict[str, int] = {}
        twice = next(((i, seen[name]) for i, name in enumerate(names) if seen.setdefault(name, i) != i), None)
        if twice is None:
            return names, keys
        if not spare:
            second, first = (table.lines[rows[i]] for i in twice)
            raise UserError(
                f"{path}, row {second}: model {names[twice[0]][:80]!r} occurs twice (also in row {first});"
                " remove one, or name the columns that tell models apart by `model`"
            )
        keys.append(spare.pop(0))


def _remarks(path: Path, table: Table, task: str | None, rows: list[int], keys: list[str]) -> list[Remark]:
    """What was left out of the table, and which name stands for several models.

    - task: column with the name of the task, of a long table.
    - rows: one of each model.
    - keys: the columns that names of models are made of, where the user named none.
    """
    remarks = []
    if table.torn is not None:
        remarks.append(Remark("torn", str(path), values={"row": table.torn}))
    named = next((key for key in keys if key.lower() in NAME_WORDS), None)
    counts = Counter(cell_text(table.rows[row], named).strip() for row in rows) if named else {}
    again = [name for name, count in counts.items() if count > 1]
    if again:
        apart = [key for key in keys if key != named]
        where = f"{'for' if task else 'in'} {counts[again[0]]} {'models' if task else 'rows'}"
        values = {"model": again[0][:80], "where": where, "more": more(len(again))}
        remarks.append(Remark("again", str(path), values={**values, "columns": listed(apart)}))
    return remarks


def _images(
    path: Path, table: Table, rows: list[int], images: str | None, upstream: str, tasks: list[str]
) -> tuple[Any, dict[str, Any]]:
    """Numbers of test images, upstream and by downstream task."""
    if images is None:
        return None, {}
    if images in table.columns:
        counts = np.array([number_in(path, table, row, images)[0] for row in rows])
        if (counts[np.isfinite(counts)] < 1).any():
            raise UserError(f"{path}, column {images!r}: a number of test images is below 1")
        return None, dict.fromkeys(tasks, counts)
    named = {}
    for part in column_names(images):
        name, equals, count = part.rpartition("=")
        if not re.fullmatch(r"\s*\d+(\.0*)?\s*", count) or float(count) < 1:
            raise UserError(
                f"`images` {images!r}: {part!r} is neither a number of test images nor a column of the file"
                f"{suggest(images, table.columns)}"
            )
        if equals and name.strip() not in (upstream, *tasks):
            raise UserError(f"`images`: no task {name.strip()!r}{suggest(name.strip(), [upstream, *tasks])}")
        named[name.strip()] = float(count)
    every = named.get("")
    return named.get(upstream, every), {t: named.get(t, every) for t in tasks if named.get(t, every)}
