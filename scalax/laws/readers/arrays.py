"""Data in memory as tables: pairs, arrays, mappings, data frames."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scalax.errors import UserError
from scalax.laws.curves import Curve
from scalax.laws.readers.table import Table, flat, of_rows

PAIR = "a pair (x, y)"


def items(data: Any, name: str = "") -> Iterator[Table | Curve]:
    """The curves and tables that some data hold. Raises UserError for what is neither."""
    if isinstance(data, Curve):
        yield data
    elif hasattr(data, "columns") and hasattr(data, "to_dict"):  # a data frame; pandas is not imported here
        columns = {str(column): list(cells) for column, cells in data.to_dict("list").items()}
        yield _table(columns, name, "a data frame")
    elif isinstance(data, np.ndarray) and data.dtype.names:
        yield _table({n: data[n].tolist() for n in data.dtype.names}, name, "a structured array")
    elif _is_pair(data):
        x, y = (np.asarray(part, float) for part in data)
        if x.shape != y.shape:
            raise UserError(
                f"curve {name!r}: x and y must have one row each a point, got {x.shape}, {y.shape}"
            )
        yield _table({"x": x.tolist(), "y": y.tolist()}, name, PAIR)
    elif isinstance(data, np.ndarray) and data.ndim == 2 and data.shape[1] == 2:
        yield _table({"x": data[:, 0].tolist(), "y": data[:, 1].tolist()}, name, PAIR)
    elif isinstance(data, Mapping):
        if data and all(_is_pair(value) for value in data.values()):
            for key, value in data.items():
                yield from items(value, str(key))
        else:
            columns = {str(key): np.asarray(cells).ravel().tolist() for key, cells in data.items()}
            if len({len(cells) for cells in columns.values()}) > 1:
                lengths = {key: len(cells) for key, cells in columns.items()}
                raise UserError(f"columns of one table must be of one length, got {lengths}")
            yield _table(columns, name, "columns")
    elif isinstance(data, list | tuple) and data and all(isinstance(row, Mapping) for row in data):
        yield _table(of_rows(map(flat, data)), name, "rows")
    elif isinstance(data, list | tuple):
        for place, item in enumerate(data):
            yield from items(item, f"{name or 'curve'} {place}")
    else:
        raise UserError(
            f"cannot make curves of {type(data).__name__}; give pairs (x, y), arrays [n, 2], or a table"
        )


def _table(columns: dict[str, list], name: str, kind: str) -> Table:
    rows = max(map(len, columns.values()), default=0)
    if not rows:
        raise UserError(f"{name or kind}: has no rows")
    clean = {
        column: [None if isinstance(cell, float) and np.isnan(cell) else cell for cell in cells]
        for column, cells in columns.items()
    }
    return Table(name or kind, clean, list(range(1, rows + 1)), run=name, format=kind)


def _is_pair(data: Any) -> bool:
    """Whether it is x and y: two sequences of numbers, and no array [2, 2], which could be either."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        return False
    try:
        return all(np.asarray(part, float).ndim == 1 and np.asarray(part).size > 0 for part in data)
    except (TypeError, ValueError):
        return False
