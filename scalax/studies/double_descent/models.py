"""Two models whose test error falls, rises and falls again; both errors are exact, without a test set."""

import numpy as np

from scalax.studies.double_descent.config import StepsConfig, WidthConfig


def error_by_width(config: WidthConfig, seed: int) -> np.ndarray:
    """Mean squared error against the noiseless target, at each of config.sizes(): [n].

    - config: of the model.
    - seed: of inputs, labels and features.

    The features of a smaller model are the first of a larger one. Inputs are Gaussian, so that the features'
    second moments are known (Cho & Saul 2009, eq. 6), as are those with the linear target.
    """
    rng = np.random.default_rng([seed, config.examples, config.inputs])
    target = rng.standard_normal(config.inputs)
    target /= np.linalg.norm(target)
    x = rng.standard_normal((config.examples, config.inputs))
    y = x @ target + config.label_noise * rng.standard_normal(config.examples)
    sizes = config.sizes()
    directions = rng.standard_normal((sizes[-1], config.inputs))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    features = np.maximum(x @ directions.T, 0)
    cosine = np.clip(directions @ directions.T, -1, 1)
    angle = np.arccos(cosine)
    moments = (np.sqrt(1 - cosine**2) + (np.pi - angle) * cosine) / (2 * np.pi)
    with_target = directions @ target / 2
    errors = []
    for size in sizes:
        w = least_squares(features[:, :size], y, config.ridge)
        errors.append(1 - 2 * w @ with_target[:size] + w @ moments[:size, :size] @ w)
    return np.array(errors)


def least_squares(x: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    """w [d] that minimises mean (y - x.w)^2 + ridge |w|^2; without a ridge, the one of least norm.

    - x: [n, d], features.
    - y: [n], labels.
    - ridge: weight of |w|^2.
    """
    n, d = x.shape
    if ridge == 0:
        return np.linalg.lstsq(x, y, rcond=None)[0]
    if d <= n:
        return np.linalg.solve(x.T @ x + n * ridge * np.eye(d), x.T @ y)
    return x.T @ np.linalg.solve(x @ x.T + n * ridge * np.eye(n), y)


def error_by_steps(config: StepsConfig, seed: int) -> np.ndarray:
    """Mean squared error against the noiseless target after each of config.times(): [n].

    - config: of the model.
    - seed: of inputs and labels.

    Gradient descent from zero on the mean of (y - w.x)^2 / 2. In the eigenvectors of the inputs' second
    moments, with eigenvalues v, what is left to learn falls as (1 - rate v)^steps. Large features are learnt,
    and then their noise, long before the small ones (Heckel & Yilmaz 2021, section 2).
    """
    rng = np.random.default_rng([seed, config.examples, config.large, config.small])
    scales = np.repeat([1.0, config.scale], [config.large, config.small])
    parts = [rng.standard_normal(size) for size in (config.large, config.small)]
    large, small = (part / np.linalg.norm(part) for part in parts)
    target = np.concatenate([large * np.sqrt(1 - config.share), small * np.sqrt(config.share) / config.scale])
    x = rng.standard_normal((config.examples, len(scales))) * scales
    y = x @ target + config.label_noise * rng.standard_normal(config.examples)
    values, vectors = np.linalg.eigh(x.T @ x / config.examples)
    end = vectors.T @ (x.T @ y / config.examples) / values
    steps = np.array(config.times(), float)
    learnt = -np.expm1(steps[:, None] * np.log1p(-config.rate * values))
    missed = scales * ((learnt * end) @ vectors.T - target)
    return np.sum(missed**2, 1)
