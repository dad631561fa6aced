"""From files, arrays or data frames to learning curves."""

import math
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.laws.curves import Curve, Scale
from scalax.laws.readers import arrays, columns, directions, numbers, runs
from scalax.laws.readers.files import tables_of
from scalax.laws.readers.shapes import usual
from scalax.laws.readers.table import Table
from scalax.records.remark import Remark, more

TRUE, FALSE = {"1", "1.0", "true", "fit", "train"}, {"0", "0.0", "false", "held out", "test"}
LEAST_SPAN, NARROW = 0.01, 0.1  # of the largest x: less is refused, and remarked


class Curves(list[Curve]):
    """Curves in order of first appearance; `remarks` say what was guessed and left out."""

    def __init__(self, curves: Iterable[Curve] = (), remarks: Sequence[Remark] = ()):
        super().__init__(curves)
        self.remarks = tuple(remarks)


class Asked(NamedTuple):
    """What the user said of the rows; see `read_curves`."""

    x: str | None = None
    y: str | Sequence[str] | None = None
    by: Sequence[str] | None = None
    split: str | None = None
    bound: float | None = None
    decimal: str | None = None
    repeats: bool = False
    least: int = 2
    lr: str | None = None


class Found(NamedTuple):
    """One curve of a table before it is named: rows with both numbers, and which of them are to fit."""

    table: Table
    key: tuple[str, ...]
    by: tuple[str, ...]
    labels: tuple[str, str]
    rows: runs.Rows
    fit: np.ndarray
    per_cent: bool
    notes: tuple[Remark, ...]
    order: int = 0  # of the runs told apart by the order of rows, from 1; 0 where there is one


def read_curves(
    paths: str | Path | Sequence[str | Path],
    x: str | None = None,
    y: str | Sequence[str] | None = None,
    by: Sequence[str] | None = None,
    split: str | None = None,
    bound: float | None = None,
    decimal: str | None = None,
    repeats: bool = False,
    least: int = 2,
    lr: str | None = None,
    progress: Callable[[int], object] | None = None,
) -> Curves:
    """Curves of files, in order of first appearance.

    - paths: files or directories, of any format in `formats.FORMATS` or TensorBoard's events.
    - x: column, or one changed by a number, e.g. 'epoch+1', 'time-1700000000', 'step*524288'.
    - y: column, or several, each a curve of its own: names, 'a,b', '*' (all that are metrics) or 'val_*'.
    - by: columns whose values name a curve, () for none.
    - split: column that says which rows are to fit (1) and which are held out (0).
    - bound: value that y tends to at best and never passes (None: 1 or 100 for accuracies, else 0). Laws are
      fitted to the distance from it, `Curve.scale` leads back.
    - decimal: '.' or ',' (None: as the numbers say).
    - repeats: rows that share an x are repeats of one curve, whatever their order.
    - least: rows of different x that a curve needs; one with fewer is left out, with a remark.
    - lr: column of the learning rate.
    - progress: called with the number of paths just read.

    Columns that are None are guessed by name, and `Curves.remarks` say how.
    Raises UserError with file, row and column for what it cannot read or tell.
    """
    listed = [paths] if isinstance(paths, str | Path) else list(paths)
    return _curves(tables_of(listed, progress), Asked(x, y, by, split, bound, decimal, repeats, least, lr))


def as_curves(
    data: Any,
    x: str | None = None,
    y: str | Sequence[str] | None = None,
    by: Sequence[str] | None = None,
    split: str | None = None,
    bound: float | None = None,
    repeats: bool = False,
) -> Curves:
    """Curves of data in memory, by the rules of `read_curves`.

    data: curves; a pair (x, y), or an array [n, 2]; a mapping of names to pairs; a table, which is a data
    frame (of pandas, or any with `columns` and `to_dict("list")`), a mapping of columns' names to lists, or a
    list of rows as mappings; or a list of any of these.

    >>> [curve] = as_curves(([1, 2, 4], [3.0, 2.0, 1.5]))
    >>> [each.name for each in as_curves({"a": ([1, 2, 4], [3, 2, 1]), "b": ([1, 2, 4], [4, 3, 2])})]
    ['a', 'b']
    """
    found = Curves()
    for item in arrays.items(data):
        if isinstance(item, Curve):
            found.append(item)
            continue
        asked = Asked(x, y, by, split, bound, None, repeats)
        if {"x", "y"} == set(item.columns) and item.format == arrays.PAIR:
            asked = asked._replace(x="x", y="y", by=(), split=None)
        made = _curves([item], asked)
        found.extend(made)
        found.remarks += made.remarks
    return found


