"""A learning curve with a known limit: logistic regression on a noisy halfspace.

Alabdulmohsin et al. 2022, 'Revisiting Neural Scaling Laws in Language and Vision', the motivating
experiment for M4: inputs uniform on a sphere, labels from a halfspace, flipped with a known chance.
"""

import dataclasses

import numpy as np
from etils import epath

from scalax import laws
from scalax.config_laws import LawHalfspaceConfig
from scalax.records import dumps, write_atomically

NEWTON_STEPS = 20


def run(config: LawHalfspaceConfig, out, hooks=(), tell=None) -> None:
    """Measure the curve, fit M2 and M4 to it, and write study.json to `out`."""
    sizes = np.unique(np.geomspace(config.smallest, config.largest, config.sizes).astype(int))
    risks = np.array([[risk_of(config, int(n), seed) for seed in range(config.seeds)] for n in sizes])
    mean = risks.mean(1)
    [fits] = laws.fit([laws.Curve(sizes, mean, config.name)], ["m2", "m4"])
    study = {
        "study": config.study,
        "config": dataclasses.asdict(config),
        "sizes": sizes.tolist(),
        "risk": mean.tolist(),
        "risk_stderr": (risks.std(1) / np.sqrt(config.seeds)).tolist(),
        "laws": {name: {"params": f.params, "rmsle": f.rmsle} for name, f in fits.items()},
        "lines": {name: straight(name, sizes, mean, config.label_noise) for name in fits},
    }
    out = epath.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "study.json", dumps(study, indent=1))


def risk_of(config: LawHalfspaceConfig, n: int, seed: int) -> float:
    """0-1 risk of logistic regression on n examples, in closed form from the angle to the true halfspace."""
    rng = np.random.default_rng([seed, n])
    truth = rng.standard_normal(config.dimension)
    x = rng.standard_normal((n, config.dimension))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = np.sign(x @ truth) * np.where(rng.random(n) < config.label_noise, -1, 1)
    w = logistic_regression(x * np.sqrt(config.dimension), y, config.ridge)
    cosine = w @ truth / np.linalg.norm(w) / np.linalg.norm(truth)
    angle = np.arccos(np.clip(cosine, -1, 1)) / np.pi
    return float(config.label_noise + (1 - 2 * config.label_noise) * angle)


def logistic_regression(x, y, ridge: float) -> np.ndarray:
    """w [d] that minimises mean log(1 + exp(-y x.w)) + ridge |w|^2 / 2 for labels y = -1, 1 of x [n, d]."""
    n, d = x.shape
    w = np.zeros(d)
    for _ in range(NEWTON_STEPS):
        p = 1 / (1 + np.exp(np.clip(y * (x @ w), -500, 500)))  # chance of the other label
        gradient = ridge * w - x.T @ (y * p) / n
        hessian = (x.T * (p * (1 - p))) @ x / n + ridge * np.eye(d)
        step = np.linalg.solve(hessian, gradient)
        size = np.linalg.norm(step)
        w -= step * min(1.0, 10 / max(size, 1e-12))
        if size < 1e-9 * (1 + np.linalg.norm(w)):
            break
    return w


def straight(name: str, sizes, risk, bayes: float) -> dict:
    """The law's own transform of the risk, which is a straight line in log n where the law holds.

    log(risk - e_inf) for M2, less a log(e_0 - risk) for M4, with the limits known: e_inf the Bayes risk,
    e_0 a guess's 1/2; a by least squares over all sizes. Returns the transform, the line through the
    larger half of the sizes, and the root mean square distance from it there and over all sizes.
    """
    log_n = np.log(np.asarray(sizes, float))
    value, exponent = np.log(risk - bayes), 0.0
    if name == "m4":
        below = np.log(np.maximum(0.5 - risk, 1e-6))
        terms = np.stack([np.ones_like(log_n), log_n, below], -1)
        exponent = float(np.linalg.lstsq(terms, value, rcond=None)[0][2])
        value = value - exponent * below
    late = log_n >= np.median(log_n)
    slope, level = np.polyfit(log_n[late], value[late], 1)
    distance = value - level - slope * log_n
    rms = {"late": float(np.sqrt(np.mean(distance[late] ** 2))), "all": float(np.sqrt(np.mean(distance**2)))}
    line = {"a": exponent, "slope": float(slope), "level": float(level)}
    return {"value": value.tolist(), **line, "rms": rms}
