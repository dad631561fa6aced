"""Covariance of parameters where the objective is not the sum of squared log errors that the noise is made
of."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtr

from scalax.laws.batches import padded, padded_size
from scalax.laws.curves import Points
from scalax.laws.family import Family
from scalax.laws.search import residual
from scalax.laws.solve import HUBER_DELTA

MOST_LEVERAGE = 0.9


def sandwich(family: Family, objective: str, points: Points, p: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Covariance [k, k] of p [k], zero where it is not free [k], by what each row pulls at the solution.

    - objective: "huber", "excess" or "sle1p", see `fit`.
    - points: the rows that were fitted.

    H^-1 (sum of psi_i^2 g_i g_i^T) H^-1 (Huber 1967), each row's residual divided by one minus its leverage
    (MacKinnon and White 1985, HC3). For Huber's loss, whose bend is far smaller than the noise, the part of
    the residuals inside the bend is read off a smooth density of them (Koenker 2005, section 3.4).
    """
    size = padded_size(len(points.log_y))
    log_x, log_y = padded(points.log_x, size), padded(points.log_y, size)
    weights = np.zeros(size)
    weights[: len(points.log_y)] = points.weights
    with jax.enable_x64(True):
        data = map(jnp.asarray, (p, log_x, log_y, weights, points.center_y))
        r, g, hessian = (np.asarray(part) for part in _program(family, objective)(*data))
    n, k = len(points.log_y), int(free.sum())
    r, g, w, hessian = r[:n], g[:n][:, free], weights[:n], hessian[np.ix_(free, free)]
    spread = np.linalg.pinv((g * w[:, None]).T @ g)
    if objective == "huber":
        pull = np.clip(r, -HUBER_DELTA, HUBER_DELTA)
        inner = np.average(pull**2, weights=w) * n / max(n - k, 1) * spread / _share_inside(r, k) ** 2
    else:
        leverage = np.minimum(w * np.einsum("ij,jk,ik->i", g, spread, g), MOST_LEVERAGE)
        pulls = g * (w * r / (1 - leverage))[:, None]
        bread = np.linalg.pinv(hessian)
        inner = bread @ (pulls.T @ pulls) @ bread
    covariance = np.zeros((len(p), len(p)))
    covariance[np.ix_(free, free)] = inner
    return covariance


def _share_inside(r: np.ndarray, k: int) -> float:
    """Expected share of residuals within Huber's delta: of a normal kernel's density of all but the k
    nearest to zero, which a fit of k parameters makes so."""
    kept = r[np.argsort(np.abs(r))[min(k, len(r) - 2) :]]
    middle = np.subtract(*np.quantile(kept, [0.75, 0.25])) / 1.34
    width = max(0.9 * min(kept.std(), middle) * len(kept) ** -0.2, 1e-12)
    return float(np.mean(ndtr((HUBER_DELTA - kept) / width) - ndtr((-HUBER_DELTA - kept) / width)))


@functools.cache
def _program(family: Family, objective: str) -> Callable:
    """(p, log_x, log_y, weights, center_y) -> residuals [n], their Jacobian [n, k], and the Hessian [k, k]
    of half the sum of weighted squares."""

    def of(p, log_x, log_y, weights, center_y):
        own = lambda q: residual(family, objective, q, log_x, log_y, center_y)  # noqa: E731
        half = lambda q: jnp.sum(jnp.where(weights > 0, weights * own(q) ** 2, 0.0)) / 2  # noqa: E731
        return own(p), jax.jacfwd(own)(p), jax.hessian(half)(p)

    return jax.jit(of)
