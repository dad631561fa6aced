"""Learning curves from files: CSV, JSON lines, Weights & Biases exports, and scalax's own records.

A file is read whole or rejected with one line that names the file, the row and the column. Numbers that
cannot be part of a curve (not positive, not finite) are left out, and the curve's notes say so.
"""

import csv
import io
import json
import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from scalax import metrics
from scalax.errors import UserError, suggest
from scalax.laws.curves import Curve

BENCHMARK_X, BENCHMARK_Y, BENCHMARK_SPLIT = "Seen Examples", "Loss", "Training"
BENCHMARK_BY = ("Domain", "Task", "Model")
LARGEST_CELL = 10_000  # characters; a longer one is not a number or a name
TRUE, FALSE = {"1", "1.0", "true", "fit", "train"}, {"0", "0.0", "false", "held out", "test"}


def read_curves(
    path: str | Path,
    x: str | None = None,
    y: str | None = None,
    by: Sequence[str] = (),
    split: str | None = None,
) -> list[Curve]:
    """Curves of one file, in order of first appearance.

    - path: a CSV or JSONL file.
    - x, y: columns.
    - by: columns whose values name a curve.
    - split: column that says which rows are to fit (1) and which are held out (0).

    With no column given, the benchmark's columns, scalax's `metrics.jsonl`
    (flops against val_error, by run) and plain `x,y[,fit]` are recognised. In a Weights & Biases export,
    y names the metric and every column 'RUN - METRIC' is a curve. A column of accuracies (its name has
    'acc', its values lie in 0..1 or 0..100 and rise) is turned into errors, and noted.
    Raises UserError with file, row and column for what it cannot read.
    """
    path = Path(path)
    rows, lines, columns = _table(path)
    x, y, by, split = _columns(path, columns, rows, x, y, tuple(by), split)
    series: dict[str, list] = {}
    if y not in columns:
        wide = [c for c in columns if c.endswith(f" - {y}")]
        for column in wide:
            series[column.removesuffix(f" - {y}")] = _points(path, rows, lines, x, column, split)
    else:
        everything = _points(path, rows, lines, x, y, split)
        for row, point in zip(rows, everything, strict=True):
            series.setdefault("/".join(_cell(row, c) for c in by), []).append(point)
    curves = [_curve(path, name, points, x, y) for name, points in series.items()]
    curves = [curve for curve in curves if curve is not None]
    for curve in curves:
        if len(np.unique(curve.x[curve.fit])) < 2:
            where = next(
                line
                for row, line in zip(rows, lines, strict=True)
                if y not in columns or "/".join(_cell(row, c) for c in by) in (curve.name, "")
            )
            raise UserError(
                f"{path}, row {where}, column {y!r}: curve {curve.name[:60]!r} has fewer than two usable rows"
                " to fit with different x; add rows or remove it"
            )
    if not curves:
        raise UserError(f"{path}: column {y!r} has no row with a positive, finite x and y")
    return curves


def example_curves() -> list[Curve]:
    """Three public learning curves that come with the package: few-shot error against images seen."""
    with resources.as_file(resources.files("scalax.laws").joinpath("example_curves.csv")) as path:
        return read_curves(path)


def _table(path: Path) -> tuple[list[dict], list[int], list[str]]:
    """Rows as dicts, the line number of each, and the columns."""
    try:
        raw = path.read_bytes()
    except OSError as e:
        raise UserError(f"{path}: {e.strerror or e}; give a file of curves") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = raw[: e.start].count(b"\n") + 1
        raise UserError(
            f"{path}, row {line}, column 1: not text in UTF-8; give a CSV or JSONL file"
        ) from None
    if "\0" in text:
        raise UserError(
            f"{path}, row {text[: text.index(chr(0))].count(chr(10)) + 1}, column 1: holds a null byte; give"
            " a CSV or JSONL file"
        )
    if not text.strip():
        raise UserError(f"{path}, row 1, column 1: the file is empty")
    return _json_lines(path, text) if text.lstrip()[0] in "{[" else _csv(path, text)


def _csv(path: Path, text: str):
    head = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, lines, columns = [], [], []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = [cell.strip() for cell in cells]
                if len(set(columns)) < len(columns):
                    twice = next(c for c in columns if columns.count(c) > 1)
                    raise UserError(
                        f"{path}, row {reader.line_num}: column {twice!r} occurs twice; rename one"
                    )
                continue
            if len(cells) != len(columns):
                at = min(len(cells), len(columns))
                raise UserError(
                    f"{path}, row {reader.line_num}, column {at + 1}: the row has {len(cells)} cells where"
                    f" the header has {len(columns)}; complete or remove it"
                )
            rows.append(dict(zip(columns, cells, strict=True)))
            lines.append(reader.line_num)
    except csv.Error as e:
        raise UserError(
            f"{path}, row {reader.line_num}, column 1: {e}; check quotes and delimiters"
        ) from None
    if not rows:
        raise UserError(f"{path}, row 1, column 1: no row follows the header")
    return rows, lines, columns


