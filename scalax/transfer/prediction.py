"""Fit below an upstream accuracy, predict above it: the hull against all models, by how many were sampled."""

from typing import NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.transfer.fits import fit_sets, hull_laws
from scalax.transfer.hull import hull_of
from scalax.transfer.law import Laws
from scalax.transfer.models import FEWEST, ModelTable

SHARE = 0.9  # of the best upstream accuracy: Abnar et al. fit to 0.45 and predict 0.45 to 0.5
FEWEST_ABOVE = 3
EXACT = 1e-6  # an error of less is none
FIRST_SAMPLE = 10  # models; doubled until all below are sampled


class Errors(NamedTuple):
    """Root mean square errors of a law, in shares of images: mean, least and most over the draws."""

    mean: float
    least: float
    most: float


class PredictionRow(NamedTuple):
    """One way to fit, from samples of one size.

    - fit: 'hull' or 'all', what the law was fitted to.
    - sampled: models of each draw, all of them below the threshold.
    - draws: how many; one where all models are taken.
    - fitting: error on what it was fitted to: the corners of the hull, or all models of the draw.
    - on_hull: error at the upstream errors of all models above, against the hull of all models there.
    - on_all: error against the models above themselves.
    """

    fit: str
    sampled: int
    draws: int
    fitting: Errors
    on_hull: Errors
    on_all: Errors

    @property
    def prediction(self) -> Errors:
        """Against what the law was fitted to a lower part of, as Abnar et al. compare."""
        return self.on_hull if self.fit == "hull" else self.on_all


class Prediction(NamedTuple):
    """The experiment on one task.

    - task: its name.
    - below, above: numbers of models.
    - rows: by size of the sample, hull and all.
    """

    task: str
    below: int
    above: int
    rows: list[PredictionRow]

    def last(self, fit: str) -> PredictionRow:
        """With all models below."""
        return [row for row in self.rows if row.fit == fit][-1]

    @property
    def ratio(self) -> float:
        """Prediction error of the law of all models over that of the hull's, each against its own kind; nan
        where the hull's is 0."""
        hull = self.last("hull").prediction.mean
        return self.last("all").prediction.mean / hull if hull > EXACT else float("nan")


def threshold(table: ModelTable) -> float:
    """The upstream accuracy to fit below: 0.9 times the best; where fewer than three models lie above it, or
    fewer than ten below, what four fifths of the models lie below."""
    accuracy = 1 - table.e_us
    found = SHARE * float(accuracy.max())
    above = int((accuracy > found).sum())
    if above < FEWEST_ABOVE or len(accuracy) - above < FIRST_SAMPLE:
        found = float(np.quantile(accuracy, 0.8))
    return min(found, float(np.unique(accuracy)[-2:].mean()))  # where many are equally good, below them


def predict(
    table: ModelTable, below: float | None = None, draws: int = 10, seed: int = 0
) -> list[Prediction]:
    """The experiment on every task with five models below the threshold and one above.

    - table: of models.
    - below: upstream accuracy, a share; models at it or below are fitted to, the others predicted. None:
      `threshold`.
    - draws: samples of each size.
    - seed: of the draws.

    Source: Abnar et al. 2021, figures 3 and F.10 to F.16, table F.3.
    """
    cut = threshold(table) if below is None else below
    accuracy = 1 - table.e_us
    if not accuracy.min() <= cut < accuracy.max():
        raise UserError(
            f"`below` must lie between {accuracy.min():.4g} and {accuracy.max():.4g}, the least and the best"
            f" upstream accuracy, got {cut:g}"
        )
    found = []
    for t, task in enumerate(table.tasks):
        pairs = table.pairs(t)
        low, high = pairs[accuracy[pairs] <= cut], pairs[accuracy[pairs] > cut]
        if len(low) >= FEWEST and len(high):
            rows = _rows(table.e_us, table.e_ds[:, t], low, high, draws, seed)
            found.append(Prediction(task, len(low), len(high), rows))
    return found


def _rows(
    e_us: np.ndarray, e_ds: np.ndarray, low: np.ndarray, high: np.ndarray, draws: int, seed: int
) -> list[PredictionRow]:
    sizes = [m for m in FIRST_SAMPLE * 2 ** np.arange(20) if m < len(low)] + [len(low)]
    rng = np.random.default_rng([seed, len(low)])
    x, y, sets = e_us[low], e_ds[low], []
    for size in sizes:
        drawn = [rng.permutation(len(low))[:size] for _ in range(1 if size == len(low) else draws)]
        sets += [(x[own], y[own]) for own in drawn]
    laws = {"hull": hull_laws(sets), "all": fit_sets(sets)}
    target = hull_of(e_us, e_ds).height(e_us[high])
    rows, first = [], 0
    for size in sizes:
        last = first + (1 if size == len(low) else draws)
        for fit, every in laws.items():
            own = Laws(*(values[first:last] for values in every))
            predicted = own.predict(e_us[high])
            errors = (own.rms, rms(predicted - target), rms(predicted - e_ds[high]))
            rows.append(PredictionRow(fit, int(size), last - first, *map(_errors, errors)))
        first = last
    return rows


def rms(values: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    return np.sqrt(np.mean(values**2, -1))


def _errors(values: np.ndarray) -> Errors:
    return Errors(float(values.mean()), float(values.min()), float(values.max()))
