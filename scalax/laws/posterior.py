r"""Laws that are plausible given a curve's rows, priors, and the doubt that any law is exact.

log y = law(log x) + discrepancy + noise. The discrepancy is an integrated Wiener process in log x that
starts at the largest x to fit: no law is exact over decades, so the early part of a curve must not buy
precision at its end. Its variance at a log distance h is tau^2 h^3 / 3, tau = amplitude times the curve's
own height over its width, in logs: a flat curve has a small discrepancy. The amplitude is not known: each of
AMPLITUDES is tried, and counts by how probable it makes the rows (mixture.py).
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
from scalax.laws.noise import row_noise
from scalax.laws.priors import AMPLITUDES, Prior, PriorCoordinates
from scalax.laws.solve import least_squares

SEARCHED_AT = 2  # of the amplitudes, where modes are searched for; the others start from what is found there
STARTS, POLISHED = 32, 3
SCREEN_STEPS, POLISH_STEPS, REFINE_STEPS, DRAW_STEPS = 12, 40, 15, 10
BLOCK = 4  # draws that are made together: two mirrored pairs
MOST_ROWS = 64  # longer curves are averaged in bins of log x


class Anchored(NamedTuple):
    """A curve's rows with the end of the data at the origin, and what is assumed about their errors."""

    points: Points
    noise: float  # of a row, in log y
    steepness: float  # of the whole curve, in log y over log x

    @property
    def taus(self) -> np.ndarray:
        """tau of each amplitude, in log y over (log x)^1.5."""
        return np.array(AMPLITUDES) * self.steepness


def anchored(points: Points) -> Anchored:
    """The curve as the search for its laws wants it. Exact copies of a row count once."""
    once = points._replace(weights=np.ones(len(points.weights)))
    return Anchored(_thinned(once.anchored()), row_noise(points), points.extent.steepness)


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


