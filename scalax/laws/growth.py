"""How the time of fits and forecasts grows with the number of curves and of rows."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from scalax.laws.curves import Curve
from scalax.laws.fitting import fit
from scalax.laws.forecasting import forecast
from scalax.laws.simulated import LAWS, Design, draw

COUNTS = (1, 10, 100, 500)  # of curves
ROWS = (30, 300, 3_000, 30_000, 100_000)  # of a curve
FIVE = ("m1", "m2", "m3", "m4", "bnsl")
FEW = 30  # rows of each of many curves


class Timing(NamedTuple):
    """Of one call, compiled before.

    - what: "five laws", "forecast" or "m2".
    - curves, rows: that it was given; rows of each curve.
    - wall_s, cpu_s: seconds.
    """

    what: str
    curves: int
    rows: int
    wall_s: float
    cpu_s: float


def growth(progress: Callable[[int], object] | None = None) -> list[Timing]:
    """Times of five laws fitted to curves of 30 rows, of their forecasts, and of M2 fitted to one long curve.

    progress: called with the number of calls just done.
    """
    many = _curves(max(COUNTS), FEW)
    calls = [("five laws", many[:count], lambda own: fit(own, FIVE)) for count in COUNTS]
    calls += [("forecast", many[:count], forecast) for count in COUNTS]
    calls += [("m2", _curves(1, count), lambda own: fit(own, ["m2"])) for count in ROWS]
    timings = []
    for what, own, call in calls:
        call(own[:1])  # compiles: all curves of a length share a program
        wall, cpu = time.perf_counter(), time.process_time()
        call(own)
        spent = time.perf_counter() - wall, time.process_time() - cpu
        timings.append(Timing(what, len(own), len(own[0].x), *spent))
        if progress:
            progress(1)
    return timings


def _curves(count: int, rows: int) -> list[Curve]:
    """Of all simulated laws in turn."""
    each = -(-count // len(LAWS))
    drawn = [[truth.curve for truth in draw(law, each, Design(rows=rows))] for law in LAWS]
    return [drawn[i % len(LAWS)][i // len(LAWS)] for i in range(count)]


def power(timings: Sequence[Timing], by: str) -> float:
    """Exponent k of wall time ~ size^k between the two largest sizes.

    - timings: of one kind.
    - by: "curves" or "rows", what grows.
    """
    a, b = sorted(timings, key=lambda timing: getattr(timing, by))[-2:]
    return float(np.log(b.wall_s / a.wall_s) / np.log(getattr(b, by) / getattr(a, by)))
