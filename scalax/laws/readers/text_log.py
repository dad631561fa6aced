"""Logs that people read: 'step:250/1390 val_loss:3.9', 'iter 10: loss 4.2, time 12ms', printed dicts."""

import ast
import itertools
import re
from pathlib import Path
from typing import Any

from scalax import untrusted
from scalax.errors import UserError
from scalax.laws.readers.columns import x_kind
from scalax.laws.readers.numbers import is_cut
from scalax.laws.readers.table import Table, flat, of_rows
from scalax.records.remark import Remark

NAME = "a text log"
SAMPLE = 400  # lines that are looked at
_TIME = re.compile(
    r"\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?Z?\]?|\[?\b\d\d?:\d\d:\d\d(?:[.,]\d+)?\]?"
)
_NUMBER = r"[+-]?(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)?\.?\d*(?:[eE][+-]?\d+)?"
_WORD = r"[A-Za-z_][\w./@%()-]*+"  # possessive: no part of a word is a name, and looking for one takes long
_PAIR = re.compile(
    rf"""(?P<name>{_WORD}(?:[ ]{_WORD}){{0,4}})
    ["']?(?P<mark>\s*[:=]\s*|\s+|\s*\[)
    (?P<number>(?=[+-]?\.?\d){_NUMBER}|[+-]?(?:nan|inf)\b)
    (?:\s*/\s*(?P<total>\d+)\]?)?(?P<unit>%|[kKMBGT](?![\w/])|[a-zA-Z/]+)?
    |{_WORD}""",  # without a number
    re.VERBOSE | re.IGNORECASE,
)
_IN_EPOCH = re.compile(r"(epoch\W{0,3}\d+\b:?)(?= ?\[\d+/\d+)", re.IGNORECASE)  # 'Epoch: 1 [640/60000 (1%)]'
_LEVELS = {
    "info",
    "warning",
    "debug",
    "error",
    "at",
    "after",
    "and",
    "end",
    "of",
    "in",
    "for",
    "on",
    "the",
    "-",
}


def is_text_log(text: str) -> bool:
    """Whether at least two of the first lines give names and numbers, and one a step or its like; the first
    line of a table of commas and the like gives none."""
    first, _, others = text.lstrip().partition("\n")
    if any(mark in first for mark in ",;\t") and not _pairs(first) and not _pairs(others.partition("\n")[0]):
        return False
    try:
        rows = [_pairs(line) for line in text[: 200 * SAMPLE].splitlines()[:SAMPLE]]
    except untrusted.RepeatedKey:
        return True  # `read` refuses it
    named = [row for row in rows if row]
    return len(named) >= 2 and any(x_kind(name) for row in named for name in row)


def read(path: Path, text: str) -> list[Table]:
    """A row for each line with names and numbers; one without a step or its like goes by the line before.

    Raises UserError, with the row, for an object with a key twice.
    """
    rows, lines, last, totals = [], [], {}, {}
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            row = _pairs(line, totals)
        except untrusted.RepeatedKey as e:
            raise UserError(f"{path}, row {number}: {e}; rename or remove one") from None
        if not row:
            continue
        xs = {name: cell for name, cell in row.items() if x_kind(name)}
        if any(x_kind(name) != "time" for name in xs):
            last = {name: cell for name, cell in xs.items() if x_kind(name) != "time"}
        rows.append({**last, **row})
        lines.append(number)
    remarks = []
    if rows and not text.endswith("\n"):
        name, cell = next(reversed(rows[-1].items()))
        if is_cut(str(cell), [str(row[name]) for row in rows[:-1] if name in row]):
            rows.pop()
            remarks.append(Remark("torn", str(path), values={"row": lines.pop()}))
    return [Table(str(path), _over_epochs(of_rows(rows), totals), lines, format=NAME, remarks=tuple(remarks))]


def _over_epochs(columns: dict[str, list], totals: dict[str, set[str]]) -> dict[str, list]:
    """The columns, with one that counts on where another counts anew in each epoch up to a total."""
    epochs = next((name for name in columns if x_kind(name) == "epoch"), None)
    for name, total in totals.items():
        if epochs is None or len(total) > 1 or x_kind(name) not in ("step", "examples"):
            continue
        pairs = list(zip(columns[epochs], columns[name], strict=True))
        known = [(float(a), float(b)) for a, b in pairs if a is not None and b is not None]
        if all(before[1] <= after[1] for before, after in itertools.pairwise(known)):
            continue
        first, size = min(1, min(epoch for epoch, _ in known)), float(next(iter(total)))
        on = [
            None if epoch is None or count is None else (float(epoch) - first) * size + float(count)
            for epoch, count in pairs
        ]
        return {f"{name} of all epochs": on, **{n: cells for n, cells in columns.items() if n != name}}
    return columns


def _pairs(line: str, totals: dict[str, set[str]] | None = None) -> dict[str, Any]:
    """Names and numbers of a line, in order; of an object or dictionary in it, its own. totals: gains what
    numbers count up to, by name. Raises RepeatedKey."""
    if "{" in line:
        text = line[line.index("{") : line.rindex("}") + 1] if "}" in line else ""
        for parse in (_json, ast.literal_eval):
            try:
                found = parse(text)
            except untrusted.RepeatedKey:
                raise
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                continue
            return flat(found) if isinstance(found, dict) else {}
    out: dict[str, Any] = {}
    line = _IN_EPOCH.sub(r"\1 examples", _TIME.sub(" ", line))
    for found in _PAIR.finditer(line):
        if not found["name"]:
            continue
        words = found["name"].split()
        while len(words) > 1 and words[0].lower().strip("-") in _LEVELS:
            words = words[1:]
        unit = found["unit"] or ""
        name = " ".join(words).strip("-. ")
        if name and name.lower() not in _LEVELS:
            if found["total"] and totals is not None:
                totals.setdefault(name, set()).add(found["total"])
            out.setdefault(name, found["number"] + (unit if unit in tuple("%kKMBGT") else ""))
    return out


def _json(text: str) -> Any:
    return untrusted.parse_json(text, strict=False)
