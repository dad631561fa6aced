"""Forecasts of simulated curves against their truth: coverage, bias and error far beyond the rows."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri

from scalax.laws.fit_result import Fit
from scalax.laws.fitting import fit
from scalax.laws.forecasting import MEMBERS, forecast
from scalax.laws.simulated import DESIGNS, LAST, LAWS, REACHES, draw

BASELINE = "m2"
PARTS = len(MEMBERS) + 1  # of the work on a curve, as `progress` counts them
ALL = "all"


class Score(NamedTuple):
    """Of one method on the curves of one law (or ALL), sampled by one design, at `reach` times the last x.

    - inside80, inside95: share of curves whose truth lies in the band of the curve itself.
    - observed80, observed95: share of new noisy observations in the band for them; nan for the baseline.
    - bias, rms: of log y.
    """

    design: str
    law: str
    reach: float
    method: str
    inside80: float
    inside95: float
    observed80: float
    observed95: float
    bias: float
    rms: float


def simulated_bench(
    count: int = 60,
    designs: Sequence[str] = tuple(DESIGNS),
    seed: int = 1,
    progress: Callable[[float], object] | None = None,
) -> list[Score]:
    """Score `auto` and plain M2 with covariance bands on curves of every law of simulated.py.

    - count: of curves, for each law and design.
    - designs: names of DESIGNS.
    - seed: of the curves. Constants were chosen on those of seed 0.
    - progress: called with how many parts were just done, of PARTS a curve.
    """
    x, scores = LAST * np.array(REACHES), []
    for design in designs:
        truths = [truth for law in LAWS for truth in draw(law, count, DESIGNS[design], seed)]
        curves = [truth.curve for truth in truths]
        true = np.array([truth.log_y(np.log(x)) for truth in truths])
        noise = DESIGNS[design].noise * np.random.default_rng([seed, 2]).standard_normal(true.shape)
        forecasts = forecast(curves, x, progress=progress)
        fits = [each[BASELINE] for each in fit(curves, [BASELINE], progress=progress)]
        inside = {"auto": np.zeros((4, *true.shape), bool), BASELINE: np.zeros((2, *true.shape), bool)}
        for i, (made, fitted) in enumerate(zip(forecasts, fits, strict=True)):
            middle, deviation = linear_band(fitted, curves[i].x, curves[i].y, x)
            for j, level in enumerate((0.8, 0.95)):
                half = ndtri(0.5 + level / 2) * deviation
                inside[BASELINE][j, i] = np.abs(middle - true[i]) < half
                for k, (observed, at) in enumerate(((False, true[i]), (True, true[i] + noise[i]))):
                    low, high = made.interval(x, level, observed)
                    inside["auto"][2 * k + j, i] = (np.log(low) < at) & (at < np.log(high))
        errors = {
            "auto": np.log([made.median for made in forecasts]) - true,
            BASELINE: np.log([fitted.predict(x) for fitted in fits]) - true,
        }
        of = np.array([truth.law for truth in truths])
        for law in (*LAWS, ALL):
            own = (of == law) | (law == ALL)
            for r, reach in enumerate(REACHES):
                for method, error in errors.items():
                    shares = [float(part[own, r].mean()) for part in inside[method]]
                    shares += [np.nan] * (4 - len(shares))
                    missed = error[own, r]
                    rms = float(np.sqrt(np.mean(missed**2)))
                    numbers = (*shares, float(missed.mean()), rms)
                    scores.append(Score._make((design, law, reach, method, *numbers)))
    return scores


def linear_band(fitted: Fit, x: np.ndarray, y: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log y [m] of a fit at x `at` [m], and its standard deviation by the covariance of the parameters.

    - x, y: [n], the rows that were fitted.
    """
    p, law = jnp.asarray(fitted.p), fitted.family_spec
    with jax.enable_x64(True):
        turn = jax.jacfwd(law.log_y)
        rows, beyond = (np.asarray(turn(p, jnp.asarray(np.log(each)))) for each in (x, at))
    missed = np.log(fitted.predict(x)) - np.log(y)
    variance = missed @ missed / max(len(x) - len(p), 1)
    covariance = variance * np.linalg.pinv(rows.T @ rows)
    return np.log(fitted.predict(at)), np.sqrt(np.einsum("ij,jk,ik->i", beyond, covariance, beyond))
