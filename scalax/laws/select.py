"""How many breaks, and from where on: chosen by the end of the rows to fit (BNSL paper, appendix)."""

from typing import NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.laws.curves import Curve
from scalax.laws.fit_result import Fit
from scalax.laws.fitting import fit

TAIL = 0.2  # share of the rows to fit, those of largest x, that choices are judged by
CROPS = (0.0, 0.25, 0.5)  # shares of the rows, those of smallest x, to try without


class Choice(NamedTuple):
    """`fit` is of all rows to fit from `first_x` on, with `breaks` breaks; `scores` are the tail's RMSLE
    by (breaks, share left out)."""

    breaks: int
    first_x: float
    fit: Fit
    scores: dict[tuple[int, float], float]


def choose_breaks(curve: Curve, most: int = 2, starts: int = 64, seed: int = 0) -> Choice:
    """Fit BNSL with 0..most breaks to the first rows, from several crop points, and keep what predicts
    the last fifth of the rows to fit best. Held-out rows are not seen.

    - most: breaks, 0 to 4.
    - starts: of each fit.
    - seed: of the starts.

    Raises UserError where `most` is not 0..4 or there are fewer than ten rows to fit.
    """
    if not 0 <= most <= 4:
        raise UserError(f"`most` must be 0 to 4 breaks, got {most}")
    order = np.argsort(curve.x[curve.fit], kind="stable")
    x, y = curve.x[curve.fit][order], curve.y[curve.fit][order]
    if len(x) < 10:
        raise UserError(f"curve {curve.name!r}: choosing breaks needs ten rows to fit, got {len(x)}")
    head = np.arange(len(x)) < len(x) - max(2, round(TAIL * len(x)))
    begins = [int(share * head.sum()) for share in CROPS]
    tries = [Curve(x[b:], y[b:], curve.name, head[b:]) for b in begins]
    names = ["bnsl" if n == 1 else f"bnsl{n}" for n in range(most + 1)]
    fits = fit(tries, names, starts=starts, seed=seed)
    scores = {
        (n, share): each[name].rmsle_held_out
        for share, each in zip(CROPS, fits, strict=True)
        for n, name in enumerate(names)
    }
    breaks, share = min(scores, key=lambda key: (scores[key], key))
    begin = x[int(share * head.sum())]
    later = ~curve.fit | (curve.x >= begin)
    kept = Curve(curve.x[later], curve.y[later], curve.name, curve.fit[later])
    [final] = fit([kept], [names[breaks]], starts=starts, seed=seed)
    return Choice(breaks, float(begin), final[names[breaks]], scores)
