"""A JSON object a line, as most trainers write: nanochat, detectron2, mmengine, scalax itself."""

import json
from pathlib import Path

from scalax.errors import UserError
from scalax.laws.readers.table import Remark, Table, flat, of_rows

NAME = "JSON lines"


def is_json_lines(text: str) -> bool:
    """Whether the first line is a whole JSON object, and others follow."""
    line, _, others = text.lstrip().partition("\n")
    if not line.startswith("{") or not others.strip():
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def read(path: Path, text: str) -> list[Table]:
    """The one table; objects within objects become 'outer/inner'. Raises UserError with row and column."""
    rows, lines, remarks = [], [], []
    whole = text.split("\n")
    for number, line in enumerate(whole, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as e:
            if number == len(whole) and rows:  # a killed run tears its last line
                remarks.append(Remark("torn", str(path), values={"row": number}))
                break
            at = getattr(e, "colno", 1)
            raise UserError(
                f"{path}, row {number}, column {at}: not a JSON object; repair or remove it"
            ) from None
        if not isinstance(row, dict):
            raise UserError(
                f"{path}, row {number}, column 1: want a JSON object per line, got {type(row).__name__}"
            )
        rows.append(flat(row))
        lines.append(number)
    return [Table(str(path), of_rows(rows), lines, format=NAME, remarks=tuple(remarks))]
