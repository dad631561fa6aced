"""A curve's past as a test of its forecast: made again without the last rows, and compared with them."""

from collections.abc import Mapping, Sequence

import numpy as np

from scalax.laws.curves import extent_of
from scalax.laws.forecast_result import draws, within
from scalax.laws.posterior import Anchored, Ensemble, process_variance

LEAST_ROWS = 5


def without_last(a: Anchored, share: float) -> Anchored:
    """The curve without the last `share` of its rows (at least one), its assumptions unchanged."""
    points, rows = a.points, len(a.points.log_x)
    keep = max(min(LEAST_ROWS, rows - 1), rows - max(1, round(share * rows)))
    log_x, log_y, weights = points.log_x[:keep], points.log_y[:keep], points.weights[:keep]
    extent = extent_of(log_x, log_y)._replace(first=points.extent.first)
    kept = points._replace(log_x=log_x, log_y=log_y, weights=weights, extent=extent)
    return a._replace(points=kept.anchored())


def best(parts: Mapping[str, Ensemble], log_x: np.ndarray) -> np.ndarray:
    """The average in log y [n] of the most probable laws."""
    return np.mean([ensemble.predict(log_x) for ensemble in parts.values()], 0)


def inflation(
    data: Anchored,
    parts: Mapping[str, Ensemble],
    shorter: Sequence[Anchored],
    earlier: Sequence[Mapping[str, Ensemble]],
) -> float:
    """How many times wider than stated the errors of backtests are, at least 1 and at most 2.

    - data: the whole curve; parts: its laws.
    - shorter: the curve without its last rows; earlier: the laws of each.

    A backtest forecasts the rows that it dropped. Its errors are compared with the width of the full
    forecast's intervals at the same distance beyond its last row.
    """
    ratios = []
    points = data.points
    for short, past in zip(shorter, earlier, strict=True):
        end = short.points.center_x - points.center_x
        dropped = points.log_x > end + 1e-9
        if not dropped.any():
            continue
        distance = points.log_x[dropped] - end
        spread = within(draws(parts, points.center_x + distance))
        allowed = spread + process_variance(data.tau, distance) + data.noise**2
        missed = best(past, points.center_x + points.log_x[dropped]) - points.center_y - points.log_y[dropped]
        ratios.append(np.mean(missed**2 / allowed))
    return float(np.sqrt(np.clip(np.mean(ratios), 1, 4))) if ratios else 1.0
