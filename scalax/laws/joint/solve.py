"""Huber's loss of the log error of a law of several variables, minimised for many weightings at once."""

import itertools
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from scalax.laws.joint.form import Form

DELTA = 1e-3  # where Huber's loss bends, in log y: that of the published fits
FIRST_DELTA, STAGES = 0.1, 6  # the bend comes down to DELTA in stages: so sharp a one has no slope to follow
STAGE_STEPS, LAST_STEPS = 12, 200
GRID = {1: 24, 2: 10, 3: 6, 4: 4, 5: 3}  # exponents tried, by the number of variables
FALLS = (0.2, 15.0)  # least and most of a term's log fall over the data, of the exponents tried
POLISHED = 12
LEAST_SHARE = 1e-7  # of y: what a term that least squares leaves out starts from
RIDGE = 1e-10  # share of the curvature's trace that is added in every direction
SETTLED = 1e-10  # relative change of the loss


class Problem(NamedTuple):
    """Rows in logs: log_x [n, v], centred; log_y [n]; form."""

    log_x: np.ndarray
    log_y: np.ndarray
    form: Form


class Solved(NamedTuple):
    """Best p [R, k] and its loss [R] for each weighting: log E, log scales at the centre, log exponents."""

    p: np.ndarray
    loss: np.ndarray
    settled: np.ndarray


def solve(problem: Problem, weights: np.ndarray, start: np.ndarray | None = None) -> Solved:
    """Minimise the weighted loss.

    - problem: the rows.
    - weights: [R, n], not negative.
    - start: p [k] to begin all from; None: what a search for the first weighting finds.
    """
    begin = start
    if begin is None:
        starts = search(problem, weights[0])
        first = _polish(problem, np.repeat(weights[:1], len(starts), 0), starts)
        begin = first.p[np.argmin(first.loss)]
    return _polish(problem, weights, np.repeat(begin[None], len(weights), 0))


def search(problem: Problem, weights: np.ndarray) -> np.ndarray:
    """p [POLISHED, k] to start from, by variable projection: for exponents on a grid, the limit and the
    scales are those of non-negative least squares of the relative error, in closed form."""
    log_x, log_y, form = problem
    n, v = log_x.shape
    width = np.maximum(np.ptp(log_x, axis=0), 1e-9)
    falls = np.geomspace(*FALLS, GRID[v])
    if form.shared:
        tried = [np.full(v, fall / width.max()) for fall in np.geomspace(*FALLS, GRID[1])]
    else:
        tried = [np.array(each) / width for each in itertools.product(falls, repeat=v)]
    root, shrink = np.sqrt(weights), np.exp(-log_y)
    found = []
    for exponents in tried:
        columns = np.exp(-exponents * log_x)
        if form.limit:
            columns = np.column_stack([np.ones(n), columns])
        scale = columns.max(0)
        linear, missed = nnls((root * shrink)[:, None] * (columns / scale), root)
        linear = np.maximum(linear / scale, LEAST_SHARE * np.exp(np.median(log_y)) / scale)
        logs = np.log(exponents[:1] if form.shared else exponents)
        found.append((missed, np.concatenate([np.log(linear), logs])))
    found.sort(key=lambda each: each[0])
    return np.array([p for _, p in found[:POLISHED]])


def _polish(problem: Problem, weights: np.ndarray, p: np.ndarray) -> Solved:
    """Damped Newton steps, the bend coming down to DELTA."""
    deltas = np.geomspace(FIRST_DELTA, DELTA, STAGES)
    loss, settled = np.zeros(len(p)), np.zeros(len(p), bool)
    for delta in deltas:
        steps = LAST_STEPS if delta == deltas[-1] else STAGE_STEPS
        p, loss, settled = _newton(problem, weights, p, delta, steps)
    return Solved(p, loss, settled)


def _newton(
    problem: Problem, weights: np.ndarray, p: np.ndarray, delta: float, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps of each weighting until it settles. The curvature is that of the rows inside the bend, as Huber's
    loss has it, and `damping` times that of reweighted least squares, which is never too small."""
    damping, settled = np.ones(len(p)), np.zeros(len(p), bool)
    loss, gradient, inside, whole = _expand(problem, weights, p, delta)
    for _ in range(steps):
        own = np.flatnonzero(~settled)
        if not len(own):
            break
        curvature = inside[own] + damping[own, None, None] * whole[own]
        least = RIDGE * (1 + damping[own]) * np.trace(whole[own], axis1=1, axis2=2) + 1e-100
        curvature += least[:, None, None] * np.eye(p.shape[1])  # for what the rows do not determine
        step = np.linalg.solve(curvature, gradient[own][..., None])[..., 0]
        moved = p[own] - np.clip(step, -2.0, 2.0)
        tried = _expand(problem, weights[own], moved, delta)
        better = tried[0] < loss[own]
        gain = loss[own] - tried[0]
        good = own[better]
        settled[good] = gain[better] < SETTLED * np.maximum(loss[good], 1e-300)
        p[good] = moved[better]
        for kept, new in zip((loss, gradient, inside, whole), tried, strict=True):
            kept[good] = new[better]
        damping[good] = np.maximum(damping[good] / 4, 1e-6)
        damping[own[~better]] *= 6
        settled |= damping > 1e9
    return p, loss, settled


def _expand(problem: Problem, weights: np.ndarray, p: np.ndarray, delta: float) -> tuple[np.ndarray, ...]:
    """Loss [R], gradient [R, k], and curvatures [R, k, k]: of the rows inside the bend, and reweighted."""
    r, turn = residuals(problem, p)
    size = np.abs(r)
    inside = size <= delta
    loss = (weights * np.where(inside, r**2 / 2, delta * (size - delta / 2))).sum(1)
    gradient = np.einsum("rn,rnk->rk", weights * np.clip(r, -delta, delta), turn)
    pull = np.sqrt(weights)[..., None] * turn
    within = pull * inside[..., None]
    eased = pull * np.sqrt(np.minimum(1, delta / np.maximum(size, 1e-300)))[..., None]
    return loss, gradient, within.swapaxes(1, 2) @ within, eased.swapaxes(1, 2) @ eased


def residuals(problem: Problem, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log errors [R, n] of p [R, k], and their derivatives [R, n, k]."""
    log_x, log_y, form = problem
    v = log_x.shape[1]
    spread = form.to_internal(v)
    internal = p @ spread.T  # [R, 1 + 2v]
    log_limit = internal[:, :1] if form.limit else np.full((len(p), 1), -np.inf)
    exponents = np.exp(internal[:, 1 + v :])
    terms = internal[:, None, 1 : 1 + v] - exponents[:, None] * log_x  # [R, n, v]
    terms = np.concatenate([np.broadcast_to(log_limit[:, None], (*terms.shape[:2], 1)), terms], 2)
    top = terms.max(2, keepdims=True)
    shares = np.exp(terms - top)
    total = shares.sum(2, keepdims=True)
    shares /= total
    turn = np.concatenate([shares, -shares[..., 1:] * exponents[:, None] * log_x], 2)
    return (top + np.log(total))[..., 0] - log_y, turn @ spread
