"""Linear classifiers of frozen features, and ridge regression that gives one; NumPy in float64."""

from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np

LARGE = 10**9  # multiply-adds


class Linear(NamedTuple):
    """A linear classifier of features [n, d]: scores are features @ weights + bias.

    - weights: [d, classes]. bias: [classes].
    """

    weights: np.ndarray
    bias: np.ndarray

    def scores(self, features: np.ndarray) -> np.ndarray:
        """[n, classes]."""
        return features @ self.weights + self.bias

    def error(self, features: np.ndarray, labels: np.ndarray) -> float:
        """Share of the examples [n] that get another class than their label [n]."""
        return float(np.mean(self.scores(features).argmax(1) != labels))


def few_threads(examples: int, width: int) -> AbstractContextManager:
    """One thread for small problems, in whose products several wait for each other (on two busy cores ten
    times longer, at 1,220 examples of width 32).

    - examples, width: of the largest problem inside.
    """
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    return threadpool_limits(1 if examples * width**2 < LARGE else None)


def fit_ridge(features: np.ndarray, targets: np.ndarray, ridge: float) -> Linear:
    """Ridge regression with an intercept that is not penalised, in float64.

    - features: [n, d].
    - targets: [n, k].
    - ridge: weight of the squared coefficients beside the summed squared errors.
    """
    x, y = features.astype(np.float64), targets.astype(np.float64)
    x_mean, y_mean = x.mean(0), y.mean(0)
    x, y = x - x_mean, y - y_mean
    n, d = x.shape
    if n < d:  # the dual problem is the smaller one
        weights = x.T @ np.linalg.solve(x @ x.T + ridge * np.eye(n), y)
    else:
        weights = np.linalg.solve(x.T @ x + ridge * np.eye(d), x.T @ y)
    return Linear(weights, y_mean - x_mean @ weights)


def fit_classes(features: np.ndarray, labels: np.ndarray, classes: int, ridge: float) -> Linear:
    """Ridge regression of targets -1 and 1 on features standardised by their own mean and deviation.

    - features: [n, d].
    - labels: int [n].
    - classes: number of them.
    - ridge: as of fit_ridge.

    The classifier takes features as they are ('Exploring the Limits of Large Scale Pre-training', section 2).
    """
    mean, scale = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64) + 1e-6
    fitted = fit_ridge((features - mean) / scale, 2.0 * np.eye(classes)[labels] - 1.0, ridge)
    weights = fitted.weights / scale[:, None]
    return Linear(weights, fitted.bias - mean @ weights)
