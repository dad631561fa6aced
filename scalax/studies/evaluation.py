"""What is measured at each evaluation of a run."""

import dataclasses
from collections.abc import Callable

import numpy as np

from scalax import data, probes
from scalax.config import RunConfig
from scalax.data import Splits


def make_evaluator(config: RunConfig, splits: Splits) -> Callable[[Callable], dict[str, float]]:
    """From a predictor of a run (train.Setup.predictor) to its metrics.

    val_error and val_loss are over all validation images; fewshot_error is the mean over the draws,
    fewshot_error_std their standard deviation.
    """
    evaluation = config.eval
    if not evaluation.shots:
        return lambda predict: _validate(*predict(splits.validation)[:2])
    target = _probe_splits(config, splits)
    labels = target.train.labels if target.train.labels is not None else target.train.source.labels()
    shots = probes.draw_shots(labels, target.classes, evaluation.shots, evaluation.draws)
    rows, place = np.unique(shots, return_inverse=True)
    test_labels = target.validation.labels
    test_labels = test_labels if test_labels is not None else target.validation.source.labels()

    def evaluate(predict: Callable) -> dict[str, float]:
        wrong, loss, features = predict(splits.validation)
        if target is not splits:
            features = predict(target.validation)[2]
        support = predict(target.train, rows)[2][place.reshape(shots.shape)]
        errors = np.asarray(
            probes.fewshot_errors(
                support, labels[shots], features, test_labels, target.classes, evaluation.ridge
            )
        )
        probe = {"fewshot_error": float(errors.mean()), "fewshot_error_std": float(errors.std())}
        return _validate(wrong, loss) | probe

    return evaluate


def _validate(wrong: np.ndarray, loss: np.ndarray) -> dict[str, float]:
    return {"val_error": float(wrong.mean()), "val_loss": float(loss.mean(dtype=np.float64))}


def _probe_splits(config: RunConfig, splits: Splits) -> Splits:
    evaluation = config.eval
    if not (evaluation.probe_name or evaluation.probe_dir):
        return splits
    return data.load(
        dataclasses.replace(
            config.data,
            source="tfds",
            name=evaluation.probe_name,
            dir=evaluation.probe_dir,
            validation_split=evaluation.probe_validation_split,
            max_train_images=0,
            max_validation_images=0,
        )
    )
