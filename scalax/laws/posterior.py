r"""Ensembles of laws that a curve's rows, a prior and doubt about the law itself leave possible.

log y = law(log x) + discrepancy + noise. The discrepancy is an integrated Wiener process in log x that
starts at the largest x to fit: no law is exact over decades, so the early part of a curve must not buy
precision at its end. Its variance at a log distance h is tau^2 h^3 / 3, tau = DISCREPANCY times the
curve's own height over its width, in logs: a flat curve has a small discrepancy.
"""

import functools
import json
from collections.abc import Callable
from importlib import resources
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from scalax.laws.curves import Points
from scalax.laws.fitting import CHUNK, FAMILIES, padded_size, unit_points
from scalax.laws.noise import row_noise
from scalax.laws.solve import least_squares

DISCREPANCY = 0.18  # least error of inner backtests at twice the x, see README
MEMBERS, STARTS, POLISHED = 64, 32, 4
MOST_ROWS = 240  # longer curves are averaged in bins of log x


class Prior(NamedTuple):
    """A Gaussian over a family's free coordinates (see COORDINATES)."""

    mean: np.ndarray  # [m]
    covariance: np.ndarray  # [m, m]


class Coordinates(NamedTuple):
    """What a prior is about: numbers that rescaling x or y leaves alone, of p anchored at the end."""

    of: Callable  # (p [k], log y at the top) -> [m]; traced
    wide: Prior  # before any curve was seen


def _wide(mean, deviation) -> Prior:
    return Prior(np.array(mean, float), np.diag(np.square(np.array(deviation, float))))


# With the end of the data at log x = log y = 0: limits are relative to the last y, bends to the last x.
COORDINATES = {
    "m3": Coordinates(lambda p, top: jnp.stack([p[1], p[2]]), _wide([-2, -1], [2, 1])),
    "m4": Coordinates(
        lambda p, top: jnp.stack([p[0], p[1] - top, p[2], p[4]]),
        _wide([-1, 0.1, 0, -0.5], [1.5, 0.3, 0.7, 0.7]),
    ),
    "bnsl": Coordinates(
        lambda p, top: jnp.stack([p[0], p[2], p[2] + p[3], p[4], p[5]]),
        _wide([-1.5, 0.1, 0.4, -3, -0.5], [1.5, 0.3, 0.3, 2, 0.8]),
    ),
}
MEMBERS_OF_AUTO = tuple(COORDINATES)


class Anchored(NamedTuple):
    """A curve's rows with the end of the data at the origin, and what is assumed about their errors."""

    points: Points
    noise: float  # of a row, in log y
    tau: float  # discrepancy's amplitude, in log y over (log x)^1.5


def anchored(points: Points) -> Anchored:
    right, last, span = points.span.right, points.span.last, points.span
    moved = span._replace(
        left=span.left - right, right=0.0, low=span.low - last, high=span.high - last, first=span.first - last
    )._replace(last=0.0)
    there = points._replace(
        log_x=points.log_x - right,
        log_y=points.log_y - last,
        center_x=points.center_x + right,
        center_y=points.center_y + last,
        span=moved,
    )
    return Anchored(_thinned(there), row_noise(points), DISCREPANCY * span.steepness)


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


def process_variance(tau: float, distance):
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
    """Per curve: the most probable law and draws around it, as p in the data's own units."""

    best: np.ndarray  # [k]
    members: np.ndarray  # [members, k]
    coordinates: np.ndarray  # [members, m], what the prior is about


