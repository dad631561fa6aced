r"""What curves that share a group have in common: normal random effects, by empirical Bayes.

Of curve i, coordinates z_i [m] that are standard normal before any curve is seen:

    z_i = sum over effects e of b_{e, group of i} + rest_i,
    b_e ~ N(0, diag(rho_e)),  rest_i ~ N(0, diag(1 - sum of rho_e))

so that a share of zero is the prior as it was, and a large one makes the curves of a group alike. What a
curve's rows say of z_i is a normal likelihood, as precision and score (precision times place); it may be flat
in some directions.
"""

from typing import NamedTuple

import numpy as np

MOST = 0.98  # of the variance, that groups may have in common
GRID = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.96, 1.0])  # of what is left of it, tried for each share
NONE = 0.5  # probability before any curve is seen that a share is zero
SWEEPS = 2


class Told(NamedTuple):
    """What the rows of n curves say of z: exp(-z' precision z / 2 + score' z)."""

    precision: np.ndarray  # [n, m, m]
    score: np.ndarray  # [n, m]


def shares(told: Told, groups: np.ndarray) -> np.ndarray:
    """rho [effects, m]: the mean of each share's probability, given the others' means, in turn.

    - groups: [n, effects], numbers of groups, which differ between effects too.
    """
    rho = np.zeros((groups.shape[1], told.score.shape[1]))
    prior = np.log(np.where(GRID == 0, NONE, (1 - NONE) / (len(GRID) - 1)))
    for _ in range(SWEEPS):
        for e, c in np.ndindex(rho.shape):
            left = MOST - rho[:, c].sum() + rho[e, c]
            tried = []
            for share in GRID:
                rho[e, c] = left * share
                tried.append(_log_likelihood(told, groups, rho))
            chance = np.exp(prior + tried - np.max(prior + tried))
            rho[e, c] = left * float(chance @ GRID / chance.sum())
    return rho


def left_out(told: Told, groups: np.ndarray, rho: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [n, m] and covariance [n, m, m] of each z_i, given the other curves' rows alone."""
    s = _system(told, groups, rho)
    inverse = np.linalg.inv(s.common)
    effect = (inverse @ s.pull.ravel()).reshape(s.pull.shape)
    number, m = s.pull.shape
    inverse = inverse.reshape(number, m, number, m).transpose(0, 2, 1, 3)
    root, own = np.sqrt(rho), range(len(rho))
    mean = sum(root[e] * effect[groups[:, e]] for e in own)
    spread = sum(
        root[e][:, None] * inverse[groups[:, e], groups[:, f]] * root[f][None] for e in own for f in own
    )
    # Without the curve's own part: a change of rank m of the effects' precision.
    without = np.eye(m) - spread @ s.omega
    mean = np.linalg.solve(without, (mean - np.einsum("nij,nj->ni", spread, s.told))[..., None])[..., 0]
    covariance = np.linalg.solve(without, spread) + np.diag(1 - rho.sum(0))
    return mean, (covariance + covariance.transpose(0, 2, 1)) / 2


class _System(NamedTuple):
    """- omega: [n, m, m], precision of z_i less its rest; told: [n, m], score of the same.
    - common: [number m, number m], precision of the effects over the roots of their shares.
    - pull: [number, m], their score.
    - alone: log likelihood where all effects are zero.
    """

    omega: np.ndarray
    told: np.ndarray
    common: np.ndarray
    pull: np.ndarray
    alone: float


def _system(told: Told, groups: np.ndarray, rho: np.ndarray) -> _System:
    m, number, root = told.score.shape[1], int(groups.max()) + 1, np.sqrt(rho)
    rest = 1 - rho.sum(0)
    inner = np.eye(m) + told.precision * rest
    omega = np.linalg.solve(inner, told.precision)
    score = np.linalg.solve(inner, told.score[..., None])[..., 0]
    common, pull = np.zeros((number, number, m, m)), np.zeros((number, m))
    common[np.arange(number), np.arange(number)] = np.eye(m)
    for e in range(len(rho)):
        np.add.at(pull, groups[:, e], root[e] * score)
        for f in range(len(rho)):
            np.add.at(common, (groups[:, e], groups[:, f]), root[e][:, None] * omega * root[f])
    alone = (np.sum(told.score * rest * score) - np.linalg.slogdet(inner)[1].sum()) / 2
    return _System(omega, score, common.transpose(0, 2, 1, 3).reshape(number * m, -1), pull, float(alone))


def _log_likelihood(told: Told, groups: np.ndarray, rho: np.ndarray) -> float:
    s = _system(told, groups, rho)
    pull = s.pull.ravel()
    return s.alone + float(pull @ np.linalg.solve(s.common, pull) - np.linalg.slogdet(s.common)[1]) / 2
