"""The convex hull of models that are mixed at random: the best downstream error at every upstream error."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from scalax.errors import UserError

DIRECTIONS = 32  # extreme models in these many directions sieve the others


class Mixture(NamedTuple):
    """A classifier that answers with the second model with chance `share`, else with the first.

    - first, second: indices of models.
    - share: of the second, 0..1.
    - e_us, e_ds: its upstream and downstream error.
    """

    first: int
    second: int
    share: float
    e_us: float
    e_ds: float


class Hull(NamedTuple):
    """The corners of the hull, from the worst upstream error to the best.

    - models: indices [h]; of models at one point, the first.
    - e_us, e_ds: [h], their errors.
    """

    models: np.ndarray
    e_us: np.ndarray
    e_ds: np.ndarray

    def height(self, e_us: ArrayLike) -> np.ndarray:
        """The least downstream error of a mixture at upstream errors [...]; nan beyond the corners."""
        x, y = self.e_us[::-1], self.e_ds[::-1]
        return np.interp(np.asarray(e_us, float), x, y, left=np.nan, right=np.nan)

    def reaches(self, e_us: float) -> bool:
        """Whether a mixture on the hull has this upstream error."""
        return bool(self.e_us[-1] <= e_us <= self.e_us[0])

    def mixture(self, e_us: float) -> Mixture:
        """The mixture of two models that has the hull's downstream error at `e_us`.

        Raises UserError beyond the corners: no mixture of the models has that upstream error and is on the
        hull.

        >>> hull = hull_of([0.6, 0.2], [0.5, 0.3])
        >>> hull.mixture(0.3)
        Mixture(first=0, second=1, share=0.75, e_us=0.3, e_ds=0.35)
        """
        if not self.reaches(e_us):
            ends = f"{self.e_us[-1]:g} and {self.e_us[0]:g}"
            raise UserError(f"`e_us` must lie between {ends}, the ends of the hull, got {e_us}")
        after = min(int(np.searchsorted(-self.e_us, -e_us)), len(self.models) - 1)
        before = max(after - 1, 0)
        gap = self.e_us[before] - self.e_us[after]
        share = float((self.e_us[before] - e_us) / gap) if gap else 0.0
        e_ds = float((1 - share) * self.e_ds[before] + share * self.e_ds[after])
        first, second = int(self.models[before]), int(self.models[after])
        return Mixture(first, second, round(share, 12), float(e_us), round(e_ds, 12))


def hull_of(e_us: ArrayLike, e_ds: ArrayLike) -> Hull:
    """The hull of models on one pair of tasks.

    Answering each example with a model drawn at random has the mean accuracy of the models, so that every
    point between models is a classifier's (Abnar et al. 2021, 'Exploring the Limits of Large Scale
    Pre-training', lemma 2.1). In accuracies it is the upper hull, in errors the lower one.

    - e_us: [n], upstream errors.
    - e_ds: [n], downstream errors; models where either is nan are passed over.

    >>> hull_of([0.8, 0.5, 0.5, 0.2], [0.9, 0.5, 0.7, 0.4]).models.tolist()
    [0, 1, 3]
    """
    e_us, e_ds = np.asarray(e_us, float), np.asarray(e_ds, float)
    order = np.lexsort((e_ds, -e_us))  # the worst upstream first
    order = order[np.isfinite(e_us[order]) & np.isfinite(e_ds[order])]
    corners = order[corners_of(e_us[order], e_ds[order])]
    return Hull(corners, e_us[corners], e_ds[corners])


def corners_of(e_us: np.ndarray, e_ds: np.ndarray) -> np.ndarray:
    """Indices of the hull's corners among models that are sorted: the worst e_us first, then the best e_ds.

    - e_us, e_ds: [n], without nan.
    """
    if not len(e_us):
        return np.array([], int)
    kept = np.flatnonzero(_sieved(e_us, e_ds))
    x, y = -e_us[kept], e_ds[kept]
    corners: list[int] = []
    for i in range(len(kept)):
        if corners and x[corners[-1]] == x[i]:
            continue  # sorted by e_ds: the first of one e_us is the best
        while len(corners) > 1:
            a, b = corners[-2:]
            if (y[b] - y[a]) * (x[i] - x[a]) < (y[i] - y[a]) * (x[b] - x[a]):
                break
            corners.pop()
        corners.append(i)
    return kept[corners]


def _sieved(e_us: np.ndarray, e_ds: np.ndarray) -> np.ndarray:
    """[n] bool: whether a model may be a corner. Those above a chain of extreme models cannot."""
    if len(e_us) <= 2 * DIRECTIONS:
        return np.ones(len(e_us), bool)
    angle = np.linspace(-np.pi / 2, np.pi / 2, DIRECTIONS)
    spread = [max(float(np.ptp(values)), 1e-300) for values in (e_us, e_ds)]
    heights = np.cos(angle)[:, None] * (e_ds / spread[1]) - np.sin(angle)[:, None] * (e_us / spread[0])
    ends = np.array([0, np.flatnonzero(e_us == e_us[-1])[0]])  # the best of the worst and of the best e_us
    chain = np.unique(np.concatenate([heights.argmin(1), ends]))
    chain = chain[np.concatenate([[True], np.diff(e_us[chain]) < 0])]
    below = e_ds <= np.interp(-e_us, -e_us[chain], e_ds[chain])
    below[chain] = True
    return below
