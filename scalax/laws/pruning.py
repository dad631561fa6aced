"""What watching is worth, on curves whose ends are known: bands at the end, and regret against a median
pruner that spends the same."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from scalax.laws.backtests import LEAST_ROWS
from scalax.laws.curves import Curve
from scalax.laws.watch import Outlook, outlooks

CUTS = (0.1, 0.25, 0.5)  # shares of the way to the end
LEAST_GROUP = 4  # curves of one group that compete


class CutScore(NamedTuple):
    """Of all curves cut at one share of their ends.

    - cut: the share.
    - curves: how many had rows enough.
    - inside80: share of values at the end within the 80% band.
    - error: root mean square of the median's log error at the end; error_now: of the value at the cut, taken
      for the end's.
    - groups: of curves that compete.
    - regret: mean log excess, over the best of the group at the end, of the best that is left when the better
      half by forecast goes on; regret_median: the half that is better now (a median pruner).
    - regret_one, regret_one_median: when only the best one goes on.
    - stopped: share of curves that `watch` would stop against the best of the others; wrong: share of these
      that would have been better than it.
    """

    cut: float
    curves: int
    inside80: float
    error: float
    error_now: float
    groups: int
    regret: float
    regret_median: float
    regret_one: float
    regret_one_median: float
    stopped: float
    wrong: float


class Whole(NamedTuple):
    """A curve whose end is known: rows, group, end and the value there (as a distance)."""

    curve: Curve
    group: str
    end: float
    final: float


def measure(
    curves: Sequence[Curve],
    groups: Sequence[str],
    cuts: Sequence[float] = CUTS,
    progress: Callable[[int], object] | None = None,
) -> list[CutScore]:
    """Cut whole curves and forecast their ends.

    - curves: whole, all of their rows; those held out are used too.
    - groups: of each curve; curves of a group compete, at the first end of any of them.
    - cuts: shares of the way to the end.
    - progress: called with the number of curves just forecast.
    """
    whole = _whole(curves, groups)
    found = []
    for cut in cuts:
        parts = [_cut(each, cut) for each in whole]
        kept = [i for i, part in enumerate(parts) if len(np.unique(part.x)) >= LEAST_ROWS]
        others = [_best_other(whole, i) for i in kept]
        shown = [
            None if best is None else float(whole[i].curve.scale.shown(best))
            for i, best in zip(kept, others, strict=True)
        ]
        seen = outlooks([parts[i] for i in kept], [whole[i].end for i in kept], shown)
        if progress:
            progress(len(kept))
        found.append(_score(cut, [whole[i] for i in kept], [parts[i] for i in kept], seen, others))
    return found


def _whole(curves: Sequence[Curve], groups: Sequence[str]) -> list[Whole]:
    ends: dict[str, float] = {}
    for curve, group in zip(curves, groups, strict=True):
        ends[group] = min(ends.get(group, np.inf), float(curve.x.max()))
    found = []
    for curve, group in zip(curves, groups, strict=True):
        log_x = np.unique(np.log(curve.x))
        log_y = [np.log(curve.y[np.isclose(np.log(curve.x), at)]).mean() for at in log_x]
        final = float(np.exp(np.interp(np.log(ends[group]), log_x, log_y)))
        found.append(Whole(curve, group, ends[group], final))
    return found


def _cut(each: Whole, share: float) -> Curve:
    kept = each.curve.x <= share * each.end
    return Curve(each.curve.x[kept], each.curve.y[kept], each.curve.name, scale=each.curve.scale)


def _best_other(whole: Sequence[Whole], i: int) -> float | None:
    """The best value at the end of the others of the group; None where the group is too small."""
    own = [each.final for j, each in enumerate(whole) if each.group == whole[i].group and j != i]
    return min(own) if len(own) >= LEAST_GROUP - 1 else None


def _score(
    cut: float,
    whole: Sequence[Whole],
    parts: Sequence[Curve],
    seen: Sequence[Outlook],
    others: Sequence[float | None],
) -> CutScore:
    final = np.array([each.final for each in whole])
    scales = [each.curve.scale for each in whole]
    medians, lows, highs = (
        np.array([float(s.distance(getattr(o, name))) for o, s in zip(seen, scales, strict=True)])
        for name in ("median", "low", "high")
    )
    lows, highs = np.minimum(lows, highs), np.maximum(lows, highs)
    now = np.array([part.y[part.x == part.x.max()].mean() for part in parts])
    regrets = []
    group_of = np.array([each.group for each in whole])
    for group in dict.fromkeys(group_of):
        own = np.flatnonzero(group_of == group)
        if len(own) >= LEAST_GROUP:
            best = final[own].min()
            halves = [
                np.log(final[own][np.argsort(by[own], kind="stable")[:kept]].min() / best)
                for kept in (-(-len(own) // 2), 1)
                for by in (medians, now)
            ]
            regrets.append(halves)
    regret = np.mean(regrets, 0) if regrets else np.full(4, np.nan)
    stops = np.array([outlook.stop for outlook in seen], bool)
    asked = np.array([best is not None for best in others], bool)
    better = np.array([best is not None and f < best for f, best in zip(final, others, strict=True)], bool)
    log_error, log_now = np.log(medians / final), np.log(now / final)
    return CutScore(
        cut=cut,
        curves=len(whole),
        inside80=_mean((lows <= final) & (final <= highs)),
        error=_mean(log_error**2) ** 0.5,
        error_now=_mean(log_now**2) ** 0.5,
        groups=len(regrets),
        regret=float(regret[0]),
        regret_median=float(regret[1]),
        regret_one=float(regret[2]),
        regret_one_median=float(regret[3]),
        stopped=_mean(stops[asked]),
        wrong=_mean(better[stops]),
    )


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
