r"""Ensembles of laws that are plausible given a curve's rows, a prior, and the doubt that any law is exact.

log y = law(log x) + discrepancy + noise. The discrepancy is an integrated Wiener process in log x that
starts at the largest x to fit: no law is exact over decades, so the early part of a curve must not buy
precision at its end. Its variance at a log distance h is tau^2 h^3 / 3, tau = DISCREPANCY times the
curve's own height over its width, in logs: a flat curve has a small discrepancy.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from scalax.errors import UserError
from scalax.laws.batches import in_batches, padded, unit_points
from scalax.laws.curves import Points
from scalax.laws.family import Family
from scalax.laws.law import evaluate
from scalax.laws.noise import row_noise
from scalax.laws.priors import Prior, PriorCoordinates
from scalax.laws.solve import least_squares

DISCREPANCY = 0.18  # least error of inner backtests at twice the x, see README
MEMBERS, STARTS, POLISHED = 64, 32, 4
MOST_ROWS = 240  # longer curves are averaged in bins of log x


class Anchored(NamedTuple):
    """A curve's rows with the end of the data at the origin, and what is assumed about their errors."""

    points: Points
    noise: float  # of a row, in log y
    tau: float  # discrepancy's amplitude, in log y over (log x)^1.5


def anchored(points: Points) -> Anchored:
    """The curve as the search for its laws wants it."""
    there = _thinned(points.anchored())
    return Anchored(there, row_noise(points), DISCREPANCY * points.extent.steepness)


def _thinned(points: Points) -> Points:
    if len(points.log_x) <= MOST_ROWS:
        return points
    edges = np.linspace(points.log_x.min(), points.log_x.max(), MOST_ROWS + 1)[1:-1]
    bins = np.digitize(points.log_x, edges)
    total = np.bincount(bins, points.weights, MOST_ROWS)
    kept = total > 0
    log_x, log_y = (
        np.bincount(bins, points.weights * v, MOST_ROWS)[kept] / total[kept]
        for v in (points.log_x, points.log_y)
    )
    return points._replace(log_x=log_x, log_y=log_y, weights=total[kept])


def process_variance(tau: float, distance: np.ndarray) -> np.ndarray:
    """Variance of the discrepancy at a log distance [n] from the end of the data."""
    return tau**2 * np.maximum(distance, 0) ** 3 / 3


def whitener(a: Anchored) -> np.ndarray:
    """[n, n] that turns log errors of the rows into independent ones of unit variance."""
    h = -a.points.log_x
    near, far = np.minimum(h[:, None], h), np.maximum(h[:, None], h)
    covariance = a.tau**2 * near**2 * (3 * far - near) / 6
    covariance += np.diag(a.noise**2 / a.points.weights)
    return np.linalg.inv(np.linalg.cholesky(covariance))


class Ensemble(NamedTuple):
    """Per curve: the most probable law of a family and draws around it, as p in the data's own units."""

    family: Family
    best: np.ndarray  # [k]
    members: np.ndarray  # [members, k]
    coordinates: np.ndarray  # [members, m], what the prior is about

    def draws(self, log_x: np.ndarray) -> np.ndarray:
        """log y of every member at log x [n]: [members, n]."""
        return evaluate(self.family, self.members, log_x, "samples")

    def predict(self, log_x: np.ndarray) -> np.ndarray:
        """log y [n] of the most probable law at log x [n]."""
        return evaluate(self.family, self.best, log_x)

    @property
    def limit(self) -> float:
        """What the median member tends to as x grows without end."""
        return float(np.exp(np.median([float(self.family.log_limit(p)) for p in self.members])))


def ensembles(
    family: Family, curves: Sequence[Anchored], prior: Prior, draws: int = MEMBERS
) -> list[Ensemble]:
    """Draws by randomised maximum posterior: data and prior mean are perturbed by their own errors, in
    mirrored pairs, and the law refitted. Exact for a law that is linear in its parameters.

    - family: a law that declares what a prior of it is about.
    - curves: anchored at their ends.
    - prior: of the law's coordinates.
    - draws: members of each ensemble; 0: the most probable law is the only one.

    Raises UserError where the law declares no prior.
    """
    about = prior_coordinates(family)
    unit = unit_points(STARTS, len(family.names), 0)
    root = np.linalg.inv(np.linalg.cholesky(prior.covariance))
    search, scatter, coordinates = _programs(family, about.of)

    @functools.cache
    def errors(size: int) -> np.ndarray:
        half = np.random.default_rng(0).standard_normal((draws // 2, len(prior.mean) + size))
        pairs = np.concatenate([half, -half])
        return np.concatenate([pairs[:, len(prior.mean) :], pairs[:, : len(prior.mean)]], 1)

    def inputs(i: int, size: int) -> tuple[np.ndarray, ...]:
        points, n = curves[i].points, len(curves[i].points.log_x)
        white = np.zeros((size, size))
        white[:n, :n] = whitener(curves[i])
        own = errors(size).copy()
        own[:, n:size] = 0
        low, high = family.box(points.extent)
        starts, top = family.starts(points.extent, unit), np.asarray(points.extent.high)
        rows = padded(points.log_x, size), padded(points.log_y, size), white
        return *rows, low, high, starts, top, prior.mean, root, own

    def program(*data):
        *data, own = data
        *_, top, _, _ = data
        best = search(tuple(data))
        members = scatter(best, own, tuple(data)) if draws else best[:, None]
        return best, members, coordinates(members, top)

    found = in_batches([len(a.points.log_x) for a in curves], inputs, program)
    results = []
    for a, (best, members, where) in zip(curves, found, strict=True):
        at = a.points.center_x, a.points.center_y
        results.append(Ensemble(family, family.shift(best[None], *at)[0], family.shift(members, *at), where))
    return results


def prior_coordinates(family: Family) -> PriorCoordinates:
    """Raises UserError where the law declares none."""
    if family.prior is None:
        raise UserError(
            f"law {family.name!r} has no prior, so it cannot be a member of a forecast; leave it out"
        )
    return family.prior


@functools.cache
def _programs(family: Family, of: Callable) -> tuple[Callable, Callable, Callable]:
    """(search, scatter, coordinates), compiled apart, since a forecast without draws needs only the first.
    `search`: inputs of curves -> the best p [c, k]; `scatter`: (best, errors [c, draws, n + m], inputs) ->
    members [c, draws, k]; `coordinates`: (members, top [c]) -> [c, draws, m]."""

    def solve(p, error, max_steps, data):
        log_x, log_y, white, low, high, _, top, mean, root = data

        def residual(q):
            misfit = white @ (family.log_y(q, log_x) - log_y)
            return jnp.concatenate([misfit, root @ (of(q, top) - mean)]) - error

        return least_squares(residual, jnp.ones_like(error), p, low, high, max_steps=max_steps)

    def search(data):
        log_x, *_, starts, _, mean, _ = data
        zero = jnp.zeros(len(log_x) + len(mean))
        screened = jax.vmap(lambda p: solve(p, zero, 15, data))(starts)
        chosen = screened.p[jnp.argsort(screened.cost)[:POLISHED]]
        polished = jax.vmap(lambda p: solve(p, zero, 60, data))(chosen)
        return polished.p[jnp.argmin(polished.cost)]

    def scatter(inputs):
        best, errors, data = inputs
        return jax.vmap(lambda e: solve(best, e, 20, data).p)(errors)

    return (
        jax.jit(lambda data: jax.lax.map(search, data)),
        jax.jit(lambda *all: jax.lax.map(scatter, all)),
        jax.jit(jax.vmap(jax.vmap(of, (0, None)))),
    )
