"""Few-shot error of several layers and numbers of shots, on one data set whose images are embedded once."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from scalax.config import DataConfig
from scalax.errors import UserError
from scalax.evals.classifiers import few_threads, fit_classes
from scalax.evals.outputs import Outputs
from scalax.evals.protocol import Context, Measure, settings_of


@dataclasses.dataclass(frozen=True)
class Probes:
    """For each layer and number of shots, as in 'pets/block00@5': fewshot_error, the mean over the draws, and
    fewshot_error_std, their standard deviation.

    - name: of the data set, put before the metrics.
    - data: the data set, of the image size of the run; None takes the run's own.
    - layers: whose features, such as 'block00' and 'pre_logits' (averaged over tokens or places).
    - shots: images a class to learn from. The fewer are the first of the more.
    - draws: fixed draws of the shots.
    - ridge: lambda of the regression (classifiers.fit_classes); its intercept is not penalised.
    - every: at each so many evaluations, and the last.
    """

    name: str
    data: DataConfig | None = None
    layers: tuple[str, ...] = ("pre_logits",)
    shots: tuple[int, ...] = (1, 5, 10, 20)
    draws: int = 3
    ridge: float = 1e-2
    every: int = 1

    def settings(self) -> dict[str, Any]:
        return settings_of(self)

    def measured(self, task: Any) -> tuple[str, ...]:
        return tuple(
            f"{layer}@{shots}/{metric}"
            for layer in self.layers
            for shots in self.shots
            for metric in ("fewshot_error", "fewshot_error_std")
        )

    def prepare(self, context: Context) -> Measure:
        from scalax.evals.ridge import draw_shots  # imports JAX

        if not self.shots or min(self.shots) < 1 or self.draws < 1:
            raise UserError(
                f"evaluation {self.name!r}: shots and draws must be positive, got {list(self.shots)} and"
                f" {self.draws}"
            )
        splits = context.open(self.name, self.data)
        labels, test_labels = splits.train.labels(), splits.validation.labels()
        classes, most = splits.outputs, max(self.shots)
        drawn = draw_shots(labels, classes, most, self.draws, f"evaluation {self.name!r}: shots")
        drawn = drawn.reshape(self.draws, classes, most)

        def measure(outputs: Outputs) -> dict[str, float]:
            tests = {layer: outputs.features(splits.validation, layer) for layer in self.layers}
            width = max(test.shape[1] for test in tests.values())
            found = {}
            with few_threads(max(len(test_labels), classes * most), width):
                for layer, test in tests.items():
                    support = outputs.features(splits.train, layer, drawn.ravel())
                    support = support.reshape(*drawn.shape, -1)
                    for shots in self.shots:
                        errors = [error_of(one[:, :shots], test) for one in support]
                        found[f"{layer}@{shots}/fewshot_error"] = float(np.mean(errors))
                        found[f"{layer}@{shots}/fewshot_error_std"] = float(np.std(errors))
            return found

        def error_of(support: np.ndarray, test: np.ndarray) -> float:
            """Of the probe learnt from features [classes, shots, d], on [n, d]."""
            learnt = np.repeat(np.arange(classes), support.shape[1])
            features = support.reshape(len(learnt), -1)
            return fit_classes(features, learnt, classes, self.ridge).error(test, test_labels)

        return measure


class Probed(NamedTuple):
    """What one probe of a run found, errors as shares of images.

    - name: of the data set. layer, shots: of the probe.
    - error: mean over the draws. std: their standard deviation.
    """

    name: str
    layer: str
    shots: int
    error: float
    std: float


def probed(metrics: Mapping[str, float]) -> list[Probed]:
    """What `Probes` left in the metrics of a record, by set, layer and shots."""
    found = [
        (re.fullmatch(r"(.+)/([^/@]+)@(\d+)/fewshot_error", key), value) for key, value in metrics.items()
    ]
    return [
        Probed(key[1], key[2], int(key[3]), value, metrics[f"{key[0]}_std"]) for key, value in found if key
    ]
