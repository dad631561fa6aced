"""Several runs in the rows of one curve, told apart by the order of rows where x begins anew."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.records.remark import Remark

LEAST_ROWS = 3  # of a run, in the mean, to be told apart by the order of rows; and of a part of x shared
NEAR = 0.05  # relative: how far a run that goes on from a checkpoint may lie from its rows before

LIKE = 0.01  # relative: rows of other x that lie as near to a run are its own


class Rows(NamedTuple):
    """Usable rows in the file's order: x, y [n]; lines, the number of each in the file; its learning rate."""

    x: np.ndarray
    y: np.ndarray
    lines: np.ndarray
    lr: np.ndarray


def told_apart(rows: Rows, source: str, curve: str, repeats: bool) -> tuple[list[np.ndarray], list[Remark]]:
    """Indices of the rows of each run, in the file's order, and what was found.

    - rows: of one curve, as the file has them.
    - source, curve: for remarks and errors.
    - repeats: rows of one x are repeats of one curve, whatever their order.

    Rows sorted by x are one run, and so are stretches that share few x. Where x begins anew over other y,
    each stretch is a run; one that starts within the stretch before it and near its y goes on from there.
    Raises UserError where x repeats in no order.
    """
    x, y, lines, _ = rows
    everything = np.arange(len(x))
    steps = np.diff(x)
    if repeats or not (steps < 0).any() or not (steps > 0).any():
        return [everything], _repeats(x, y, source, curve)
    stretches = np.split(everything, np.flatnonzero(steps < 0) + 1)
    if len(x) < LEAST_ROWS * len(stretches) and len(np.unique(x)) == len(x):
        return [everything], []
    stretches, copies = _without_copies(stretches, x, y)
    remarks = [Remark("copied_runs", source, curve, {"count": copies})] if copies else []
    runs: list[np.ndarray] = []
    begun = resumed = 0
    for stretch in stretches:
        if not runs or not _overlap(runs[-1], stretch, x, y):
            runs[-1:] = [np.concatenate([*runs[-1:], stretch])]
        elif _goes_on(runs[-1], stretch, x, y):
            begin = x[stretch].min()
            gone = int((x[runs[-1]] >= begin).sum())
            values = {"x": float(begin), "row": int(lines[stretch[0]]), "count": gone}
            remarks.append(Remark("resumed", source, curve, values))
            runs[-1] = np.concatenate([runs[-1][x[runs[-1]] < begin], stretch])
            resumed += 1
        else:
            runs.append(stretch)
            begun += 1
    if begun + resumed and sum(map(len, stretches)) < LEAST_ROWS * len(stretches):
        raise UserError(_in_no_order(rows, source, curve))
    if begun:
        remarks.append(Remark("runs_by_order", source, curve, {"count": begun, "runs": len(runs)}))
    return runs, remarks


def _repeats(x: np.ndarray, y: np.ndarray, source: str, curve: str) -> list[Remark]:
    rows = np.unique(np.column_stack([x, y]), axis=0)
    shared = np.unique(rows[:, 0], return_counts=True)[1]
    if not (shared > 1).any():
        return []
    values = {"rows": int(shared[shared > 1].sum()), "count": int((shared > 1).sum())}
    return [Remark("repeats", source, curve, values)]


def _without_copies(stretches: Sequence[np.ndarray], x, y) -> tuple[list[np.ndarray], int]:
    kept, known = [], set()
    for stretch in stretches:
        own = (x[stretch].tobytes(), y[stretch].tobytes())
        if own not in known:
            known.add(own)
            kept.append(stretch)
    return kept, len(stretches) - len(kept)


def _overlap(run: np.ndarray, stretch: np.ndarray, x: np.ndarray, y: np.ndarray) -> bool:
    """Whether two stretches hold an x in common, or several rows each of one part of x at other y."""
    if len(np.intersect1d(x[run], x[stretch])):
        return True
    low, high = max(x[run].min(), x[stretch].min()), min(x[run].max(), x[stretch].max())
    inside = [s[(x[s] >= low) & (x[s] <= high)] for s in (run, stretch)]
    if min(map(len, inside)) < LEAST_ROWS:
        return False
    fewer, denser = sorted(inside, key=len)
    denser = denser[np.argsort(x[denser], kind="stable")]
    away = np.median(np.abs(np.interp(x[fewer], x[denser], y[denser]) - y[fewer]))
    noise = np.median(np.abs(np.diff(y[denser], 2))) if len(denser) > 3 else 0.0
    return bool(away > max(LIKE * np.median(np.abs(y[denser])), 3 * noise))


def _goes_on(run: np.ndarray, stretch: np.ndarray, x: np.ndarray, y: np.ndarray) -> bool:
    """Whether a stretch starts from within a run, near where that was."""
    begin = x[stretch[0]]
    if begin <= x[run].min() or begin > x[run].max():
        return False
    run = run[np.argsort(x[run], kind="stable")]
    there = np.interp(begin, x[run], y[run])
    around = y[run][np.abs(np.searchsorted(x[run], begin) - np.arange(len(run))) <= 3]
    return bool(abs(y[stretch[0]] - there) <= max(NEAR * abs(there), np.ptp(around)))


def _in_no_order(rows: Rows, source: str, curve: str) -> str:
    values, counts = np.unique(rows.x, return_counts=True)
    at = rows.lines[rows.x == values[counts.argmax()]]
    return (
        f"{source}, row {at[-1]}, curve {curve[:60]!r}: x {values[counts.argmax()]:g} occurs {counts.max()}"
        " times, and rows are in no order; name the column of a run in `by`, or give `repeats` if these are"
        " repeats of one curve"
    )
