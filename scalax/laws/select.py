"""How many breaks, and from where on: chosen by the end of the rows to fit (BNSL paper, appendix)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.laws.curves import Curve
from scalax.laws.families.bnsl import MOST_BREAKS
from scalax.laws.fit_result import Fit
from scalax.laws.fitting import fit

TAIL = 0.2  # share of the rows to fit, those of largest x, that choices are judged by
CROPS = (0.0, 0.25, 0.5)  # shares of the rows before the tail, those of smallest x, to try without
LEAST = 10  # rows to fit
STARTS = (64, 64, 64, 256, 1024)  # by breaks: from fewer, laws of many breaks are often not found


class Choice(NamedTuple):
    """The breaks and the first row of one curve.

    - breaks: how many; first_x: of the first row.
    - fit: with these, to all rows to fit from first_x on.
    - scores: RMSLE over the tail, by (breaks, share of the rows before it that is left out).
    - begins: x of the first row, by that share.
    - tail_x: of the tail's first row.
    """

    breaks: int
    first_x: float
    fit: Fit
    scores: dict[tuple[int, float], float]
    begins: dict[float, float]
    tail_x: float

    def to_json(self) -> dict[str, Any]:
        """Plain data; the scores as a list."""
        return {
            "breaks": self.breaks,
            "first_x": self.first_x,
            "tail_x": self.tail_x,
            "scores": [
                {"breaks": n, "left_out": share, "first_x": self.begins[share], "rmsle_tail": score}
                for (n, share), score in self.scores.items()
            ],
            "fit": self.fit.to_json(),
        }


class _Rows(NamedTuple):
    """The usable rows to fit of a curve by x, the tail held out, cropped at each of CROPS."""

    tries: list[Curve]
    begins: list[float]
    tail_x: float


def choose_breaks(
    curve: Curve, most: int = 2, starts: int | None = None, seed: int = 0, objective: str = "sle"
) -> Choice:
    """Fit BNSL with 0..most breaks to the first rows, from several crop points, and keep what predicts
    the last fifth of the rows to fit best. Held-out rows are not seen.

    - curve: of one x, with ten rows to fit or more.
    - most: breaks, 0 to 4.
    - starts: of each fit; None for 64, of three breaks 256 and of four 1024.
    - seed: of the starts.
    - objective: of each fit, see `fit`; scores are RMSLE in any case.

    Raises UserError where `most` is not 0..4 or there are fewer than ten rows to fit.
    """
    return choose_all([curve], most, starts, seed, objective)[0]


def choose_all(
    curves: Sequence[Curve],
    most: int = 2,
    starts: int | None = None,
    seed: int = 0,
    objective: str = "sle",
    progress: Callable[[float], object] | None = None,
) -> list[Choice]:
    """`choose_breaks` for many curves at once, which takes less time than one after the other.

    - curves, most, starts, seed, objective: see `choose_breaks`.
    - progress: called with how much was just done, in curves.
    """
    if not 0 <= most <= MOST_BREAKS:
        raise UserError(f"`most` must be 0 to {MOST_BREAKS} breaks, got {most}")
    rows = [_rows(curve) for curve in curves]
    names = ["bnsl" if n == 1 else f"bnsl{n}" for n in range(most + 1)]
    count = [STARTS[n] if starts is None else starts for n in range(most + 1)]
    flat = [each for own in rows for each in own.tries]
    share = 1 / (len(CROPS) * len(names) + 1)
    tick = (lambda done: progress(share * done)) if progress else None

    def fitted(some: Sequence[Curve], families: Sequence[str], n: int) -> list[dict[str, Fit]]:
        return fit(some, families, objective, n, seed=seed, progress=tick)

    tried: list[dict[str, Fit]] = [{} for _ in flat]
    for n in sorted(set(count)):
        alike = [name for name, own in zip(names, count, strict=True) if own == n]
        for before, now in zip(tried, fitted(flat, alike, n), strict=True):
            before |= now
    chosen, kept = [], []
    for i, (curve, own) in enumerate(zip(curves, rows, strict=True)):
        fits = tried[i * len(CROPS) : (i + 1) * len(CROPS)]
        scores = {
            (n, crop): each[name].rmsle_held_out
            for crop, each in zip(CROPS, fits, strict=True)
            for n, name in enumerate(names)
        }
        begins = dict(zip(CROPS, own.begins, strict=True))
        breaks, crop = min(scores, key=lambda key: (scores[key], key))
        chosen.append((breaks, begins[crop], scores, begins, own.tail_x))
        kept.append(_from(curve, begins[crop]))
    final: list[Fit | None] = [None] * len(kept)
    for n, name in enumerate(names):
        mine = [i for i, choice in enumerate(chosen) if choice[0] == n]
        if mine:
            fits = fitted([kept[i] for i in mine], [name], count[n])
            for i, each in zip(mine, fits, strict=True):
                final[i] = each[name]
    return [
        Choice(breaks, first_x, own, scores, begins, tail_x)
        for (breaks, first_x, scores, begins, tail_x), own in zip(chosen, final, strict=True)
        if own is not None
    ]


def _rows(curve: Curve) -> _Rows:
    usable = curve.fit & curve.usable
    order = np.argsort(curve.x[usable], kind="stable")
    x, y = curve.x[usable][order], curve.y[usable][order]
    if len(x) < LEAST:
        raise UserError(f"curve {curve.name!r}: choosing breaks needs {LEAST} rows to fit, got {len(x)}")
    # Rows of one x stay together: repeats of what is to be predicted would tell it.
    tail_x = x[len(x) - max(2, round(TAIL * len(x)))]
    head = x < tail_x
    begins = [x[int(share * head.sum())] for share in CROPS]
    tries = [Curve(x[x >= b], y[x >= b], curve.name, head[x >= b]) for b in begins]
    return _Rows(tries, [float(b) for b in begins], float(tail_x))


def _from(curve: Curve, first_x: float) -> Curve:
    """The curve without rows to fit of smaller x."""
    later = ~curve.fit | (curve.x >= first_x)
    return Curve(curve.x[later], curve.y[later], curve.name, curve.fit[later])
