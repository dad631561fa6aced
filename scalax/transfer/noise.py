"""The noise of test images: how much of the scatter of models it is, and models as they would be without."""

import numpy as np

from scalax.transfer.law import Laws, power

WINDOW = 0.2  # share of the models, by upstream error, that judge the scatter around one of them
FEWEST = 11  # models that do


def noise_variance(laws: Laws, e_us: np.ndarray, images_us: np.ndarray, images_ds: np.ndarray) -> np.ndarray:
    """Variance [..., n] of a model's distance from the law that its test images alone make.

    An error measured on N images has variance e (1 - e) / N. That of the upstream error counts by the slope
    of the law. Images are taken to be drawn anew for each model: models share them, so that this is the most
    it can be.

    - laws: [...].
    - e_us: [..., n].
    - images_us, images_ds: [..., n]; nan: no noise there.
    """
    k, alpha = np.asarray(laws.k)[..., None], np.nan_to_num(np.asarray(laws.alpha)[..., None], nan=1.0)
    e_ds = np.clip(laws.predict(e_us), 1e-3, 1 - 1e-3)
    slope = k * alpha * power(np.maximum(e_us, 1e-3), alpha - 1)
    us = np.maximum(e_us * (1 - e_us), 1e-3) / images_us
    return np.nan_to_num(e_ds * (1 - e_ds) / images_ds) + np.nan_to_num(slope**2 * us)


def without_noise(laws: Laws, e_us: np.ndarray, e_ds: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Downstream errors [..., n] as scattered as those of the models are without noise.

    Each model's distance from the local mean is shrunk by sqrt(1 - noise / scatter), where scatter is the
    variance of the models around it. The shrunk errors have the variance of the true ones (Louis 1984,
    'Estimating a population of parameter values using Bayes and empirical Bayes methods').

    - laws: [...], fitted to all models.
    - e_us, e_ds: [..., n], sorted by e_us.
    - variance: [..., n], of the noise.

    >>> rng = np.random.default_rng(0)
    >>> e_us = np.linspace(0.2, 0.8, 400)
    >>> law = Laws(*map(np.array, (0.5, 1.0, 0.1, 0.0)))
    >>> noisy = law.predict(e_us) + 0.02 * rng.standard_normal(400)
    >>> left = without_noise(law, e_us, noisy, np.full(400, 0.0004)) - law.predict(e_us)
    >>> bool(np.std(left) < 0.008)
    True
    """
    level = laws.predict(e_us)
    residual = e_ds - level
    width = window(e_us.shape[-1])
    mean = running_mean(residual)
    scatter = (running_mean(residual**2) - mean**2) * width / max(width - 1, 1)
    noise = running_mean(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(scatter > 0, np.clip(1 - noise / scatter, 0.0, 1.0), 1.0)
    return level + mean + np.sqrt(share) * (residual - mean)


def window(models: int) -> int:
    """How many of the models are around one of them."""
    return min(models, max(FEWEST, round(WINDOW * models)))


def running_mean(values: np.ndarray) -> np.ndarray:
    """The mean over the models around each, [..., n] -> [..., n]; they are sorted by upstream error."""
    n = values.shape[-1]
    width = window(n)
    first = np.clip(np.arange(n) - width // 2, 0, n - width)
    sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, -1)], -1)
    return (sums[..., first + width] - sums[..., first]) / width


def misfit(laws: Laws, e_us: np.ndarray, e_ds: np.ndarray) -> float:
    """How far the models around each lie off the law on average, in standard deviations of e_ds (root mean
    square, less what chance makes of it).

    - laws: one law.
    - e_us, e_ds: [n], sorted by e_us.

    >>> e_us = np.linspace(0.2, 0.8, 60)
    >>> flat = Laws(*map(np.array, (0.0, np.nan, 0.5, 0.0)))
    >>> round(misfit(flat, e_us, e_us), 1), misfit(flat, e_us, np.full(60, 0.5))
    (0.9, 0.0)
    """
    residual = e_ds - laws.predict(e_us)
    mean = running_mean(residual)
    chance = float(np.mean((residual - mean) ** 2)) / window(len(e_us))
    spread = float(np.std(e_ds))
    return float(np.sqrt(max(0.0, float(np.mean(mean**2)) - chance))) / spread if spread > 0 else 0.0
