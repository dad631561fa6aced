"""What a reader of somebody else's file guessed or left out, as data that say themselves in a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Remark:
    """One thing that a reader guessed or left out; `str(remark)` says it.

    - kind: one of those in `SENTENCES`.
    - source: the file.
    - curve: the curve's name, "" where it is about the whole file.
    - values: by name, what the sentence holds, e.g. `row`, `column`, `count`.
    """

    kind: str
    source: str = ""
    curve: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        said = SENTENCES[self.kind].format(**self.values)
        return f"{self.source}: {said}" if self.source else said


SENTENCES = {
    "guessed": "read as {format}; columns guessed by name: {columns}",
    "held_out": "column {column!r} says which rows are to fit: {fit} of {rows}, the others are held out",
    "format": "read as {format}",
    "preamble": "{count} lines before the table left out",
    "again": "model {model!r} stands {where}{more}; each counts as a model of its own, told apart by"
    " {columns}; remove all but one, or name the columns that tell models apart by `model`",
    "short_rows": "row {row} has {cells} cells where the header has {columns}; left out{more}",
    "torn": "row {row}, the last, is cut off; left out",
    "header_again": "row {row} repeats the header (a restart?); left out{more}",
    "damaged": "record {row} is damaged; left out{more}",
    "cut": "the file is cut off after record {row}",
    "epochs_from_zero": "{column!r} counts from 0: x is {column} + 1, the epochs done; give"
    " `x`='{column}+0' if row 0 was before training",
    "counts_anew": "{column!r} counts anew in each epoch, so x is {x!r}",
    "bounded": "{column!r} rises as a run improves: laws are fitted to {bound:g} - y, and y is shown as it"
    " is; give another end in `bound` if this is not it",
    "decimal_comma": "numbers are written with a decimal comma",
    "thousands": "commas in numbers are taken for thousands",
    "runs_by_order": "x begins anew in {count} place(s) over other y: told apart as {runs} runs by the order"
    " of rows; give `repeats` if they are repeats of one curve",
    "resumed": "x steps back to {x:g} at row {row} and goes on (a restart from there): {count} earlier rows"
    " of larger x left out",
    "narrow": "x spans {share:.1%} of itself; if it is counted from another begin than 0, subtract that, as"
    " in `x`='{column}-{begin:.15g}'",
    "repeats": "{rows} rows share {count} x: taken as repeats of one curve; if not, name runs in `by`",
    "copied_runs": "{count} exact copies of a run left out",
    "left_out_run": "run {run!r} left out: {rows} usable rows of different x, {least} are needed",
    "left_out_rows": "row {row}, column {column!r}: {what}; left out{more}",
    "left_out_columns": "not taken for y: {columns}",
    "other_checkpoints": "{count} files of earlier checkpoints of the same run left out",
}


def more(count: int) -> str:
    """' (and 3 more)' of what was said of one."""
    return f" (and {count - 1} more)" if count > 1 else ""


def listed(names: Sequence[str], most: int = 8) -> str:
    """The first of some names, quoted."""
    shown = ", ".join(repr(name[:40]) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
