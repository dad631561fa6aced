"""How noisy a curve's rows are, judged without any law, and whether they were smoothed."""

import numpy as np

from scalax.laws.curves import Curve, Points, clean, resample_log

FLOOR = 0.003  # least noise, as a share of the curve's height in log y: no law is exact to the digit
SMOOTHED_ROWS, SMOOTHED_RISES = 12, 0.02
HIDDEN = 3.0  # noise of single observations over what their lower envelope shows, see hidden_noise


def row_noise(points: Points) -> float:
    """Standard deviation of a row's log y around a smooth curve.

    Every five neighbours have one contrast that a cubic through them leaves; its root mean square over
    the curve, the largest tenth left out, is the noise. Needs six rows; fewer give the floor.
    """
    x, y = points.log_x, points.log_y
    where, index = np.unique(x, return_inverse=True)
    share = np.bincount(index, points.weights)
    mean = np.bincount(index, points.weights * y) / share
    rest = []
    for j in range(len(where) - 4):
        t = where[j : j + 5]
        t = (t - t.mean()) / np.ptp(t)
        contrast = np.linalg.svd(np.vander(t, 4).T)[2][-1]
        rest.append(abs(contrast @ mean[j : j + 5]))
    kept = np.sort(rest)[: int(np.ceil(0.9 * len(rest)))]
    # Cutting a normal's largest tenth leaves a root mean square of 0.77.
    noise = float(np.sqrt(np.mean(kept**2))) * 1.3 if len(rest) > 1 else 0.0
    return max(noise, FLOOR * points.extent.height)


def is_smoothed(points: Points) -> bool:
    """Whether the rows almost never rise: a long series of single noisy evaluations would rise now and then,
    so such rows were smoothed.

    A curve that falls by several times its noise from row to row cannot be told from a smoothed one,
    and counts as one: its bands are wider than they need be, never narrower.
    """
    _, first = np.unique(points.log_x, return_index=True)
    steps = np.diff(points.log_y[first])
    return len(steps) + 1 >= SMOOTHED_ROWS and bool(np.mean(steps > 0) <= SMOOTHED_RISES)


def hidden_noise(seed: int = 0, curves: int = 200) -> float:
    """What `HIDDEN` is: the noise of single observations over `row_noise` of their lower envelope.

    Simulated power laws with independent log noise of 0.3% to 3%, evaluated at 300 even steps, whose
    lower convex hull is read off at 60 points even in log x. Returns the mean ratio.
    """
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(curves):
        sigma = np.exp(rng.uniform(np.log(0.003), np.log(0.03)))
        x = np.arange(1, 301.0)
        y = x ** -rng.uniform(0.1, 0.4) * np.exp(sigma * rng.standard_normal(300))
        points, _ = clean(Curve(*resample_log(*_lower_hull(x, y), n=60)))
        ratios.append(sigma / row_noise(points))
    return float(np.mean(ratios))


def _lower_hull(x, y) -> tuple[np.ndarray, np.ndarray]:
    kept: list[tuple[float, float]] = []
    for at, value in zip(x, y, strict=True):
        while len(kept) > 1:
            (x0, y0), (x1, y1) = kept[-2:]
            if (y1 - y0) * (at - x0) < (value - y0) * (x1 - x0):
                break
            kept.pop()
        kept.append((at, value))
    hull = np.array(kept)
    return hull[:, 0], hull[:, 1]
