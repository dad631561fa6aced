"""One JSON document: a list of rows, lists by column, a Hugging Face trainer's state, TensorBoard's or
MLflow's answers."""

import re
from pathlib import Path
from typing import Any

from scalax import untrusted
from scalax.errors import UserError
from scalax.laws.readers.table import Table, flat, of_rows

TENSORBOARD = ("Wall time", "Step", "Value")  # of a row of three numbers, as in its CSV


def is_json_document(text: str) -> bool:
    """Whether the text begins as one."""
    return bool(re.match(r"\s*(?:\{\s*[\"}]|\[\s*[\[{\]])", text))


def read(path: Path, text: str) -> list[Table]:
    """The one table of a document. Raises UserError where it is none, or holds no table."""
    try:
        document = untrusted.parse_json(text, strict=False)
    except untrusted.NotJSON as e:
        raise UserError(f"{path}, row {e.line}, column {e.column}: not JSON; repair or remove it") from None
    except untrusted.RepeatedKey as e:
        raise UserError(f"{path}: {e}; rename or remove one") from None
    except ValueError as e:
        raise UserError(f"{path}, row 1, column 1: {e}; give a file of curves") from None
    columns, kind = _columns(document)
    length = max(map(len, columns.values()), default=0)
    if not length:
        raise UserError(f"{path}, row 1, column 1: no table in this JSON document; want a list of objects")
    return [Table(str(path), columns, list(range(1, length + 1)), format=kind)]


def _columns(document: Any) -> tuple[dict[str, list], str]:
    """Columns, and what the document is in words; none where it holds no table."""
    if isinstance(document, list):
        if document and all(isinstance(row, dict) for row in document):
            return of_rows(map(flat, document)), "a JSON list"
        if document and all(isinstance(row, list) and len(row) == 3 for row in document):
            return dict(zip(TENSORBOARD, map(list, zip(*document, strict=True)), strict=True)), (
                "a TensorBoard export"
            )
        return {}, ""
    if not isinstance(document, dict):
        return {}, ""
    if isinstance(document.get("log_history"), list):
        return _columns(document["log_history"])[0], "a Hugging Face trainer's state"
    if isinstance(document.get("columns"), list) and isinstance(document.get("data"), list):
        names = [str(name) for name in document["columns"]]
        if all(isinstance(row, list) and len(row) == len(names) for row in document["data"]):
            cells = zip(*document["data"], strict=True)
            return dict(zip(names, map(list, cells), strict=False)), "JSON columns and data"
    lists = {str(name): cells for name, cells in document.items() if isinstance(cells, list)}
    if lists and len({len(cells) for cells in lists.values()}) == 1:
        rows = next(iter(lists.values()))
        if len(lists) == 1 and rows and all(isinstance(row, dict) for row in rows):
            return _columns(rows)[0], "a JSON list"
        if rows and not any(isinstance(cell, list | dict) for cells in lists.values() for cell in cells):
            return lists, "JSON lists by column"
    by_index = [cells for cells in document.values() if isinstance(cells, dict)]
    if by_index and len(by_index) == len(document):
        index = list(dict.fromkeys(key for cells in by_index for key in cells))
        if all(key.lstrip("-").isdigit() for key in index):
            return {
                name: [cells.get(key) for key in index] for name, cells in document.items()
            }, "JSON columns by index"
    row = flat(document)
    return ({name: [cell] for name, cell in row.items()}, "JSON lines") if row else ({}, "")