@functools.cache
def _programs(name: str):
    """(search, scatter), compiled apart, since a forecast without draws needs only the first. `search`:
    inputs of curves -> the best p [c, k]; `scatter`: (best, errors [c, draws, n + m], inputs) -> members
    [c, draws, k]."""
    family, of = FAMILIES[name], COORDINATES[name].of

    def solve(p, error, max_steps, data):
        log_x, log_y, white, low, high, _, top, mean, root = data

        def residual(q):
            misfit = white @ (family.log_y(q, log_x) - log_y)
            return jnp.concatenate([misfit, root @ (of(q, top) - mean)]) - error

        return least_squares(residual, jnp.ones_like(error), p, low, high, max_steps=max_steps)

    def search(data):
        zero = jnp.zeros(len(data[0]) + len(data[7]))
        screened = jax.vmap(lambda p: solve(p, zero, 15, data))(data[5])
        chosen = screened.p[jnp.argsort(screened.cost)[:POLISHED]]
        polished = jax.vmap(lambda p: solve(p, zero, 60, data))(chosen)
        return polished.p[jnp.argmin(polished.cost)]

    def scatter(inputs):
        best, errors, data = inputs
        return jax.vmap(lambda e: solve(best, e, 20, data).p)(errors)

    return jax.jit(lambda data: jax.lax.map(search, data)), jax.jit(lambda *all: jax.lax.map(scatter, all))


@functools.cache
def _coordinates(name: str):
    return jax.jit(jax.vmap(jax.vmap(COORDINATES[name].of, (0, None))))


def ensembles(name: str, curves: list[Anchored], prior: Prior, draws: int = MEMBERS) -> list[Ensemble]:
    """Draws by randomised maximum posterior: data and prior mean are perturbed by their own errors, in
    mirrored pairs, and the law refitted. Exact for a law that is linear in its parameters. With no draws
    the most probable law is the only member."""
    family = FAMILIES[name]
    unit = unit_points(STARTS, len(family.names), 0)
    root = np.linalg.inv(np.linalg.cholesky(prior.covariance))
    search, scatter = _programs(name)
    results: list = [None] * len(curves)
    sizes = [padded_size(len(a.points.log_x)) for a in curves]
    for size in sorted(set(sizes)):
        half = np.random.default_rng(0).standard_normal((draws // 2, len(prior.mean) + size))
        errors = np.concatenate([half, -half])
        errors = np.concatenate([errors[:, len(prior.mean) :], errors[:, : len(prior.mean)]], 1)
        group = [i for i, s in enumerate(sizes) if s == size]
        for begin in range(0, len(group), CHUNK):
            chunk = group[begin : begin + CHUNK]
            rows = [_inputs(family, curves[i], size, unit, prior, root, errors) for i in chunk]
            rows += rows[:1] * (CHUNK - len(chunk)) if len(chunk) < CHUNK else []
            with jax.enable_x64(True):
                *data, own = (jnp.asarray(np.stack(c)) for c in zip(*rows, strict=True))
                best = search(tuple(data))
                members = scatter(best, own, tuple(data)) if draws else best[:, None]
                about = np.asarray(_coordinates(name)(members, data[6]))
            best, members = np.asarray(best), np.asarray(members)
            for j, i in enumerate(chunk):
                at = curves[i].points.center_x, curves[i].points.center_y
                results[i] = Ensemble(
                    family.shift(best[j][None], *at)[0], family.shift(members[j], *at), about[j]
                )
    return results


def _inputs(family, a: Anchored, size, unit, prior, root, errors):
    n = len(a.points.log_x)
    log_x, log_y = (np.concatenate([v, np.repeat(v[:1], size - n)]) for v in (a.points.log_x, a.points.log_y))
    white = np.zeros((size, size))
    white[:n, :n] = whitener(a)
    mine = errors.copy()
    mine[:, n:size] = 0
    low, high = family.box(a.points.span)
    starts = family.starts(a.points.span, unit)
    return log_x, log_y, white, low, high, starts, a.points.span.high, prior.mean, root, mine


def load_priors() -> dict[str, Prior]:
    """The priors that come with the package, learned by `python -m scalax.laws.learn`."""
    data = json.loads(resources.files("scalax.laws").joinpath("priors.json").read_text())["priors"]
    return {name: Prior(np.array(p["mean"]), np.array(p["covariance"])) for name, p in data.items()}
