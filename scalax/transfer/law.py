"""The law e_DS = k e_US^alpha + e_IR, fitted to any number of sets of models at once."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

ALPHA = (0.02, 30.0)  # least and greatest alpha
COARSE, SECTIONS = 41, 40  # values of alpha tried first; golden sections around the best of them
GOLDEN = (np.sqrt(5) - 1) / 2
RENEWALS, NEAR, NEAR_SECTIONS = (
    12,
    0.3,
    8,
)  # of weights; log alpha moves by at most this, found in golden sections
CLOSE = 0.7  # residuals within this share of the rms weigh alike, at each renewal this much less
CELLS = 60_000  # of e_US at once


class Laws(NamedTuple):
    """Laws of transfer, e_DS = k e_US^alpha + e_IR (Abnar et al. 2021, eq. 1).

    - k: [...], at least 0. Where it is 0, nothing downstream depends on upstream.
    - alpha: [...], above 0; nan where k is 0.
    - e_ir: [...], at least 0: the downstream error at upstream error 0, the level of saturation.
    - rms: [...], root mean square residual of what it was fitted to.
    """

    k: np.ndarray
    alpha: np.ndarray
    e_ir: np.ndarray
    rms: np.ndarray

    def predict(self, e_us: ArrayLike) -> np.ndarray:
        """Downstream errors at upstream errors: [..., n], where the laws are [...] and e_us [n] or [..., n].

        >>> law = Laws(*map(np.array, (0.5, 2.0, 0.1, 0.0)))
        >>> law.predict([0.0, 0.2]).round(6).tolist()
        [0.1, 0.12]
        """
        k, alpha, e_ir = (np.asarray(value)[..., None] for value in (self.k, self.alpha, self.e_ir))
        return np.where(k > 0, k * power(np.asarray(e_us, float), np.nan_to_num(alpha, nan=1.0)), 0.0) + e_ir


def power(e_us: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """e_us^alpha, 0 at 0."""
    with np.errstate(divide="ignore"):
        return np.exp(alpha * np.log(e_us))


def fit_laws(e_us: ArrayLike, e_ds: ArrayLike, weights: ArrayLike | None = None) -> Laws:
    """Least squares of e_DS, with k and e_IR at least 0: for each alpha both are in closed form, and alpha is
    searched in a grid that closes in on the best.

    - e_us, e_ds: [..., n], upstream and downstream errors.
    - weights: [..., n], at least 0, e.g. how often a resample has a model; all 1 without. Where it is 0, the
      errors may be nan.

    Where weights leave fewer than three models, alpha is 1: a straight line.

    >>> e_us = np.linspace(0.2, 0.8, 9)
    >>> law = fit_laws(e_us, 0.6 * e_us**1.5 + 0.1)
    >>> [round(float(value), 6) for value in law]
    [0.6, 1.5, 0.1, 0.0]
    """
    w = np.ones(1) if weights is None else np.asarray(weights, float)
    return _in_parts(_fit, np.asarray(e_us, float), np.asarray(e_ds, float), w)


def fit_quantile(e_us: ArrayLike, e_ds: ArrayLike, below: float) -> Laws:
    """The law that a share of the models lies below: the least sum of |residual|, where one above the law
    weighs `below` and one below it 1 - `below` (Koenker and Bassett 1978, 'Regression quantiles').

    It is fitted by weighted least squares, with weights renewed until they settle.

    - e_us, e_ds: [..., n].
    - below: share of the models, 0..1.

    >>> e_us = np.repeat(np.linspace(0.2, 0.8, 9), 11)
    >>> above = np.tile(np.linspace(0, 0.1, 11), 9)
    >>> law = fit_quantile(e_us, 0.6 * e_us**1.5 + 0.1 + above, 0.1)
    >>> round(float(law.e_ir), 3)
    0.11
    """

    def fit(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> Laws:
        law = _fit(x, y, w)
        for i in range(RENEWALS):
            residual = y - law.predict(x)
            size = np.maximum(np.abs(residual), CLOSE ** (1 + i) * law.rms[:, None] + 1e-12)
            around = np.log(np.nan_to_num(law.alpha, nan=1.0)) if i else None
            law = _fit(x, y, w * np.where(residual < 0, 1 - below, below) / size, around)
        level = np.quantile(y - (law.predict(x) - law.e_ir[:, None]), below, axis=1)
        law = law._replace(e_ir=np.maximum(level, 0.0))  # the best for its k and alpha
        return law._replace(rms=np.sqrt(np.mean((y - law.predict(x)) ** 2, 1)))

    return _in_parts(fit, np.asarray(e_us, float), np.asarray(e_ds, float), np.ones(1))


def _in_parts(fit: Callable[..., Laws], x: np.ndarray, y: np.ndarray, w: np.ndarray) -> Laws:
    """fit of x, y, w, each [..., n], a part at a time."""
    shape = np.broadcast_shapes(x.shape, y.shape, w.shape)
    x, y, w = (np.broadcast_to(a, shape).reshape(-1, shape[-1]) for a in (x, y, w))
    step = max(1, CELLS // max(1, shape[-1]))
    parts = [fit(*(a[i : i + step] for a in (x, y, w))) for i in range(0, len(x), step)]
    return Laws(*(np.concatenate(column).reshape(shape[:-1]) for column in zip(*parts, strict=True)))


def _fit(x: np.ndarray, y: np.ndarray, w: np.ndarray, around: np.ndarray | None = None) -> Laws:
    """The laws [b] of x, y, w [b, n]; around: [b], log alpha is searched near it alone."""
    sums = _Sums(x, y, w)
    grid, sections = np.linspace(np.log(ALPHA[0]), np.log(ALPHA[1]), COARSE), SECTIONS
    if around is None:
        costs = np.stack([sums.linear(np.full(len(x), at))[2] for at in grid], 1)
        best = costs.argmin(1)
        low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, COARSE - 1)]
    else:
        (low, high), sections = np.clip([around - NEAR, around + NEAR], grid[0], grid[-1]), NEAR_SECTIONS
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    cost_left, cost_right = sums.linear(left)[2], sums.linear(right)[2]
    for _ in range(sections):
        lower = cost_left <= cost_right  # the least lies in [low, right], else in [left, high]
        low, high = np.where(lower, low, left), np.where(lower, right, high)
        new = np.where(lower, high - GOLDEN * (high - low), low + GOLDEN * (high - low))
        cost = sums.linear(new)[2]
        left, right = np.where(lower, new, right), np.where(lower, left, new)
        cost_left, cost_right = np.where(lower, cost, cost_right), np.where(lower, cost_left, cost)
    at = np.where((w > 0).sum(1) < 3, 0.0, (low + high) / 2)
    alpha = np.exp(at)
    k, e_ir, _ = sums.linear(at)
    laws = Laws(k / sums.top**alpha, np.where(k > 0, alpha, np.nan), e_ir, np.zeros(len(x)))
    residual = np.where(w > 0, sums.y - laws.predict(sums.x), 0.0)
    return laws._replace(rms=np.sqrt((w * residual**2).sum(1) / sums.total))


class _Sums:
    """Least squares of y = k (x / top)^alpha + e_IR for any alpha, of sets [b, n] at once."""

    def __init__(self, x: np.ndarray, y: np.ndarray, w: np.ndarray):
        used = w > 0
        self.x, self.y = np.where(used, x, 1.0), np.where(used, y, 0.0)
        top = np.max(np.where(used, x, 0.0), 1)
        self.top = np.where(top > 0, top, 1.0)  # powers of x / top are never all tiny
        with np.errstate(divide="ignore"):
            self.log_x = np.where(used, np.log(self.x / self.top[:, None]), 0.0)
        self.w, self.alike = w, bool(np.all(w == 1))
        total = w.sum(1)
        self.total = np.where(total > 0, total, 1.0)
        self.wy = w * self.y
        self.sum_y, self.yy = self.wy.sum(1), (self.wy * self.y).sum(1)
        self.work = np.empty_like(self.x)

    def linear(self, log_alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """k and e_IR, both at least 0, and the cost; each [b], as log_alpha."""
        u = np.exp(np.multiply(np.exp(log_alpha)[:, None], self.log_x, out=self.work), out=self.work)
        sum_u = u.sum(1) if self.alike else np.einsum("bn,bn->b", self.w, u)
        uy = np.einsum("bn,bn->b", self.wy, u)
        uu = np.einsum("bn,bn->b", u, u) if self.alike else np.einsum("bn,bn,bn->b", self.w, u, u)
        var, cov = uu - sum_u**2 / self.total, uy - sum_u * self.sum_y / self.total
        k = np.maximum(np.where(var > 1e-13 * uu, cov / np.where(var > 0, var, 1.0), 0.0), 0.0)
        e_ir = (self.sum_y - k * sum_u) / self.total
        k = np.where(e_ir < 0, np.maximum(uy / np.where(uu > 0, uu, 1.0), 0.0), k)
        e_ir = np.maximum(e_ir, 0.0)
        cost = self.yy - 2 * (k * uy + e_ir * self.sum_y) + k**2 * uu + 2 * k * e_ir * sum_u
        return k, e_ir, cost + e_ir**2 * self.total
