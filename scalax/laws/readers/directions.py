"""Which way a metric improves, and so which distance laws are fitted to."""

from collections.abc import Sequence

import numpy as np

from scalax.errors import UserError
from scalax.laws.curves import Scale
from scalax.laws.readers.columns import words, y_kind
from scalax.laws.readers.runs import Rows
from scalax.records.remark import Remark

RISES = 0.5  # rank correlation of x and y from which a curve is said to rise, and to fall below its negative
PER_CENT = {"pct", "percent", "percentage", "perc"}


def scale_of(
    source: str, column: str, runs: Sequence[Rows], bound: float | None, per_cent: bool
) -> tuple[Scale, list[Remark]]:
    """How all curves of one column become distances, and the remark on it.

    - source, column: for messages.
    - runs: the curves' usable rows.
    - bound: given by the user: the value that y tends to at best, and never passes.
    - per_cent: whether cells carry a per cent sign.

    Accuracies, by name, that lie in 0..1 or 0..100 and rise are taken from 1 or 100. Raises UserError, with
    the flag that says it, where neither the name nor the values tell: rising curves of unknown names, curves
    that disagree, accuracies that fall, negative values.
    """
    y = np.concatenate([run.y for run in runs])
    if bound is not None:
        below, above = (y < bound).sum(), (y > bound).sum()
        if below and above:
            raise UserError(
                f"{source}, column {column!r}: {below} values lie below `bound` {bound:g} and {above} above;"
                " give the value that y never passes"
            )
        scale = Scale(bound, below > 0)
        return scale, []
    where = f"{source}, column {column!r}"
    turns = [_turn(run) for run in runs]
    rising, falling = turns.count(1), turns.count(-1)
    if (y < 0).any():
        raise UserError(_negative(where, y, rising > falling))
    kind = y_kind(column)
    named_per_cent = bool(words(column) & PER_CENT)
    if kind == "accuracy":
        if falling and not rising:
            raise UserError(
                f"{where}: is named as an accuracy and falls; give `bound`=0 to take it as it is, as an error"
            )
        if y.max() > 100:
            raise UserError(
                f"{where}: is named as an accuracy and reaches {y.max():g}; give the value that it tends to,"
                " e.g. `bound`=1000, or `bound`=0 to take it as it is"
            )
        if y.max() <= 1 and (named_per_cent or per_cent):
            raise UserError(
                f"{where}: is named in per cent and no value is over 1 ({y.max():g}); say which it is:"
                " `bound`=1 for shares, `bound`=100 for per cent"
            )
        top = 100.0 if y.max() > 1 or per_cent else 1.0
        return Scale(top, True), [Remark("bounded", source, values={"column": column, "bound": top})]
    if rising and kind == "":
        top = 1 if y.max() <= 1 else 100 if y.max() <= 100 else float(f"{2 * y.max():.1g}")
        some = f"rises in {rising} curves and falls in {falling}" if falling else "rises with x"
        raise UserError(
            f"{where}: {some}, and its name does not say which way is better; give `bound`, the value that it"
            f" tends to at best, e.g. `bound`={top:g}, or `bound`=0 to take y as it is"
        )
    return Scale(), []


def check_bound(source: str, column: str, runs: Sequence[Rows], scale: Scale) -> None:
    """Raises UserError where curves go away from the bound that the user gave, and none comes nearer.

    - source, column: for the message.
    - runs: the curves' usable rows, of all files.
    - scale: with the bound.
    """
    turns = [_turn(run) for run in runs]
    away = -1 if scale.below else 1
    if away in turns and -away not in turns and not scale.plain:
        verb = "falls" if scale.below else "rises"
        raise UserError(
            f"{source}, column {column!r}: {verb} with x, away from `bound` {scale.bound:g}; give the value"
            " that y tends to at best, or leave `bound` out"
        )


def _turn(run: Rows) -> int:
    """1 where a curve rises, -1 where it falls, 0 where it does neither or is too short to say."""
    if len(run.x) < 3 or not np.ptp(run.x) or not np.ptp(run.y):
        return 0
    correlation = np.corrcoef(_ranks(run.x), _ranks(run.y))[0, 1]
    return int(correlation >= RISES) - int(correlation <= -RISES)


def _ranks(values: np.ndarray) -> np.ndarray:
    """From 1 up; equal values share their mean rank."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[where]


def _negative(where: str, y: np.ndarray, rising: bool) -> str:
    count = (
        f"{(y < 0).sum()} of {len(y)} values are negative" if (y >= 0).any() else "all values are negative"
    )
    if rising and not (y > 0).any():
        return f"{where}: {count} and rise; give `bound`=0 to fit laws to -y, or the value that y tends to"
    least = float(f"{y.min() - np.ptp(y):.1g}")
    return (
        f"{where}: {count}, and laws are of positive numbers; give the value that y never passes, e.g."
        f" `bound`={least:g}, to fit laws to the distance from it"
    )
