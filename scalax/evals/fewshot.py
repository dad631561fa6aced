"""Few-shot error of frozen features: ridge regression on some images of each class, of any data set."""

import dataclasses
from typing import Any

import numpy as np

from scalax.config import DataConfig
from scalax.evals.outputs import Outputs
from scalax.evals.protocol import Context, Measure, settings_of


@dataclasses.dataclass(frozen=True)
class FewShot:
    """fewshot_error: mean over the draws; fewshot_error_std: their standard deviation.

    - name: put before the metrics.
    - shots: images a class to learn from; draws: fixed draws of them. ridge: lambda of the regression.
    - layer: whose features, such as 'pre_logits' (averaged over tokens or places).
    - data: another data set, of the image size of the run; None takes the run's own.
    - every: at each so many evaluations, and the last.
    """

    name: str = ""
    shots: int = 10
    draws: int = 5
    ridge: float = 1e-2
    layer: str = "pre_logits"
    data: DataConfig | None = None
    every: int = 1

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    def settings(self) -> dict[str, Any]:
        return settings_of(self)

    def measured(self, task: Any) -> tuple[str, ...]:
        return ("fewshot_error", "fewshot_error_std")

    def prepare(self, context: Context) -> Measure:
        from scalax.evals import ridge

        splits = context.open(self.name, self.data)
        labels, test_labels = splits.train.labels(), splits.validation.labels()
        shots = ridge.draw_shots(labels, splits.outputs, self.shots, self.draws)

        def measure(outputs: Outputs) -> dict[str, float]:
            features = outputs.features(splits.validation, self.layer)
            support = outputs.features(splits.train, self.layer, shots.ravel())
            errors = np.asarray(
                ridge.fewshot_errors(
                    support.reshape(*shots.shape, -1),
                    labels[shots],
                    features,
                    test_labels,
                    splits.outputs,
                    self.ridge,
                )
            )
            return {"fewshot_error": float(errors.mean()), "fewshot_error_std": float(errors.std())}

        return measure
