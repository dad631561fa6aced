"""A curve's past as a test of its forecast: made again without the last rows, and compared with them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scalax.laws import bank
from scalax.laws.anchored import Anchored, process_variance
from scalax.laws.curves import extent_of
from scalax.laws.family import Family
from scalax.laws.mixture import Component, Ensemble, draws
from scalax.laws.posterior import Block, scatter

LEAST_ROWS = 5
LEAST_WEIGHT = 0.05  # of a law that backtests try
EXCUSED = 2.0  # times the variance allowed that backtests may miss by before bands are widened


class Backtest(NamedTuple):
    """A curve without its last rows, and the laws refitted to it.

    - short: the curve.
    - fits: (law, its most probable p in the data's own units [k], its weight) of those that count.
    """

    short: Anchored
    fits: list[tuple[Family, np.ndarray, float]]

    def predict(self, log_x: np.ndarray) -> np.ndarray:
        """The laws' average in log y [n]."""
        laws, p, weights = zip(*self.fits, strict=True)
        return np.average(bank.evaluate(laws, p, log_x), 0, weights)


def without_last(a: Anchored, share: float) -> Anchored:
    """The curve without the last `share` of its rows (at least one), its assumptions unchanged."""
    points, rows = a.points, len(a.points.log_x)
    keep = max(min(LEAST_ROWS, rows - 1), rows - max(1, round(share * rows)))
    log_x, log_y, weights = points.log_x[:keep], points.log_y[:keep], points.weights[:keep]
    extent = extent_of(log_x, log_y)._replace(first=points.extent.first)
    kept = points._replace(log_x=log_x, log_y=log_y, weights=weights, extent=extent)
    return dataclasses.replace(a, points=kept.anchored())


def backtests(
    laws: Sequence[Family],
    data: Sequence[Anchored],
    components: Sequence[Sequence[Component]],
    shares: Sequence[float],
) -> list[list[Backtest]]:
    """Each curve without its last rows, refitted from its most probable component of each law that counts.

    - laws: the components' own; data: the curves; components: of each curve.
    - shares: of the rows, from the end, to leave out.
    """
    made = [[Backtest(without_last(a, share), []) for share in shares] for a in data]
    wanted: list[tuple[Backtest, float, Block]] = []
    for a, parts, tests in zip(data, components, made, strict=True):
        for j, law in enumerate(laws):
            own = [part for part in parts if part.law == j]
            weight = sum(part.weight for part in own)
            if weight < LEAST_WEIGHT:
                continue
            best = max(own, key=lambda part: part.weight)
            for test in tests:
                moved = (
                    a.points.center_x - test.short.points.center_x,
                    a.points.center_y - test.short.points.center_y,
                )
                start = law.shift(best.mode[None], *moved)[0]
                block = Block(j, test.short, a.taus[best.amplitude], best.prior, start)
                wanted.append((test, weight, block))
    found = scatter(laws, [block for *_, block in wanted])
    for (test, weight, block), p in zip(wanted, found, strict=True):
        points, law = test.short.points, laws[block.law]
        test.fits.append((law, law.shift(p[:1], points.center_x, points.center_y)[0], weight))
    return made


def inflation(data: Anchored, parts: Mapping[str, Ensemble], tests: Sequence[Backtest]) -> float:
    """How many times wider than stated bands should be by the curve's own past, from 1 to 2.

    - data: the whole curve; parts: its laws; tests: its backtests.

    A backtest forecasts the rows that it dropped. Its squared errors are compared with EXCUSED times the
    variance that the full forecast states at the same distance beyond its last row.
    """
    ratios, points = [], data.points
    for test in tests:
        end = test.short.points.center_x - points.center_x
        dropped = points.log_x > end + 1e-9
        if not dropped.any():
            continue
        distance = points.log_x[dropped] - end
        log_y, taus = draws(parts.values(), points.center_x + distance)
        allowed = log_y.var(0) + process_variance(taus[:, None], distance).mean(0) + data.noise**2
        missed = (
            test.predict(points.center_x + points.log_x[dropped]) - points.center_y - points.log_y[dropped]
        )
        ratios.append(np.mean(missed**2 / allowed))
    return float(np.sqrt(np.clip(np.mean(ratios) / EXCUSED, 1, 4))) if ratios else 1.0