def process_variance(tau: float | np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Variance of the discrepancy at a log distance [n] from the end of the data; arrays broadcast."""
    return tau**2 * np.maximum(distance, 0) ** 3 / 3


def whitener(a: Anchored, tau: float) -> np.ndarray:
    """[n, n] that turns log errors of the rows into independent ones of unit variance."""
    h = -a.points.log_x
    near, far = np.minimum(h[:, None], h), np.maximum(h[:, None], h)
    covariance = tau**2 * near**2 * (3 * far - near) / 6
    covariance += np.diag(a.noise**2 / a.points.weights)
    return np.linalg.inv(np.linalg.cholesky(covariance))


class Modes(NamedTuple):
    """Of one law on one curve: the most probable p under each prior and amplitude, in the units of the
    anchored rows, and the log probability of the rows with the parameters integrated out by Laplace's
    method."""

    p: np.ndarray  # [priors, amplitudes, k]
    log_evidence: np.ndarray  # [priors, amplitudes]


def modes(family: Family, curves: Sequence[Anchored], priors: Sequence[Prior]) -> list[Modes]:
    """The modes of each curve: searched for from many starts under the first prior, and refined under all.

    - family: a law that declares what a prior of it is about.
    - curves: anchored at their ends.
    - priors: of the law's coordinates.

    Raises UserError where the law declares no prior.
    """
    of = prior_coordinates(family).of
    unit = unit_points(STARTS, len(family.names), 0)
    search, _ = _programs(family, of)

    def inputs(i: int, size: int) -> tuple[np.ndarray, ...]:
        a = curves[i]
        points = a.points
        white, log_white = zip(*(_padded_whitener(a, tau, size) for tau in a.taus), strict=True)
        mean, root, log_root = zip(*(_rooted(a, prior) for prior in priors), strict=True)
        rows = padded(points.log_x, size), padded(points.log_y, size), np.array(white)
        low, high = family.box(points.extent)
        starts, top = family.starts(points.extent, unit), np.array(points.extent.high)
        return *rows, low, high, top, np.array(log_white), *map(np.array, (mean, root, log_root)), starts

    found = in_batches([len(a.points.log_x) for a in curves], inputs, lambda *data: search(data))
    return [Modes(*each) for each in found]


class Block(NamedTuple):
    """BLOCK draws around a mode of one curve.

    - a: the curve; tau: the discrepancy's amplitude; prior: of the law's coordinates.
    - start: [k], the mode.
    - seed: of the errors; None: there are none, and every draw is the mode itself.
    """

    a: Anchored
    tau: float
    prior: Prior
    start: np.ndarray
    seed: int | None = None


def scatter(family: Family, blocks: Sequence[Block]) -> list[np.ndarray]:
    """p [BLOCK, k] of each block, in the units of the anchored rows.

    Draws by randomised maximum posterior: data and prior mean are perturbed by their own errors, in mirrored
    pairs, and the law refitted. Exact for a law that is linear in its parameters.
    """
    _, draw = _programs(family, prior_coordinates(family).of)

    @functools.cache
    def errors(size: int, coordinates: int, seed: int) -> np.ndarray:
        half = np.random.default_rng(seed).standard_normal((BLOCK // 2, coordinates + size))
        pairs = np.concatenate([half, -half])
        return np.concatenate([pairs[:, coordinates:], pairs[:, :coordinates]], 1)

    def inputs(i: int, size: int) -> tuple[np.ndarray, ...]:
        a, tau, prior, start, seed = blocks[i]
        points, n = a.points, len(a.points.log_x)
        white, _ = _padded_whitener(a, tau, size)
        mean, root, _ = _rooted(a, prior)
        own = np.zeros((BLOCK, size + len(mean)))
        if seed is not None:
            own += errors(size, len(mean), seed)
            own[:, n:size] = 0
        low, high = family.box(points.extent)
        rows = padded(points.log_x, size), padded(points.log_y, size), white
        return *rows, low, high, np.array(points.extent.high), mean, root, start, own

    return in_batches([len(b.a.points.log_x) for b in blocks], inputs, lambda *data: draw(data))


def _padded_whitener(a: Anchored, tau: float, size: int) -> tuple[np.ndarray, float]:
    """[size, size], and its log determinant."""
    own, n = whitener(a, tau), len(a.points.log_x)
    white = np.zeros((size, size))
    white[:n, :n] = own
    return white, float(np.log(np.diag(own)).sum())


def _rooted(a: Anchored, prior: Prior) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean [m + 1], inverse root of the covariance [m + 1, m + 1] and its log determinant. The last
    coordinate is the law's log y at the end of the data, within the curve's height of what was seen there:
    with it the prior is a proper one, so that laws can be compared."""
    m = len(prior.mean)
    root = np.diag(np.append(np.zeros(m), 1 / a.points.extent.height))
    root[:m, :m] = np.linalg.inv(np.linalg.cholesky(prior.covariance))
    return np.append(prior.mean, 0.0), root, float(np.log(np.diag(root)).sum())


def prior_coordinates(family: Family) -> PriorCoordinates:
    """Raises UserError where the law declares none, or one that is not about all but its height."""
    if family.prior is None:
        raise UserError(
            f"law {family.name!r} has no prior, so it cannot be a member of a forecast; leave it out"
        )
    about, wanted = len(family.prior.wide.mean), len(family.names) - 1
    if about != wanted:
        raise UserError(
            f"law {family.name!r}: its prior is about {about} numbers, want {wanted}: all but its height"
        )
    return family.prior


@functools.cache
def _programs(family: Family, of: Callable) -> tuple[Callable, Callable]:
    """`search`: inputs of curves -> (p [c, P, T, k], log evidence [c, P, T]) for P priors and T amplitudes;
    `draw`: inputs of blocks -> p [c, BLOCK, k]. Compiled apart."""

    def coordinates(p, top):
        return jnp.append(of(p, top), family.log_y(p, jnp.zeros(1))[0])

    def solve(p, error, steps, rows, white, low, high, top, mean, root):
        log_x, log_y = rows

        def residual(q):
            misfit = white @ (family.log_y(q, log_x) - log_y)
            return jnp.concatenate([misfit, root @ (coordinates(q, top) - mean)]) - error

        return least_squares(residual, jnp.ones_like(error), p, low, high, max_steps=steps)

    def search(data):
        log_x, log_y, whites, low, high, top, log_whites, means, roots, log_roots, starts = data
        no_error = jnp.zeros(len(log_x) + means.shape[1])

        def run(p, steps, white, mean, root):
            return solve(p, no_error, steps, (log_x, log_y), white, low, high, top, mean, root)

        first = whites[SEARCHED_AT], means[0], roots[0]
        screened = jax.vmap(lambda p: run(p, SCREEN_STEPS, *first))(starts)
        chosen = screened.p[jnp.argsort(screened.cost)[:POLISHED]]
        chosen = jax.vmap(lambda p: run(p, POLISH_STEPS, *first).p)(chosen)

        def mode(mean, root, log_root, white, log_white):
            found = jax.vmap(lambda p: run(p, REFINE_STEPS, white, mean, root))(chosen)
            best = jnp.argmin(found.cost)
            p, (_, curvature) = found.p[best], jnp.linalg.slogdet(found.hessian[best])
            _, volume = jnp.linalg.slogdet(jax.jacfwd(coordinates)(p, top))
            return p, log_white + log_root + volume - (found.cost[best] + curvature) / 2

        by_amplitude = jax.vmap(mode, (None, None, None, 0, 0))
        return jax.vmap(by_amplitude, (0, 0, 0, None, None))(means, roots, log_roots, whites, log_whites)

    def draw(data):
        log_x, log_y, white, low, high, top, mean, root, start, errors = data
        given = (log_x, log_y), white, low, high, top, mean, root
        return jax.vmap(lambda error: solve(start, error, DRAW_STEPS, *given).p)(errors)

    return jax.jit(lambda data: jax.lax.map(search, data)), jax.jit(lambda data: jax.lax.map(draw, data))
