"""Linear probe: multinomial logistic regression on frozen features, its penalty chosen on a held-out part."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from scalax.config import DataConfig
from scalax.errors import UserError
from scalax.evals.classifiers import Linear, few_threads
from scalax.evals.outputs import Outputs
from scalax.evals.protocol import Context, Measure, settings_of

PENALTIES = tuple(10.0**power for power in range(-6, 2))
SPLIT_SEED = 0  # fixed, so that every run is probed with the same images
TOLERANCE = 1e-6  # of the gradient of the mean loss
MOST_STEPS = 10_000


@dataclasses.dataclass(frozen=True)
class LinearProbe:
    """For each layer, as in 'pets/pre_logits': linear_error, and linear_penalty, the penalty chosen.

    - name: of the data set, put before the metrics.
    - data: the data set, of the image size of the run; None takes the run's own.
    - layers: whose features (averaged over tokens or places).
    - penalties: to choose from, of the squared weights beside the mean cross-entropy (fit_logistic).
    - held_out: share of the training images that the penalty is chosen on; then all are learnt from.
    - every: at each so many evaluations, and the last.
    """

    name: str
    data: DataConfig | None = None
    layers: tuple[str, ...] = ("pre_logits",)
    penalties: tuple[float, ...] = PENALTIES
    held_out: float = 0.2
    every: int = 1

    def settings(self) -> dict[str, Any]:
        return settings_of(self)

    def measured(self, task: Any) -> tuple[str, ...]:
        return tuple(
            f"{layer}/{name}" for layer in self.layers for name in ("linear_error", "linear_penalty")
        )

    def prepare(self, context: Context) -> Measure:
        if not self.penalties or min(self.penalties) <= 0:
            raise UserError(
                f"evaluation {self.name!r}: penalties must be positive, got {list(self.penalties)}"
            )
        if not 0 < self.held_out < 1:
            raise UserError(
                f"evaluation {self.name!r}: held_out must lie between 0 and 1, got {self.held_out}"
            )
        splits = context.open(self.name, self.data)
        labels, test_labels = splits.train.labels(), splits.validation.labels()

        def measure(outputs: Outputs) -> dict[str, float]:
            found = {}
            for layer in self.layers:
                features = outputs.features(splits.train, layer)
                with few_threads(*features.shape):
                    probe, penalty = choose(features, labels, splits.outputs, self.penalties, self.held_out)
                test = outputs.features(splits.validation, layer)
                found[f"{layer}/linear_error"] = probe.error(test, test_labels)
                found[f"{layer}/linear_penalty"] = penalty
            return found

        return measure


def choose(
    features: np.ndarray, labels: np.ndarray, classes: int, penalties: Sequence[float], held_out: float
) -> tuple[Linear, float]:
    """The probe learnt from all examples with the penalty that has the least error on those held out.

    - features: [n, d].
    - labels: int [n].
    - classes: number of them.
    - penalties: to choose from; of equals the largest is taken.
    - held_out: share of the examples, drawn once and for all.

    Features are standardised; the probe takes them as they are. Returns it with its penalty.
    """
    mean, scale = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64) + 1e-6
    x = (features - mean) / scale
    order = np.random.default_rng(SPLIT_SEED).permutation(len(x))
    held, kept = np.split(order, [max(1, round(held_out * len(x)))])
    best, least, start = max(penalties), np.inf, None
    for penalty in sorted(penalties, reverse=True):
        start = fit_logistic(x[kept], labels[kept], classes, penalty, start)
        error = start.error(x[held], labels[held])
        if error < least:
            best, least = penalty, error
    fitted = fit_logistic(x, labels, classes, best)
    weights = fitted.weights / scale[:, None]
    return Linear(weights, fitted.bias - mean @ weights), best


def fit_logistic(
    features: np.ndarray, labels: np.ndarray, classes: int, penalty: float, start: Linear | None = None
) -> Linear:
    """Minimises mean cross-entropy + penalty / 2 |weights|^2 by L-BFGS to convergence, in float64.

    - features: [n, d].
    - labels: int [n].
    - classes: number of them.
    - penalty: of the weights; the bias has none. scikit-learn's C is 1 / (n penalty).
    - start: where to begin; None is all zeros.

    Raises UserError where it does not converge.
    """
    from scipy.optimize import minimize

    x = features.astype(np.float64)
    n, d = x.shape
    targets = np.eye(classes)[labels]
    first = np.zeros((d + 1, classes)) if start is None else np.vstack([start.weights, start.bias])

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = np.split(flat.reshape(d + 1, classes), [d])
        scores = x @ weights + bias
        scores -= scores.max(1, keepdims=True)
        chances = np.exp(scores)
        totals = chances.sum(1, keepdims=True)
        loss = np.mean(np.log(totals[:, 0]) - scores[np.arange(n), labels])
        slope = (chances / totals - targets) / n
        gradient = np.vstack([x.T @ slope + penalty * weights, slope.sum(0, keepdims=True)])
        return float(loss + penalty / 2 * np.sum(weights**2)), gradient.ravel()

    options = {"maxiter": MOST_STEPS, "maxfun": 2 * MOST_STEPS, "gtol": TOLERANCE, "ftol": 1e-15}
    found = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    if found.nit >= MOST_STEPS:
        raise UserError(
            f"the linear probe with penalty {penalty:g} did not converge in {MOST_STEPS} steps; leave out"
            " the smallest penalties"
        )
    weights, bias = np.split(found.x.reshape(d + 1, classes), [d])
    return Linear(weights, bias[0])
