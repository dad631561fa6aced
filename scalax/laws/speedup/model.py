r"""Two recipes' curves without a law: smooth in logs, with differences between seeds, and noise.

log y of curve c at u = log x is f(u) + g(u) + noise. f is the recipe's own: a line plus an integrated Wiener
process, whose posterior mean is a cubic smoothing spline, so that any smooth law is followed, and what lies
beyond the data is a line whose doubt grows. g is a seed's: a polynomial whose constant part is the largest, a
share of which the two recipes have in common where seeds are paired. How large each is, is inferred: every
combination on a grid counts by the probability that it gives to the rows.

Both are sums of few functions with independent normal weights, so that a combination takes a millisecond.
"""

import itertools
from typing import NamedTuple

import numpy as np
from numpy.polynomial.legendre import legvander
from scipy.linalg import cho_solve, cholesky, solve_triangular

BENDS = (0.03, 0.1, 0.3, 1.0, 3.0)  # of the process, over a curve's height / width^1.5
BEND_PRIOR = (0.3, 0.3, 0.25, 0.1, 0.05)  # probability of each
SEEDS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # standard deviation of seeds over that of a row's noise
SHARED = (0.0, 0.3, 0.6, 0.9)  # part of the seeds' variance that paired recipes share
NOISES = (0.7, 0.85, 1.0, 1.2, 1.4)  # over the noise that rows show
DEGREES = (1.0, 0.5, 0.25)  # of a seed's polynomial over the rows: parts of its standard deviation
LINE = 30.0  # standard deviation of the line's height and slope, over the curves' own
FUNCTIONS, POINTS = 24, 160  # of the process, and points that it is known at
LEAST_WEIGHT = 1e-3  # of a combination that is drawn from
NONE = 1e-12  # variance of what is absent


class Rows(NamedTuple):
    """All rows of both recipes, in logs.

    - u, v: [n], log x and log y.
    - recipe: [n], 0 or 1.
    - curve: [n], which curve, from 0; pair: [n], which pair of curves, from 0, -1 for none.
    - variance: [n], of a row's noise.
    """

    u: np.ndarray
    v: np.ndarray
    recipe: np.ndarray
    curve: np.ndarray
    pair: np.ndarray
    variance: np.ndarray


class Setting(NamedTuple):
    """One combination: bend (of the process, in log y per log x^1.5), seeds (standard deviation), shared,
    noise (over the rows' own), and its weight."""

    bend: float
    seeds: float
    shared: float
    noise: float
    weight: float = 0.0


