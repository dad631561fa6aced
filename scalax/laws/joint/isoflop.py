"""The best size at a budget, by parabolas through runs of one compute, and how far their grid misleads."""

from dataclasses import dataclass

import numpy as np

from scalax.errors import UserError
from scalax.laws.joint.form import JointLaw

NEAR = 0.15  # log compute: rows within it of a level belong to it
LEAST_ROWS = 5  # of different sizes, of a level
LEAST_SPAN = np.log(3)  # of a level's log sizes
LEAST_LEVELS = 3  # for a power law through their minima
RUN_LEVELS = 8  # levels read off runs that were measured at several budgets


@dataclass(frozen=True)
class Level:
    """Rows of about one compute, and the parabola of log y through them against log size.

    - flops: their compute.
    - rows: [m], indices of the rows.
    - log_size, log_y: [m]; log y is moved to `flops` along the rows' own slope in compute.
    - best_log_size: log size at the minimum; nan where the parabola has none.
    - best_log_y: there.
    - inside: whether the minimum lies within the sizes of the rows.
    - bias: how far the minimum of the parabola is from that of a law sampled at the same rows without noise,
      as log size; nan without a law.
    """

    flops: float
    rows: np.ndarray
    log_size: np.ndarray
    log_y: np.ndarray
    parabola: np.ndarray
    best_log_size: float
    best_log_y: float
    inside: bool
    bias: float = np.nan


def levels_of(log_flops: np.ndarray, log_size: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Levels of compute that many rows share, from low to high: (log compute, rows [m]).

    - log_flops, log_size: [n], of the rows.

    The compute that most free rows lie near comes first, and takes them; so on while one has LEAST_ROWS rows
    of different sizes.
    """
    free = np.ones(len(log_flops), bool)
    found = []
    while free.any():
        near = (np.abs(log_flops[:, None] - log_flops) < NEAR) & free & free[:, None]
        middle = np.median(log_flops[near[near.sum(1).argmax()]])
        rows = np.flatnonzero(free & (np.abs(log_flops - middle) < NEAR))
        if len(np.unique(log_size[rows])) < LEAST_ROWS:
            break
        free &= np.abs(log_flops - middle) >= 2 * NEAR
        if np.ptp(log_size[rows]) < LEAST_SPAN:
            continue
        found.append((float(np.median(log_flops[rows])), rows))
    return sorted(found, key=lambda each: each[0])


def fit_parabola(
    log_size: np.ndarray, log_flops: np.ndarray, log_y: np.ndarray, weights: np.ndarray, at: float
) -> np.ndarray:
    """[4]: curvature, slope and height of a parabola in log size about the rows' middle, and the slope of
    log y in log compute, which moves rows to the level `at`; 0 where they lie on it."""
    u, c = log_size - log_size.mean(), log_flops - at
    columns = np.stack([u**2, u, np.ones_like(u), c], 1)
    if np.ptp(c) < 1e-3 or len(u) < LEAST_ROWS + 1:
        columns = columns[:, :3]
    root = np.sqrt(weights)[:, None]
    found = np.linalg.lstsq(columns * root, log_y * root[:, 0], rcond=None)[0]
    return np.append(found, 0.0)[:4]


def minimum(parabola: np.ndarray, middle: float) -> tuple[float, float]:
    """(log size, log y) of the least; nan where the parabola opens downwards. middle: of the rows' sizes."""
    curvature, slope, height, _ = parabola
    if curvature <= 0:
        return np.nan, np.nan
    return middle - slope / (2 * curvature), height - slope**2 / (4 * curvature)


def fit_levels(
    log_size: np.ndarray,
    log_flops: np.ndarray,
    log_y: np.ndarray,
    groups: list[tuple[float, np.ndarray]],
    weights: np.ndarray | None = None,
    law_log_y: np.ndarray | None = None,
    best: np.ndarray | None = None,
) -> list[Level]:
    """The parabola of each level.

    - log_size, log_flops, log_y: [n], of the rows.
    - groups: of `levels_of`.
    - weights: [n], how often each row counts (None: once).
    - law_log_y: [n], of a law at the rows, and
    - best: [levels], the log size that is best by it at each level: what the grid's bias is measured by.
    """
    found = []
    for i, (at, rows) in enumerate(groups):
        own = np.ones(len(rows)) if weights is None else weights[rows]
        if len(np.unique(log_size[rows][own > 0])) < 4:
            continue
        u, c, middle = log_size[rows], log_flops[rows], log_size[rows].mean()
        parabola = fit_parabola(u, c, log_y[rows], own, at)
        size, least = minimum(parabola, middle)
        bias = np.nan
        if law_log_y is not None and best is not None:
            seen, _ = minimum(fit_parabola(u, c, law_log_y[rows], own, at), middle)
            bias = seen - best[i]
        moved = log_y[rows] - parabola[3] * (c - at)
        inside = bool(u.min() <= size <= u.max())
        found.append(Level(float(np.exp(at)), rows, u, moved, parabola, size, least, inside, bias))
    return found


def power_law(levels: list[Level]) -> tuple[float, float]:
    """(slope, height) of log of the best size = slope log FLOPs + height, through minima within rows' sizes.

    Raises UserError with fewer than LEAST_LEVELS.
    """
    kept = [level for level in levels if level.inside]
    if len(kept) < LEAST_LEVELS:
        raise UserError(
            f"parabolas need {LEAST_LEVELS} levels of compute with a minimum inside, found {len(kept)};"
            " add runs of other sizes at the same compute"
        )
    slope, height = np.polyfit(np.log([v.flops for v in kept]), [v.best_log_size for v in kept], 1)
    return float(slope), float(height)


def along_runs(
    run: np.ndarray, log_size: np.ndarray, log_flops: np.ndarray, log_y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows read off runs that were measured at several budgets, at RUN_LEVELS levels that they share:
    run, log size, log FLOPs and log y [m], by interpolation along each run.

    - run, log_size, log_flops, log_y: [n], of the rows.
    """
    names = np.unique(run)
    spans = {name: (log_flops[run == name].min(), log_flops[run == name].max()) for name in names}
    begins, ends = (np.sort([span[i] for span in spans.values()]) for i in range(2))
    few = min(LEAST_ROWS, len(names)) - 1
    low, high = begins[few], ends[::-1][few]
    found = []
    for at in np.linspace(low, high, RUN_LEVELS) if low < high else ():
        for name in names:
            own = run == name
            if spans[name][0] <= at <= spans[name][1]:
                order = np.argsort(log_flops[own])
                value = np.interp(at, log_flops[own][order], log_y[own][order])
                found.append((name, log_size[own][0], at, value))
    if not found:
        return run[:0], log_size[:0], log_flops[:0], log_y[:0]
    names_of, sizes, flops, values = zip(*found, strict=True)
    return np.array(names_of), np.array(sizes), np.array(flops), np.array(values)


def best_of_law(law: JointLaw, log_flops: np.ndarray, log_factor: float) -> np.ndarray:
    """Log size [m] that is best at log FLOPs [m] by y = E + A N^-alpha + B D^-beta, FLOPs = factor N D."""
    (log_a, log_b), (alpha, beta) = law.log_scales, law.exponents
    log_g = (np.log(alpha / beta) + log_a - log_b) / (alpha + beta)
    return log_g + beta / (alpha + beta) * (log_flops - log_factor)
