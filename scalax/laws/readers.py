"""Learning curves from files: CSV, JSON lines, Weights & Biases exports, and scalax's own records.

A file is read whole or rejected with one line that names the file, the row and the column. Numbers that
cannot be part of a curve (not positive, not finite) are left out, and the curve's notes say so.
"""

import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from scalax import metrics
from scalax.errors import UserError, suggest
from scalax.laws.curves import Curve
from scalax.records.table import cell_text, number, read_table

BENCHMARK_X, BENCHMARK_Y, BENCHMARK_SPLIT = "Seen Examples", "Loss", "Training"
BENCHMARK_BY = ("Domain", "Task", "Model")
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
    rows, lines, columns = read_table(path, "curves")
    x, y, by, split = _columns(path, columns, rows, x, y, tuple(by), split)
    series: dict[str, list] = {}
    if y not in columns:
        wide = [c for c in columns if c.endswith(f" - {y}")]
        for column in wide:
            series[column.removesuffix(f" - {y}")] = _points(path, rows, lines, x, column, split)
    else:
        everything = _points(path, rows, lines, x, y, split)
        for row, point in zip(rows, everything, strict=True):
            series.setdefault("/".join(cell_text(row, c) for c in by), []).append(point)
    curves = [_curve(path, name, points, x, y) for name, points in series.items()]
    curves = [curve for curve in curves if curve is not None]
    for curve in curves:
        if len(np.unique(curve.x[curve.fit])) < 2:
            where = next(
                line
                for row, line in zip(rows, lines, strict=True)
                if y not in columns or "/".join(cell_text(row, c) for c in by) in (curve.name, "")
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
        values = [number(path, row, line, column) for column in (x, y)]
        fit = True
        if split is not None:
            word = cell_text(row, split).strip().lower()
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
