"""Runs of several variables from files: x is products and quotients of columns."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scalax.errors import UserError
from scalax.laws.joint.runs import Runs
from scalax.laws.readers import columns, directions, numbers
from scalax.laws.readers.files import tables_of
from scalax.laws.readers.runs import Rows
from scalax.laws.readers.table import Table
from scalax.records.remark import Remark, listed, more

Factors = list[tuple[str | float, int]]  # columns or numbers, each with its power, 1 or -1

SIZES = re.compile(r"(n_|num_|total_)?(params|parameters|param_count|model_size|size|n)(_|$)")


def read_runs(
    paths: str | Path | Sequence[str | Path],
    x: Sequence[str],
    y: str | None = None,
    by: Sequence[str] | None = None,
    bound: float | None = None,
    decimal: str | None = None,
) -> tuple[Runs, tuple[Remark, ...]]:
    """Rows of all files together, and what was guessed and left out.

    - paths: files or directories that `read_curves` reads.
    - x: of each variable a column, or a product such as 'flops/6/params', or with a name for it
      'tokens=flops/6/params'.
    - y: column of the loss or error (None: guessed by name).
    - by: columns whose values name a run, () for none, where each row is a run (None: guessed by name).
    - bound: value that y tends to at best and never passes (None: 1 or 100 for accuracies, else 0).
    - decimal: '.' or ',' (None: as the numbers say).

    Raises UserError with file, row and column for what it cannot read or tell.
    """
    tables = tables_of([paths] if isinstance(paths, str | Path) else list(paths))
    parts, remarks = [], []
    for table in tables:
        part, said = _of_table(table, x, y, by, decimal)
        parts.append(part)
        remarks += said
    xs, ys, run, lines = (np.concatenate([part[i] for part in parts]) for i in range(4))
    label, source = parts[0][4], tables[0].source
    if not len(ys):
        raise UserError(f"{source}, column {label!r}: no row has positive, finite x and a finite y")
    places = np.arange(len(ys), dtype=float)
    scale, said = directions.scale_of(
        source, label, [Rows(places, ys, lines, np.full(len(ys), np.nan))], bound, False
    )
    distance = scale.distance(ys)
    good = distance > 1e-300
    if not good.all():
        remarks.append(_left_out(source, label, "y reaches the bound, or is not positive", lines[~good]))
    names = run[good] if len(np.unique(run)) > 1 else None
    called = tuple(_named(tables[0], text)[0] for text in x)
    runs = Runs(xs[good], distance[good], called, names, label, scale)
    return runs, (*remarks, *said)


def factors(table: Table, text: str) -> Factors:
    """Of 'A*B/6/C', each a column or a number; a column's name may hold these marks too.

    Raises UserError for a part that is neither.
    """
    found = _factors(table, text.strip())
    if found is None:
        part = next(
            (
                p
                for p in map(str.strip, re.split(r"[*/]", text))
                if not _is_number(p) and p not in table.columns
            ),
            text,
        )
        columns.known(table, [part])
    return found or []


def _factors(table: Table, text: str) -> Factors | None:
    if text in table.columns:
        return [(text, 1)]
    if _is_number(text):
        return [(float(text), 1)]
    for mark in reversed(list(re.finditer(r"[*/]", text))):
        last = text[mark.end() :].strip()
        if last not in table.columns and not _is_number(last):
            continue
        first = _factors(table, text[: mark.start()].strip())
        if first is not None:
            own = last if last in table.columns else float(last)
            return [*first, (own, 1 if mark[0] == "*" else -1)]
    return None


def _named(table: Table, text: str) -> tuple[str, str]:
    """(name, product) of 'name=product', or of a product alone."""
    name, mark, product = text.partition("=")
    if text in table.columns or not mark:
        return text.strip(), text.strip()
    return name.strip(), product.strip()


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\d+\.?\d*(?:[eE][+-]?\d+)?", text)) and float(text) > 0


def _of_table(
    table: Table, x: Sequence[str], y: str | None, by: Sequence[str] | None, decimal: str | None
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, str], list[Remark]]:
    """x [n, v], y [n], run [n], the row in the file [n], and the name of y."""
    parsed = [factors(table, _named(table, text)[1]) for text in x]
    used = [name for own in parsed for name, _ in own if isinstance(name, str)]
    if not used:
        raise UserError(f"`x` {','.join(x)!r}: names no column of {table.source}")
    free = table._replace(columns={k: v for k, v in table.columns.items() if k == used[0] or k not in used})
    chosen = columns.choose(free, used[0], y, by, None)
    label = chosen.y[0]
    remarks = [] if y is not None and by is not None else list(chosen.remarks)
    mark, kind = (decimal, "") if decimal else numbers.decimal_of(table, [*used, label])
    if mark not in (".", ","):
        raise UserError(f"`decimal` must be '.' or ',', got {mark!r}")
    remarks += [Remark(kind, table.source)] if kind else []
    values = {name: numbers.numbers(table, name, mark).values for name in dict.fromkeys([*used, label])}
    with np.errstate(all="ignore"):
        xs = np.column_stack(
            [
                np.prod([np.asarray(values[f] if isinstance(f, str) else f, float) ** float(power)
                         * np.ones(len(table.lines))
                         for f, power in own], axis=0)
                for own in parsed
            ]
        )  # fmt: skip
    ys = values[label]
    usable, lines = (np.isfinite(xs) & (xs > 0)).all(1) & np.isfinite(ys), np.array(table.lines)
    if not usable.all():
        what = "x is not positive and finite, or y is no number"
        remarks.append(_left_out(table.source, label, what, lines[~usable]))
    rows = zip(*(table.columns[c] for c in chosen.by), strict=True) if chosen.by else ()
    own = ["/".join(str(cell).strip() for cell in row) for row in rows]
    run = np.array(own or [f"{table.source}:{line}" for line in table.lines], object)
    if chosen.by and table.run:
        run = np.array([f"{table.run}/{name}" for name in run], object)
    return (xs[usable], ys[usable], run[usable].astype(str), lines[usable], label), remarks


def _left_out(source: str, column: str, what: str, lines: np.ndarray) -> Remark:
    values = {"row": int(lines[0]), "column": column, "what": what, "more": more(len(lines))}
    return Remark("left_out_rows", source, values=values)


def guess_size_and_data(path: str | Path, factor: float) -> tuple[str, str]:
    """The two variables of an allocation, by the names of a file's columns: parameters, and tokens or
    examples, or else FLOPs over `factor` and parameters.

    Raises UserError where names do not tell.
    """
    table = tables_of([path])[0]
    numeric = [name for name, cells in table.columns.items() if numbers.is_numeric(cells)]
    size = next((name for name in numeric if SIZES.match(columns.plain(name))), None)
    kinds = {kind: name for name in reversed(numeric) if (kind := _kind(name))}
    data = kinds.get("tokens") or kinds.get("examples")
    if size and data:
        return f"size={size}", f"data={data}"
    if size and "flops" in kinds:
        return f"size={size}", f"data={kinds['flops']}/{factor:g}/{size}"
    raise UserError(
        f"{table.source}, row 1: columns' names do not tell size and data apart; name both in `x`, e.g."
        f" params,tokens; the file has {listed(list(table.columns))}"
    )


def _kind(name: str) -> str:
    """'flops' of 'Training FLOP' too."""
    return columns.x_kind(name) or ("flops" if columns.words(name) & {"flop", "flops"} else "")
