"""What a run that is still going will end at, and whether to stop it: from its rows so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scalax.errors import UserError
from scalax.laws.backtests import LEAST_ROWS
from scalax.laws.curves import Curve, Scale
from scalax.laws.forecast_result import Forecast
from scalax.laws.forecasting import forecast

LEVEL = 0.8  # of bands
PAST = 1.01  # times the planned last x, up to which a run may go on
RISK = 0.05  # chance of reaching the target below which a run is to be stopped
GROWTH = 1.1  # how many times more rows than at the last forecast make a new one
HALVINGS = 14  # of the search for a chance
STOP, GO_ON, WAIT = "stop", "go on", "wait"


@dataclass(frozen=True)
class Outlook:
    """What a run's rows so far say of its end. y as the user writes it.

    - name: of the curve.
    - x, y: of its last row.
    - rows: of different x that it has.
    - end: the planned last x.
    - median, low, high: of the value measured there, with its 80% band; nan while there are too few rows.
    - target: to be reached; None without one.
    - chance: that the value at the end is at the target or better; nan without one.
    - advice: STOP where the chance is below the risk, else GO_ON; WAIT with too few rows; "" without target.
    - wrong: the chance that the advice is wrong.
    - forecast: behind it; None with too few rows, or at the end.
    """

    name: str
    x: float
    y: float
    rows: int
    end: float
    median: float = np.nan
    low: float = np.nan
    high: float = np.nan
    target: float | None = None
    chance: float = np.nan
    advice: str = ""
    wrong: float = np.nan
    forecast: Forecast | None = field(default=None, repr=False)

    @property
    def stop(self) -> bool:
        """Whether the run is to be stopped."""
        return self.advice == STOP

    def __str__(self) -> str:
        said = f"{self.x / self.end:.0%} done, {self.y:.4g} now"
        if np.isfinite(self.median):
            said += f", {self.median:.4g} expected at {self.end:.4g} (80%: {self.low:.4g} to {self.high:.4g})"
        if self.advice == WAIT:
            return f"{said}; {self.rows} rows are too few, {LEAST_ROWS} are needed"
        if self.target is None:
            return said
        return (
            f"{said}; {self.target:.4g} is reached with a chance of {self.chance:.0%}: {self.advice}"
            f" (wrong with {self.wrong:.0%})"
        )

    def to_json(self) -> dict[str, Any]:
        """All but the forecast."""
        return {name: value for name, value in vars(self).items() if name != "forecast"}


def outlooks(
    curves: Sequence[Curve],
    ends: Sequence[float],
    targets: Sequence[float | None] | None = None,
    risk: float = RISK,
) -> list[Outlook]:
    """The outlook of each curve.

    - curves: rows so far.
    - ends: the planned last x of each.
    - targets: y, as the user writes it, that each is to reach; None without one.
    - risk: chance of reaching the target below which the advice is to stop.

    Raises UserError for an end or a risk that makes no sense, or a target that is never reached.
    """
    if not 0 < risk < 1:
        raise UserError(f"`risk` must lie between 0 and 1, got {risk:g}")
    wanted = list(targets) if targets is not None else [None] * len(curves)
    for curve, end, target in zip(curves, ends, wanted, strict=True):
        if not (np.isfinite(end) and end > 0):
            raise UserError(f"`end` must be positive, got {end:g}")
        if target is not None and not curve.scale.distance(target) > 0:
            side = "positive" if curve.scale.plain else f"short of {curve.scale.bound:g}"
            raise UserError(f"`target` must be {side}, got {target:g}")
        if (x := float(curve.x[curve.fit].max())) > PAST * end:
            raise UserError(
                f"curve {curve.name!r}: its rows go on to x = {x:.6g}, past `end` {end:g}; give its planned"
                " last x"
            )
    rows = [len(np.unique(curve.x[curve.fit])) for curve in curves]
    last = [float(curve.x[curve.fit].max()) for curve in curves]
    going = [i for i, curve in enumerate(curves) if last[i] < ends[i] and rows[i] >= LEAST_ROWS]
    made = dict(zip(going, forecast([curves[i] for i in going]), strict=True)) if going else {}
    return [
        _outlook(curve, rows[i], float(ends[i]), wanted[i], risk, made.get(i))
        for i, curve in enumerate(curves)
    ]


def _outlook(
    curve: Curve, rows: int, end: float, target: float | None, risk: float, made: Forecast | None
) -> Outlook:
    x, y = curve.x[curve.fit], curve.y[curve.fit]
    shown = curve.scale.shown
    now = float(y[x == x.max()].mean())
    first = Outlook(curve.name, float(x.max()), float(shown(now)), rows, end, target=target)
    distance = None if target is None else float(curve.scale.distance(target))
    if made is None and first.x < end:
        return _with(first, advice="" if target is None else WAIT)
    if made is None:
        found = _with(first, median=first.y, low=first.y, high=first.y)
        return found if distance is None else _judged(found, float(now <= distance), risk)
    at = np.array([end])
    low, high = sorted(float(shown(v[0])) for v in made.interval(at, LEVEL))
    found = _with(first, median=float(shown(made.predict(at)[0])), low=low, high=high, forecast=made)
    return found if distance is None else _judged(found, chance(made, end, distance), risk)


def _judged(outlook: Outlook, chance: float, risk: float) -> Outlook:
    stop = chance < risk
    return _with(outlook, chance=chance, advice=STOP if stop else GO_ON, wrong=chance if stop else 1 - chance)


def _with(outlook: Outlook, **values: Any) -> Outlook:
    return Outlook(**{**vars(outlook), **values})


def chance(made: Forecast, x: float, distance: float) -> float:
    """The chance that a new observation at x is at most `distance`, by the forecast's own quantiles.

    - made: the forecast.
    - x: in the data's units.
    - distance: from the bound, as laws see y.
    """
    at = np.array([x])
    above = distance < made.predict(at)[0]  # the target lies in the lower half
    low, high = 0.0, 1.0  # levels of the band whose end is the target
    for _ in range(HALVINGS):
        level = (low + high) / 2
        ends = made.interval(at, level)
        inside = distance > ends[0][0] if above else distance < ends[1][0]
        low, high = (low, level) if inside else (level, high)
    tail = (1 - (low + high) / 2) / 2
    return float(tail if above else 1 - tail)


class Watch:
    """Watches a run from within any loop: three lines.

    - end: the planned last x.
    - target: y to be reached at the end, e.g. the best of other runs.
    - risk: chance of reaching it below which the advice is to stop.
    - bound: what y never passes: 1 or 100 for accuracies, 0 for losses.
    - growth: how many times more rows than at the last forecast make a new one; each takes some seconds.

    >>> watch = Watch(end=1000, target=0.5)
    >>> for step in range(1, 4):
    ...     if watch.update(step, 3 / step).stop:
    ...         break
    >>> watch.last.advice
    'wait'
    """

    def __init__(
        self,
        end: float,
        target: float | None = None,
        risk: float = RISK,
        bound: float = 0.0,
        growth: float = GROWTH,
    ):
        if not growth >= 1:
            raise UserError(f"`growth` must be at least 1, got {growth:g}")
        self.end, self.target, self.risk, self.growth = end, target, risk, growth
        self.scale = Scale(bound, below=bound > 0)
        self.x: list[float] = []
        self.y: list[float] = []
        nothing = float("nan")
        self.last = Outlook("run", nothing, nothing, 0, end, target=target, advice=WAIT)

    def update(self, x: float, y: float) -> Outlook:
        """Add a row; the latest outlook, made anew where the rows have grown enough or the end is reached.

        Rows that are not positive and finite are left out.
        """
        distance = float(self.scale.distance(y))
        if np.isfinite(x) and x > 0 and np.isfinite(distance) and distance > 0:
            self.x.append(float(x))
            self.y.append(distance)
        if self._is_due():
            curve = Curve(self.x, self.y, "run", scale=self.scale)
            [self.last] = outlooks([curve], [self.end], [self.target], self.risk)
        return self.last

    def _is_due(self) -> bool:
        rows = len(set(self.x))
        if rows and (max(self.x) >= self.end or self.last.rows < LEAST_ROWS):
            return rows != self.last.rows
        return rows > 0 and rows >= self.growth * self.last.rows
