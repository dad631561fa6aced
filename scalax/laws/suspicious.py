"""Rows that their neighbours do not support: a typing error, a spike, a crash in the last row."""

import numpy as np

from scalax.laws.curves import Points, extent_of
from scalax.laws.flags import Flag
from scalax.laws.noise import FLOOR

LEAST_ROWS = 16  # of different x, to judge one by
SIDE = 3  # neighbours to either side of a row; twice as many before the last
FAR = 7.0  # times the usual distance
ALONE = 3.0  # times the distance of any neighbour: a real break shows in several rows


def without_suspicious(points: Points) -> tuple[Points, list[Flag]]:
    """The points without rows far from the line through their neighbours, and a flag for each."""
    times = distances(points.log_x, points.log_y, FLOOR * points.extent.height)
    far = times > 0
    if not far.any():
        return points, []
    flags = []
    for u, v, t in zip(points.log_x[far], points.log_y[far], times[far], strict=True):
        x, y = float(np.exp(u + points.center_x)), float(np.exp(v + points.center_y))
        flags.append(Flag("suspicious_row", numbers={"x": x, "y": y, "times": float(t)}))
    log_x, log_y = points.log_x[~far], points.log_y[~far]
    kept = points._replace(
        log_x=log_x, log_y=log_y, weights=points.weights[~far], extent=extent_of(log_x, log_y)
    )
    return kept, flags


def distances(log_x: np.ndarray, log_y: np.ndarray, floor: float) -> np.ndarray:
    """[n]: 0 for rows that are in order, and for others how many times farther they are than usual.

    - log_x, log_y: [n], sorted by x. Where an x repeats nothing is judged: its rows tell the noise.
    - floor: least usual distance, in log y.

    A row is compared with the line of median slope through SIDE neighbours on either side; the last row with
    that through the 2 SIDE rows before it, as earlier rows would have been.
    """
    n, none = len(log_x), np.zeros(len(log_x))
    if n < LEAST_ROWS or len(np.unique(log_x)) < n:
        return none
    inside = np.zeros(n)
    for i in range(1, n - 1):
        near = np.r_[max(0, i - SIDE) : i, i + 1 : min(n, i + SIDE + 1)]
        inside[i] = log_y[i] - _line(log_x[near], log_y[near], log_x[i])
    ahead = np.zeros(n)
    for i in range(2 * SIDE, n):
        before = slice(i - 2 * SIDE, i)
        ahead[i] = log_y[i] - _line(log_x[before], log_y[before], log_x[i])
    times = np.zeros(n)
    usual = max(1.48 * float(np.median(np.abs(inside[1:-1]))), floor)
    for i in range(1, n - 2):  # the last but one leans on the last: a bad last row must not condemn it
        around = np.abs(np.r_[inside[max(1, i - SIDE) : i], inside[i + 1 : min(n - 1, i + SIDE + 1)]])
        if abs(inside[i]) > max(FAR * usual, ALONE * around.max()):
            times[i] = abs(inside[i]) / usual
    earlier = ahead[2 * SIDE : -1]
    usual = max(1.48 * float(np.median(np.abs(earlier - np.median(earlier)))), floor)
    away = abs(ahead[-1] - np.median(earlier))
    if not times[-2 * SIDE - 1 :].any() and away > max(
        FAR * usual, ALONE * np.abs(earlier[-2 * SIDE :]).max()
    ):
        times[-1] = away / usual
    return times


def _line(x: np.ndarray, y: np.ndarray, at: float) -> float:
    """The line of median slope through points [m] (Theil 1950, Sen 1968), at one x."""
    i, j = np.triu_indices(len(x), 1)
    slope = np.median((y[j] - y[i]) / (x[j] - x[i]))
    return float(np.median(y - slope * x) + slope * at)
