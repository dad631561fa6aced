"""A JSON object a line, as most trainers write: nanochat, detectron2, mmengine, scalax itself."""

from pathlib import Path

from scalax import untrusted
from scalax.laws.readers.table import Table, flat, of_rows
from scalax.records.remark import Remark
from scalax.records.table import json_lines

NAME = "JSON lines"


def is_json_lines(text: str) -> bool:
    """Whether the first line is a whole JSON object, and others follow."""
    line, _, others = text.lstrip().partition("\n")
    if not line.startswith("{") or not others.strip():
        return False
    try:
        return isinstance(untrusted.parse_json(line, strict=False), dict)
    except untrusted.RepeatedKey:
        return True  # `read` refuses it
    except ValueError:
        return False


def read(path: Path, text: str) -> list[Table]:
    """The one table; objects within objects become 'outer/inner'. Raises UserError with row and column."""
    found = json_lines(path, text)
    remarks = () if found.torn is None else (Remark("torn", str(path), values={"row": found.torn}),)
    rows = [flat(row) for row in found.rows]
    return [Table(str(path), of_rows(rows), found.lines, format=NAME, remarks=remarks)]
