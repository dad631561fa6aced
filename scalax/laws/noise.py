"""How noisy a curve's rows are, judged without any law, and whether they were smoothed."""

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from scalax.laws.curves import Curve, Points, clean, resample_log

FLOOR = 0.003  # least noise, as a share of the curve's height in log y: no law is exact to the digit
LEAST_SPARE = 5  # rows beyond one for each x, from which these tell the noise
SMOOTHED_ROWS, SMOOTHED_RISES = 12, 0.02
LEAST_TIES, TIES = 2, 0.2  # steps of exactly nothing, and their share, that tell running minima
SMOOTHED_EXPECTED = 1.5  # rises, where almost none is seen; see README
HIDDEN = 3.0  # noise of single observations over what their lower envelope shows, see hidden_noise


def row_noise(points: Points, level: bool = True) -> float:
    """Standard deviation of a row's log y around a smooth curve: of rows that share an x around their mean,
    and of means of five neighbours around the cubic through them, pooled by how much each says.

    Neighbours: five have one contrast that a cubic leaves; its root mean square over the curve, the largest
    tenth left out, is the noise. Needs six different x, or five rows to spare at shared ones; fewer give
    the floor. Exact copies of a row count once.

    - level: whether five neighbours of one y count; where y is the best so far, they tell nothing of noise.
    """
    x, y = points.log_x, points.log_y
    where, index = np.unique(x, return_inverse=True)
    share = np.bincount(index)
    mean = np.bincount(index, y) / share
    rest = []
    for j in range(len(where) - 4):
        if not level and np.ptp(mean[j : j + 5]) == 0:
            continue
        t = where[j : j + 5]
        t = (t - t.mean()) / np.ptp(t)
        contrast = np.linalg.svd(np.vander(t, 4).T)[2][-1]
        rest.append(abs(contrast @ mean[j : j + 5]) / np.sqrt(np.sum(contrast**2 / share[j : j + 5])))
    kept = np.sort(rest)[: int(np.ceil(0.9 * len(rest)))]
    # Cutting a normal's largest tenth leaves a root mean square of 0.77.
    neighbours = float(np.sqrt(np.mean(kept**2))) * 1.3 if len(rest) > 1 else 0.0
    spare = len(y) - len(where)
    if spare < LEAST_SPARE:
        return max(neighbours, FLOOR * points.extent.height)
    repeats = float(np.sum((y - mean[index]) ** 2) / spare)
    told = len(rest) if len(rest) > 1 else 0
    pooled = np.sqrt((spare * repeats + told * neighbours**2) / (spare + told))
    return max(float(pooled), FLOOR * points.extent.height)


def noise_behind(points: Points) -> float:
    """Standard deviation of the log y of single observations, of which the rows are a lower envelope."""
    return HIDDEN * row_noise(points, level=False)


def fewness(points: Points) -> float:
    """How many times wider than a normal's the 80% band of so few rows is: Student's, as their noise, and
    with it what laws they allow, is judged from the rows themselves. 2.4 for five rows of different x, 1.2
    for six, 1.01 for twelve; with a degree of freedom for each row beyond four, those of twelve held too
    much."""
    different = len(np.unique(points.log_x))
    spare = len(points.log_x) - different
    return float(stdtrit(max(different - 4, 1) ** 2 + spare, 0.9) / ndtri(0.9))


def is_smoothed(points: Points) -> bool:
    """Whether the rows almost never rise although independent noise of the size that they show would have
    made some of them rise: they are then the lower envelope of noisier observations, or were smoothed.

    The rises to be expected are those of steps as irregular as these, around the slope of seven neighbours.
    Rows of different x that share a y, where none rises, are running minima however few they are.
    """
    log_x, first = np.unique(points.log_x, return_index=True)
    log_y = points.log_y[first]
    steps = np.diff(log_y)
    if np.mean(steps > 0) > SMOOTHED_RISES:
        return False
    ties = steps == 0
    if not ties.all() and ties.sum() >= LEAST_TIES and ties.mean() >= TIES:
        return True
    if len(log_x) < SMOOTHED_ROWS:
        return False
    begins = np.clip(np.arange(len(steps)) - 2, 0, len(log_x) - 7)
    slopes = [np.polyfit(log_x[b : b + 7], log_y[b : b + 7], 1)[0] for b in begins]
    smooth = np.array(slopes) * np.diff(log_x)
    spread = np.sqrt(np.mean((steps - smooth) ** 2)) + 1e-12
    return bool(ndtr(smooth / spread).sum() > SMOOTHED_EXPECTED)


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
