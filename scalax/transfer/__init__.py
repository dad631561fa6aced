"""Transfer: what upstream accuracy buys downstream, from any table of models. NumPy only."""

from scalax.transfer.analysis import TransferResult, analyse, read_result
from scalax.transfer.between import Overlay, Reversal, mixtures, overlay, reversals, spearman
from scalax.transfer.cells import Reading
from scalax.transfer.fits import EXPLAINED, MISFIT, Corner, FittedLaw, Interval, TaskFit, fit_tasks
from scalax.transfer.given import GroupEffect, SizeEffect, group_effects, size_effects
from scalax.transfer.hull import Hull, Mixture, hull_of
from scalax.transfer.law import Laws, fit_laws, fit_quantile
from scalax.transfer.models import Column, ModelTable, model_table, resampled
from scalax.transfer.noise import noise_variance, without_noise
from scalax.transfer.prediction import Prediction, PredictionRow, predict, threshold
from scalax.transfer.read import read_models
from scalax.transfer.shots import ShotTrend, shot_trends, split_shots

__all__ = [
    "EXPLAINED",
    "MISFIT",
    "Column",
    "Corner",
    "FittedLaw",
    "GroupEffect",
    "Hull",
    "Interval",
    "Laws",
    "Mixture",
    "ModelTable",
    "Overlay",
    "Prediction",
    "PredictionRow",
    "Reading",
    "Reversal",
    "ShotTrend",
    "SizeEffect",
    "TaskFit",
    "TransferResult",
    "analyse",
    "fit_laws",
    "fit_quantile",
    "fit_tasks",
    "group_effects",
    "hull_of",
    "mixtures",
    "model_table",
    "noise_variance",
    "overlay",
    "predict",
    "read_models",
    "read_result",
    "resampled",
    "reversals",
    "shot_trends",
    "size_effects",
    "spearman",
    "split_shots",
    "threshold",
    "without_noise",
]