def example_curves() -> Curves:
    """Three public learning curves that come with the package: few-shot error against images seen."""
    with resources.as_file(resources.files("scalax.laws").joinpath("example_curves.csv")) as path:
        return read_curves(path)


def _curves(tables: Sequence[Table], asked: Asked) -> Curves:
    remarks: list[Remark] = []
    found: list[Found] = []
    for table in tables:
        remarks += table.remarks
        name = asked.y if isinstance(asked.y, str) else None
        own, said = _of_table(usual(table, name), asked)
        found += own
        remarks += said
    scales = _scales(found, asked, remarks)
    curves: list[Curve] = []
    short: list[Remark] = []
    for name, each in zip(_names(found, several=len(tables) > 1), found, strict=True):
        curve = _curve(name, each, scales[each.labels[1]])
        rows = len(np.unique(curve.x[curve.fit]))
        if rows < asked.least:
            values = {"run": name[:200], "rows": rows, "least": asked.least}
            short.append(Remark("left_out_run", each.table.source, name, values))
        else:
            curves.append(_with_span_judged(curve, each))
    if not curves:
        raise UserError(_nothing(found, short, asked.least))
    return Curves(curves, _once([*remarks, *short]))


def _of_table(table: Table, asked: Asked) -> tuple[list[Found], list[Remark]]:
    """The curves of one table, and what was guessed and left out of it."""
    chosen = columns.choose(table, asked.x, asked.y, asked.by, asked.split)
    used = [chosen.x, *chosen.y]
    decimal, kind = (asked.decimal, "") if asked.decimal else numbers.decimal_of(table, used)
    if decimal not in (".", ","):
        raise UserError(f"`decimal` must be '.' or ',', got {decimal!r}")
    remarks = [*chosen.remarks, *([Remark(kind, table.source)] if kind else [])]
    xs = numbers.numbers(table, chosen.x, decimal)
    values, said = _changed(table, chosen, xs.values)
    remarks += said
    fit = _split(table, chosen.split)
    if chosen.split is not None and asked.split is None:
        counts = {"column": chosen.split, "fit": int(fit.sum()), "rows": len(fit)}
        remarks.append(Remark("held_out", table.source, values=counts))
    lr = np.full(len(table.lines), np.nan)
    if asked.lr is not None:
        columns.known(table, [asked.lr])
        if asked.lr in used:
            raise UserError(
                f"{table.source}: `lr` {asked.lr!r} is the column of x or y; name that of the rate"
            )
        lr = numbers.numbers(table, asked.lr, decimal).values
    keys = [tuple(map(_word, row)) for row in zip(*(table.columns[c] for c in chosen.by), strict=True)]
    groups: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(keys or [()] * len(table.lines)):
        groups.setdefault(key, []).append(row)
    found: list[Found] = []
    for y in chosen.y:
        ys = numbers.numbers(table, y, decimal)
        per_cent = ys.per_cent
        for key, rows in groups.items():
            at = np.array(rows, int)
            lr[at] = _filled(values[at], lr[at])
            usable = np.isfinite(values[at]) & np.isfinite(ys.values[at]) & (values[at] > 0)
            usable &= (np.abs(ys.values[at]) < 1e300) & (values[at] > 1e-300) & (values[at] < 1e300)
            notes = _left_out(table, at[~usable], (chosen.x, values, xs.empty), (y, ys.values, ys.empty))
            kept = at[usable]
            own = runs.Rows(values[kept], ys.values[kept], np.array(table.lines, int)[kept], lr[kept])
            label = _label(chosen)
            full = (*key, y) if len(chosen.y) > 1 else key
            by = (*chosen.by, "y") if len(chosen.y) > 1 else chosen.by
            apart, said = runs.told_apart(
                own, table.source, "/".join(full) or table.run, asked.repeats or chosen.split is not None
            )
            for order, part in enumerate(apart, start=1):
                rows_of = runs.Rows(*(v[part] for v in own))
                order = order if len(apart) > 1 else 0
                one = Found(
                    table, full, by, (label, y), rows_of, fit[kept][part], per_cent, (*notes, *said), order
                )
                found.append(one)
    return found, remarks