def _json_lines(path: Path, text: str):
    rows, lines, columns = [], [], {}
    whole = text.split("\n")
    for number, line in enumerate(whole, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError, ValueError) as e:
            if number == len(whole) and rows:
                break  # a killed run tears its last line
            at = getattr(e, "colno", 1)
            raise UserError(
                f"{path}, row {number}, column {at}: not a JSON object; repair or remove it"
            ) from None
        if not isinstance(row, dict):
            raise UserError(
                f"{path}, row {number}, column 1: want a JSON object per line, got {type(row).__name__}"
            )
        rows.append(row)
        lines.append(number)
        columns.update(dict.fromkeys(row))
    if not rows:
        raise UserError(f"{path}, row 1, column 1: no complete JSON object")
    return rows, lines, list(columns)


def _columns(path, columns, rows, x, y, by, split):
    """The columns to use: those asked for, else those of a known kind of file."""
    if x is None and y is None:
        if {*BENCHMARK_BY, BENCHMARK_X, BENCHMARK_Y} <= set(columns):
            x, y, by = BENCHMARK_X, BENCHMARK_Y, by or BENCHMARK_BY
            split = split or (BENCHMARK_SPLIT if BENCHMARK_SPLIT in columns else None)
        elif {"run", "step", "flops"} <= set(columns):
            x, y, by = "flops", next(iter(metrics.compared(columns)), "val_error"), by or ("run",)
        elif {"x", "y"} <= set(columns):
            x, y, split = "x", "y", split or ("fit" if "fit" in columns else None)
    for name in (x, y, *by, *([split] if split else [])):
        if name is not None and name not in columns and not _is_wide(name, y, columns):
            raise UserError(
                f"{path}, row 1: no column {name!r}{suggest(name, [c[:40] for c in columns[:50]])}"
            )
    if x is None or y is None:
        missing = " and ".join(f"`{name}`" for name, column in (("x", x), ("y", y)) if column is None)
        shown = ", ".join(repr(c[:30]) for c in columns[:8])
        raise UserError(f"{path}, row 1: say which columns to use by {missing}; the file has {shown}")
    return x, y, by, split


def _is_wide(name, y, columns) -> bool:
    """Whether `name` is the metric of a Weights & Biases export, with a column for each run."""
    return name == y and any(c.endswith(f" - {y}") for c in columns)


def _points(path, rows, lines, x, y, split) -> list[tuple]:
    """(x, y, to fit, note) of every row; x is None where a cell is empty."""
    found = []
    for row, line in zip(rows, lines, strict=True):
        values = [_number(path, row, line, column) for column in (x, y)]
        fit = True
        if split is not None:
            word = _cell(row, split).strip().lower()
            if word not in TRUE | FALSE:
                raise UserError(
                    f"{path}, row {line}, column {split!r}: {word[:30]!r} is neither 1 (fit) nor 0 (held out)"
                )
            fit = word in TRUE
        note = ""
        for column, value in zip((x, y), values, strict=True):
            if value is not None and not (math.isfinite(value) and 1e-300 < value < 1e300):
                note = f"row {line}, column {column!r}: {value:g} is not positive and finite"
            elif value is None:
                note = f"row {line}, column {column!r} is empty"
        found.append((*values, fit, note))
    return found


def _number(path, row, line, column) -> float | None:
    cell = row.get(column)
    if isinstance(cell, bool | list | dict):
        raise UserError(f"{path}, row {line}, column {column!r}: want a number, got {type(cell).__name__}")
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    if isinstance(cell, str) and len(cell) > LARGEST_CELL:
        raise UserError(
            f"{path}, row {line}, column {column!r}: a cell of {len(cell):,} characters is no number"
        )
    try:
        if isinstance(cell, str) and "_" in cell:
            raise ValueError
        return float(cell)
    except OverflowError:
        return math.inf
    except ValueError:
        raise UserError(
            f"{path}, row {line}, column {column!r}: {str(cell)[:30]!r} is not a number"
        ) from None


def _cell(row, column) -> str:
    value = row.get(column, "")
    return ("" if value is None else str(value))[:200]


def _curve(path, name, points, x, y) -> Curve | None:
    bad = [note for *_, note in points if note]
    good = [point for point in points if not point[3]]
    notes = []
    if bad:
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        notes.append(f"{path}, {bad[0]}; left out{more}")
    if not good:
        return None
    xs, ys, fit = (np.array(v) for v in list(zip(*good, strict=True))[:3])
    if "acc" in y.lower() and len(ys) > 2:
        top = 1.0 if ys.max() <= 1 else 100.0
        rising = np.polyfit(np.log(xs), ys, 1)[0] > 0 if np.ptp(xs) > 0 else False
        if ys.max() <= top and rising:
            notes.append(f"column {y!r} holds accuracies; they are used as errors, {top:g} - y")
            ys, y = top - ys, f"{top:g} - {y}"
    return Curve(xs, ys, name or Path(path).stem, fit.astype(bool), tuple(notes), (x, y))
