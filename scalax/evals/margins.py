"""Margins of head and pre-logits: how far training images are from the boundary to the next class."""

import dataclasses
from typing import Any

import numpy as np

from scalax.config import DataConfig
from scalax.errors import UserError
from scalax.evals.classifiers import Linear, fit_classes
from scalax.evals.outputs import Outputs
from scalax.evals.protocol import Context, Measure, settings_of

LAYER = "pre_logits"
MEASURED = ("head_margin", "pre_logits_margin", "head_margin_size", "pre_logits_margin_size")
DRAW_SEED = 0  # fixed, so that every run is measured on the same images


@dataclasses.dataclass(frozen=True)
class Margins:
    """Medians over training images of the margin at the head's output and at its input (`margins`):
    head_margin and pre_logits_margin; and of its absolute value, which tells its scale where many images are
    wrong: head_margin_size and pre_logits_margin_size.

    - name: of the data set, put before the metrics.
    - data: a data set, of the image size of the run, whose head is ridge regression on the same images
      (classifiers.fit_classes); None takes the run's own images and head.
    - images: how many training images, drawn once and for all; 0 takes all.
    - ridge: lambda of that regression.
    - every: at each so many evaluations, and the last.
    """

    name: str
    data: DataConfig | None = None
    images: int = 1000
    ridge: float = 1e-2
    every: int = 1

    @property
    def layers(self) -> tuple[str, ...]:
        return (LAYER,)

    def settings(self) -> dict[str, Any]:
        return settings_of(self)

    def measured(self, task: Any) -> tuple[str, ...]:
        return MEASURED

    def prepare(self, context: Context) -> Measure:
        if self.images < 0:
            raise UserError(f"evaluation {self.name!r}: images must be at least 0, got {self.images}")
        splits = context.open(self.name, self.data)
        order = np.random.default_rng(DRAW_SEED).permutation(len(splits.train))
        rows = np.sort(order[: self.images or None])
        labels = splits.train.labels()[rows]

        def measure(outputs: Outputs) -> dict[str, float]:
            features = outputs.features(splits.train, LAYER, rows)
            if self.data is None:
                head = head_of(outputs.params)
            else:
                head = fit_classes(features, labels, splits.outputs, self.ridge)
            both = margins(head, features, labels)
            medians = [np.median(each) for each in (*both, *np.abs(both))]
            return dict(zip(MEASURED, map(float, medians), strict=True))

        return measure


def head_of(params: Any) -> Linear:
    """The head of a model: its parameters 'head', which all our families have."""
    head = params["head"]
    kernel = np.asarray(head["kernel"], np.float64)
    bias = np.asarray(head["bias"], np.float64) if "bias" in head else np.zeros(kernel.shape[-1])
    return Linear(kernel, bias)


def margins(head: Linear, features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Margins [n] at the head's output and [n] at its input, negative where the class is wrong.

    - head: from pre-logits to scores f.
    - features: pre-logits [n, d].
    - labels: int [n].

    The margin at a layer is (f_y - f_j) / |grad f_y - grad f_j|, gradients by the activations of that layer,
    j the best other class ('Predicting the Generalization Gap in Deep Networks with Margin Distributions',
    section 3; not divided by the spread of the activations, as it is there). At the scores themselves the
    norm is sqrt(2); at the pre-logits it is |w_y - w_j|.
    """
    scores = head.scores(features.astype(np.float64))
    own = np.arange(len(labels)), labels
    others = scores.copy()
    others[own] = -np.inf
    rival = others.argmax(1)
    gap = scores[own] - others.max(1)
    norms = np.linalg.norm(head.weights[:, labels] - head.weights[:, rival], axis=0)
    return gap / np.sqrt(2), gap / np.maximum(norms, 1e-12)