def _filled(x: np.ndarray, lr: np.ndarray) -> np.ndarray:
    """Learning rates of a run's rows [n]; those that lack one, as rows of a validation often do, have that
    of their neighbours in x."""
    known = np.isfinite(x) & np.isfinite(lr)
    if not known.any():
        return lr
    order = np.argsort(x[known], kind="stable")
    return np.where(np.isfinite(lr), lr, np.interp(x, x[known][order], lr[known][order]))


def _word(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _label(chosen: columns.Columns) -> str:
    return chosen.x if chosen.change is None else f"{chosen.x} {chosen.change[0]} {chosen.change[1]:g}"


def _changed(table: Table, chosen: columns.Columns, x: np.ndarray) -> tuple[np.ndarray, list[Remark]]:
    """x changed as asked; epochs that are counted from 0, as the epochs done."""
    if chosen.change:
        sign, number = chosen.change
        made = {"+": x + number, "-": x - number, "*": x * number, "/": x / (number or 1.0)}[sign]
        return made, []
    known = x[np.isfinite(x)]
    counted = 0 == known.min(initial=1) < known.max(initial=0) and not (known % 1).any()
    if columns.x_kind(chosen.x) == "epoch" and counted:
        return x + 1, [Remark("epochs_from_zero", table.source, values={"column": chosen.x})]
    return x, []


def _split(table: Table, column: str | None) -> np.ndarray:
    """Which rows are to fit, [n] bool."""
    if column is None:
        return np.ones(len(table.lines), bool)
    cells = [_word(cell).lower() for cell in table.columns[column]]
    for line, cell in zip(table.lines, cells, strict=True):
        if cell not in TRUE | FALSE:
            raise UserError(
                f"{table.source}, row {line}, column {column!r}: {cell[:30]!r} is neither 1 (fit) nor 0 (held"
                " out)"
            )
    return np.array([cell in TRUE for cell in cells], bool)


def _left_out(table: Table, rows: np.ndarray, *of: tuple[str, np.ndarray, np.ndarray]) -> list[Remark]:
    """The first of the rows without two usable numbers, and how many there are."""
    if not len(rows):
        return []
    row = rows[0]
    for column, values, empty in of:
        value = values[row]
        if empty[row]:
            what = "is empty"
        elif not (math.isfinite(value) and 1e-300 < abs(value) < 1e300) or (
            column == of[0][0] and value <= 0
        ):
            what = f"{value:g} is {_why(float(value))}"
        else:
            continue
        values_of = {"row": table.lines[row], "column": column, "what": what, "more": more(len(rows))}
        return [Remark("left_out_rows", table.source, values=values_of)]
    return []


def _why(value: float) -> str:
    """What is wrong with a number that no law is fitted to."""
    if not (math.isfinite(value) and value > 0):
        return "not positive and finite"
    return "too large to fit" if value >= 1e300 else "too small to fit"


def _scales(found: Sequence[Found], asked: Asked, remarks: list[Remark]) -> dict[str, Scale]:
    """The scale of each column of y, one over all files. Raises UserError where files disagree."""
    scales: dict[str, Scale] = {}
    for y in dict.fromkeys(each.labels[1] for each in found):
        own: dict[str, list[Found]] = {}
        for each in found:
            if each.labels[1] == y and len(each.rows.x):
                own.setdefault(each.table.source, []).append(each)
        scales[y] = Scale()
        for place, (source, curves) in enumerate(own.items()):
            rows, per_cent = [each.rows for each in curves], any(each.per_cent for each in curves)
            scale, said = directions.scale_of(source, _metric(y, source), rows, asked.bound, per_cent)
            if place and scale != scales[y]:
                raise UserError(
                    f"{source}, column {y!r}: {scale.bound:g} would be its bound, and {scales[y].bound:g}"
                    f" that of {next(iter(own))}; give one `bound` for both, or read them apart"
                )
            scales[y] = scale
            remarks += said
        if asked.bound is not None and own:
            every = [each.rows for curves in own.values() for each in curves]
            directions.check_bound(next(iter(own)), y, every, scales[y])
    return scales


def _metric(column: str, source: str) -> str:
    """What says which metric a column holds: its name, or the file's, as TensorBoard's tables have it."""
    told_by_file = column in ("Value", "value") and columns.y_kind(Path(source).stem)
    return Path(source).stem if told_by_file else column


def _names(found: Sequence[Found], several: bool) -> list[str]:
    """A name of its own for each curve, from its whole key; the file's name where keys do not tell."""
    plain = ["/".join(filter(None, each.key)) for each in found]
    spelt = [", ".join(f"{c}={v}" for c, v in zip(e.by, e.key, strict=True)) for e in found]
    keys: dict[str, set] = {}
    for name, each in zip(plain, found, strict=True):
        keys.setdefault(name, set()).add(each.key)
    names = [s if len(keys[p]) > 1 else p for p, s in zip(plain, spelt, strict=True)]
    owners: dict[str, set] = {}
    for name, each in zip(names, found, strict=True):
        owners.setdefault(name, set()).add(each.table.source)
    out = []
    for name, each in zip(names, found, strict=True):
        if not name or (several and len(owners[name]) > 1):
            name = f"{each.table.run}/{name}" if name else each.table.run
        out.append(f"{name} (run {each.order})" if each.order else name)
    counts: dict[str, int] = {}
    for i, name in enumerate(out):
        counts[name] = counts.get(name, 0) + 1
        if counts[name] > 1:
            out[i] = f"{name} #{counts[name]}"
    return out


def _curve(name: str, found: Found, scale: Scale) -> Curve:
    """The curve in distances; rows without one are left out and noted."""
    x, y, lines, lr = found.rows
    distance = scale.distance(y)
    notes = [str(note) for note in found.notes]
    good = distance > 1e-300
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        what = f"{y[row]:g} " + ("reaches the bound" if scale.bound else f"is {_why(y[row])}")
        values = {
            "row": lines[row],
            "column": found.labels[1],
            "what": what,
            "more": more(int((~good).sum())),
        }
        notes.append(str(Remark("left_out_rows", found.table.source, name, values)))
    notes_of, key = tuple(notes), dict(zip(found.by, found.key, strict=True))
    return Curve(x[good], distance[good], name, found.fit[good], notes_of, found.labels, scale, key, lr[good])


def _with_span_judged(curve: Curve, found: Found) -> Curve:
    """The curve, with a note where x changes little beside its size, as years do. Raises UserError where it
    hardly does, as seconds since 1970."""
    x, column = np.unique(curve.x), found.labels[0]
    if len(x) < 2:
        return curve
    begin, share = 2 * x[0] - x[1], np.ptp(x) / x[-1]
    if share >= NARROW:
        return curve
    if share >= LEAST_SPAN:
        values = {"share": share, "column": column, "begin": begin}
        curve.notes += (str(Remark("narrow", found.table.source, curve.name, values)),)
        return curve
    raise UserError(
        f"{found.table.source}, column {column!r}: x spans {share:.2g} of itself ({x[0]:.15g} to"
        f" {x[-1]:.15g}), and laws need a begin; subtract where training began, e.g."
        f" `x`='{column}-{begin:.15g}'"
    )


def _nothing(found: Sequence[Found], short: Sequence[Remark], least: int) -> str:
    """Why no curve is left."""
    first = found[0] if found else None
    if first is None:
        return "no curve found; give a file with some rows"
    longest = max(found, key=lambda each: len(each.rows.x))
    where = f"{longest.table.source}, column {longest.labels[1]!r}"
    if not len(longest.rows.x):
        why = (
            f" ({longest.notes[0].values['what']} in row {longest.notes[0].values['row']})"
            if longest.notes
            else ""
        )
        return f"{where}: no row has a positive, finite x and a finite y{why}"
    most = max(remark.values["rows"] for remark in short)
    return (
        f"{where}: no curve has {least} usable rows to fit with different x, the longest has {most}; add rows"
    )


def _once(remarks: Sequence[Remark]) -> list[Remark]:
    """What is said of several files in the same words, of the first only."""
    seen, out = set(), []
    for remark in remarks:
        own = (remark.kind, remark.curve, str(sorted(remark.values.items(), key=str)))
        if remark.kind not in ("guessed", "epochs_from_zero", "bounded", "decimal_comma", "thousands") or (
            own not in seen
        ):
            out.append(remark)
        seen.add(own)
    return out
