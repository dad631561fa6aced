"""A learning curve, what is wrong with it, and the logs that a fit sees."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from scalax.errors import UserError
from scalax.laws.family import Extent

LEAST_TO_JUDGE = 8  # rows


class Scale(NamedTuple):
    """How y is written: its distance from a bound, 0 for losses, 1 or 100 for accuracies.

    - bound: what y never passes.
    - below: whether y lies below it, and rises as a run improves.
    """

    bound: float = 0.0
    below: bool = False

    @property
    def plain(self) -> bool:
        """Whether y is the distance itself."""
        return self == Scale()

    def distance(self, y: ArrayLike) -> np.ndarray:
        """Distances, which laws are fitted to, of y as it is written."""
        y = np.asarray(y, float)
        return self.bound - y if self.below else y - self.bound if self.bound else y

    def shown(self, distance: ArrayLike) -> np.ndarray:
        """y as it is written, of distances."""
        distance = np.asarray(distance, float)
        return self.bound - distance if self.below else distance + self.bound if self.bound else distance


PLAIN = Scale()


class Curve:
    """Points (x, y) of one learning curve.

    - x: [n] (or [n, 2] for a law of two variables), positive, e.g. examples seen or training FLOPs.
    - y: [n], positive, e.g. error or loss.
    - name: shown in messages.
    - fit: [n] bool, the rows to fit (None: all); the others are held out, and only ever scored.
    - notes: what a reader did to the rows.
    - labels: what x and y are, for the axes of figures.
    - scale: how the user writes y, where y here is the distance from a bound.
    - key: values of the columns that name it, by column.
    - lr: [n], the learning rate at each x; nan where it is not known (None: nowhere).

    Raises UserError where the shapes do not match.
    """

    def __init__(
        self,
        x: ArrayLike,
        y: ArrayLike,
        name: str = "",
        fit: ArrayLike | None = None,
        notes: tuple[str, ...] = (),
        labels: tuple[str, str] = ("x", "y"),
        scale: Scale = PLAIN,
        key: Mapping[str, str] | None = None,
        lr: ArrayLike | None = None,
    ):
        self.x = np.asarray(x, float)
        self.y = np.asarray(y, float)
        self.name = name
        self.notes = notes
        self.labels = labels
        self.scale = scale
        self.lr = np.full(self.y.shape, np.nan) if lr is None else np.asarray(lr, float)
        self.key = dict(key or {})
        self.fit = np.ones(self.y.shape, bool) if fit is None else np.asarray(fit, bool)
        if self.y.ndim != 1 or self.x.ndim not in (1, 2) or not len(self.x) == len(self.y) == len(self.fit):
            shapes = f"{self.x.shape}, {self.y.shape}, {self.fit.shape}"
            raise UserError(f"curve {name!r}: x, y and fit must have one row each a point, got {shapes}")

    @property
    def usable(self) -> np.ndarray:
        """[n] bool: rows whose x and y have logs."""
        positive = np.isfinite(self.x) & (self.x > 0)
        return (positive if self.x.ndim == 1 else positive.all(1)) & np.isfinite(self.y) & (self.y > 0)

    def __repr__(self) -> str:
        held = int((~self.fit).sum())
        return f"Curve({self.name!r}, {self.fit.sum()} to fit, {held} held out)"


class Points(NamedTuple):
    """Rows to fit, sorted, in centred logs; what `fit` was asked to learn from."""

    log_x: np.ndarray  # [n] or [n, 2], less `center_x`
    log_y: np.ndarray  # [n], less `center_y`
    weights: np.ndarray  # [n], of each row
    center_x: np.ndarray  # scalar or [2]
    center_y: float
    extent: Extent

    def anchored(self) -> "Points":
        """The same rows with the end of the data at the origin: log x = 0, and log y = 0 there."""
        left, right, low, high, first, last = self.extent
        return self._replace(
            log_x=self.log_x - right,
            log_y=self.log_y - last,
            center_x=self.center_x + right,
            center_y=self.center_y + last,
            extent=Extent(left - right, 0.0, low - last, high - last, first - last, 0.0),
        )


def clean(curve: Curve) -> tuple[Points, list[str]]:
    """Rows to fit as `Points`, and what was done to them in words: nothing is dropped silently.

    Raises UserError where no two usable points are left.
    """
    notes = list(curve.notes)
    x, y = curve.x[curve.fit], curve.y[curve.fit]
    flat = x.reshape(len(x), x.shape[1] if x.ndim == 2 else 1)
    usable = curve.usable[curve.fit]
    if not usable.all():
        notes.append(f"{(~usable).sum()} rows with a non-positive or non-finite value left out")
        flat, y = flat[usable], y[usable]
    order = np.lexsort((y, *flat.T[::-1]))
    if (np.diff(flat[:, 0]) < 0).any():
        notes.append("rows were not sorted by x")
    table = np.column_stack([flat, y])[order]
    rows = np.unique(table, axis=0)
    if len(rows) < len(table):
        notes.append(f"{len(table) - len(rows)} rows are exact copies of others; each counts once")
    if len(np.unique(rows[:, 0])) < 2:
        raise UserError(f"curve {curve.name!r}: needs at least two usable points with different x to fit")
    log_x, log_y = np.log(rows[:, :-1]), np.log(rows[:, -1])
    center_x, center_y = (log_x.min(0) + log_x.max(0)) / 2, float((log_y.min() + log_y.max()) / 2)
    log_x, log_y = log_x - center_x, log_y - center_y
    if curve.x.ndim == 1:
        log_x, center_x = log_x[:, 0], center_x[0]
    extent = extent_of(log_x, log_y)
    if log_x.ndim == 1 and len(log_y) >= LEAST_TO_JUDGE:
        notes += _doubts(log_x, log_y + center_y)
    return Points(log_x, log_y, np.ones(len(log_y)), center_x, center_y, extent), notes


def thinned(points: Points, most: int) -> Points:
    """The points, those of a curve of over `most` rows averaged in as many bins of log x."""
    if len(points.log_x) <= most:
        return points
    edges = np.linspace(points.log_x.min(), points.log_x.max(), most + 1)[1:-1]
    bins = np.digitize(points.log_x, edges)
    total = np.bincount(bins, points.weights, most)
    kept = total > 0
    log_x, log_y = (
        np.bincount(bins, points.weights * v, most)[kept] / total[kept] for v in (points.log_x, points.log_y)
    )
    return points._replace(log_x=log_x, log_y=log_y, weights=total[kept])


def extent_of(log_x: np.ndarray, log_y: np.ndarray) -> Extent:
    """Of rows [n] (or [n, 2], whose ends of x have no one y: `first` and `last` are 0)."""
    left, right = log_x.min(0), log_x.max(0)
    first, last = (log_y[log_x == end].mean() if log_x.ndim == 1 else 0 for end in (left, right))
    return Extent(left, right, float(log_y.min()), float(log_y.max()), float(first), float(last))


def _doubts(log_x, log_y) -> list[str]:
    """What the rows look like, where that is not a curve that falls with x; those of one x are averaged."""
    log_x, where, counts = np.unique(log_x, return_inverse=True, return_counts=True)
    log_y = np.bincount(where, log_y) / counts
    if np.ptp(log_y) == 0:
        return ["flat: y is the same in every row, and no law can be told from another"]
    peak = int(log_y.argmax())
    slope = np.polyfit(log_x, log_y, 1)[0]
    if slope > 0 and log_y.max() <= 0:
        return ["y rises with x and stays below 1: if it is an accuracy, give 1 - y"]
    if 0 < peak <= len(log_y) // 4 and log_y[peak] - log_y[0] > 0.02 and slope < 0:
        return [f"y rises over the first {peak} rows before it falls (warm-up?): leave them out"]
    return []


def resample_log(x: ArrayLike, y: ArrayLike, n: int) -> tuple[np.ndarray, np.ndarray]:
    """n points of a curve, evenly spaced in log x, read off by interpolation in log x and log y.

    x, y: [m] positive, in any order; returns x [n], y [n] over the same range. Rows that share an x are
    averaged in log y first. Evens out a curve whose points crowd at one end before it is fitted.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if not ((x > 0) & (y > 0) & np.isfinite(x) & np.isfinite(y)).all():
        raise UserError("resample_log needs positive, finite x and y")
    log_x, where, counts = np.unique(np.log(x), return_inverse=True, return_counts=True)
    log_y = np.bincount(where, np.log(y)) / counts
    grid = np.linspace(log_x[0], log_x[-1], n)
    return np.exp(grid), np.exp(np.interp(grid, log_x, log_y))