class Model:
    """The rows, and how probable each combination is.

    - rows: of both recipes.
    - beyond: log x past the last row up to which curves can be drawn.
    """

    def __init__(self, rows: Rows, beyond: float):
        self.rows = rows
        self.grid = np.linspace(rows.u.min() - np.log(2.0), rows.u.max() + beyond, POINTS)
        self.width, self.height = float(np.ptp(rows.u)), max(float(np.ptp(rows.v)), 1e-3)
        self.middle = float(rows.v.mean())
        self.curve_basis = self._curve_basis()
        own = np.array([np.interp(rows.u, self.grid, each) for each in self.curve_basis.T]).T
        columns = [own * (rows.recipe == i)[:, None] for i in range(2)]
        drift = legvander(2 * (rows.u - rows.u.min()) / self.width - 1, len(DEGREES) - 1) * DEGREES
        curves, pairs = int(rows.curve.max()) + 1, int(rows.pair.max()) + 1
        several = curves > 2
        columns += [drift * (rows.curve == c)[:, None] for c in range(curves if several else 0)]
        columns += [drift * (rows.pair == p)[:, None] for p in range(pairs if several else 0)]
        basis = np.concatenate(columns, 1)
        weighed = basis / rows.variance[:, None]
        self.gram, self.pull = basis.T @ weighed, weighed.T @ (rows.v - self.middle)
        self.missed = float(np.sum((rows.v - self.middle) ** 2 / rows.variance))
        has_pair = np.array([(rows.pair[rows.curve == c] >= 0).any() for c in range(curves)])
        self.alone = np.repeat(has_pair, len(DEGREES)) if several else np.zeros(0, bool)
        self.pairs = pairs * len(DEGREES) if several else 0
        noise = float(np.sqrt(np.mean(rows.variance)))
        bends = np.array(BENDS) * self.height / self.width**1.5
        seeds = np.array(SEEDS) * noise if several else np.zeros(1)
        shared = SHARED if self.pairs else (0.0,)
        found = [
            Setting(float(bend), float(seed), share, of_noise)
            for bend, seed, share, of_noise in itertools.product(bends, seeds, shared, NOISES)
            if seed > 0 or share == shared[0]
        ]
        likely = dict(zip(bends.tolist(), np.log(BEND_PRIOR), strict=True))
        evidence = np.array([likely[setting.bend] + self._log_evidence(setting) for setting in found])
        weights = np.exp(evidence - evidence.max())
        weights /= weights.sum()
        self.settings = [s._replace(weight=float(w)) for s, w in zip(found, weights, strict=True)]

    def mean_of(self, name: str) -> float:
        """The mean of one of a setting's numbers, by their weights."""
        return float(sum(s.weight * getattr(s, name) for s in self.settings))

    def draws(self, count: int, seed: int) -> np.ndarray:
        """log y of both recipes at `grid`, [count, 2, POINTS]: of the curves that seeds scatter about."""
        kept = [s for s in self.settings if s.weight > LEAST_WEIGHT]
        share = np.cumsum([s.weight for s in kept])
        picked = np.searchsorted(share / share[-1], (np.arange(count) + 0.5) / count)
        rng, found, k = np.random.default_rng(seed), [], self.curve_basis.shape[1]
        for i in np.unique(picked):
            setting, wanted = kept[i], int((picked == i).sum())
            root = self._root(setting)
            mean = cho_solve((root, True), self.pull / setting.noise**2)
            errors = rng.standard_normal((len(mean), wanted))
            weights = mean[:, None] + solve_triangular(root, errors, lower=True, trans=1)
            both = [self.curve_basis @ weights[j * k : (j + 1) * k] for j in range(2)]
            found.append(self.middle + np.stack(both).transpose(2, 0, 1))
        return np.concatenate(found)

    def _curve_basis(self) -> np.ndarray:
        """[POINTS, 2 + FUNCTIONS]: height, slope, and the process's principal functions, scaled by their
        standard deviations, the process's for a bend of 1."""
        t = self.grid - self.grid[0]
        low, gap = np.minimum(t[:, None], t), np.abs(t[:, None] - t)
        values, vectors = np.linalg.eigh(low**3 / 3 + low**2 * gap / 2)
        process = vectors[:, -FUNCTIONS:] * np.sqrt(np.maximum(values[-FUNCTIONS:], 0))
        across = (self.grid - self.grid.mean()) / self.width
        line = LINE * self.height * np.stack([np.ones(POINTS), across], 1)
        return np.concatenate([line, process], 1)

    def _variances(self, s: Setting) -> np.ndarray:
        """[k], of the weights of all functions, before rows are seen."""
        recipe = np.concatenate([np.ones(2), np.full(FUNCTIONS, s.bend**2)])
        own = s.seeds**2 * np.where(self.alone, 1 - s.shared, 1.0)
        together = np.full(self.pairs, s.seeds**2 * s.shared)
        return np.maximum(np.concatenate([recipe, recipe, own, together]), NONE)

    def _root(self, s: Setting) -> np.ndarray:
        precision = self.gram / s.noise**2
        precision[np.diag_indices(len(precision))] += 1 / self._variances(s)
        return cholesky(precision, lower=True, check_finite=False)

    def _log_evidence(self, s: Setting) -> float:
        root = self._root(s)
        explained = solve_triangular(root, self.pull / s.noise**2, lower=True)
        fit = explained @ explained - self.missed / s.noise**2
        volume = 2 * np.log(np.diag(root)).sum() + np.log(self._variances(s)).sum()
        return float(fit / 2 - volume / 2 - len(self.rows.v) * np.log(s.noise))


def first_crossings(u: np.ndarray, paths: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Log x at which each path first comes down to each target, [draws, targets]; inf where it does not.

    - u: [m], where paths are known.
    - paths: [draws, m].
    - targets: log y.
    """
    found = np.full((len(paths), len(targets)), np.inf)
    rows = np.arange(len(paths))
    for j, target in enumerate(targets):
        below = paths <= target
        i = below.argmax(1)
        before = np.maximum(i - 1, 0)
        drop = paths[rows, before] - paths[rows, i]
        share = np.where(drop > 0, (paths[rows, before] - target) / np.where(drop > 0, drop, 1), 0.0)
        at = np.where(i > 0, u[before] + share * (u[i] - u[before]), u[0])
        found[:, j] = np.where(below.any(1), at, np.inf)
    return found
