"""The law of each task on the hull, on all models and below most of them, with intervals and a verdict."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from scalax.transfer.hull import Hull, hull_of
from scalax.transfer.law import ALPHA, Laws, fit_laws, fit_quantile
from scalax.transfer.models import FEWEST, ModelTable, resampled
from scalax.transfer.noise import misfit, noise_variance, without_noise

LEVEL = 0.95  # of intervals
BELOW = 0.1  # share of the models that lie below the frontier's law
NEGLIGIBLE = 0.01  # an e_IR of less is none
EXPLAINED = 0.1  # of the variance: a law of less says nothing of a limit
MISFIT = 0.3  # a law that is further off the models does not describe them
NEAR_END = 1.1  # alpha within this factor of an end of its search is at the end
FITS = ("hull", "all", "frontier")  # of every table

Verdict = Literal["saturates", "does not", "not determined"]


class Interval(NamedTuple):
    """A value, and the ends of its 95% interval over resampled models."""

    value: float
    low: float
    high: float


class FittedLaw(NamedTuple):
    """e_DS = k e_US^alpha + e_IR.

    - k, alpha, e_ir: with intervals; alpha is nan where k is 0.
    - rms: root mean square residual of the models that it was fitted to.
    - models: how many these are (corners, of the hull).
    - noise: an e_IR of less counts as none: 0.01, or two standard deviations of the noise of test images.
    - verdict: 'saturates' where the interval of e_IR lies above `noise`, 'does not' where it lies below, else
      'not determined' by these models; so too where the law does not describe them (TaskFit.misfit,
      TaskFit.explained), and where the interval of alpha comes to an end of its search.
    """

    k: Interval
    alpha: Interval
    e_ir: Interval
    rms: float
    models: int
    noise: float
    verdict: Verdict

    @property
    def laws(self) -> Laws:
        values = (self.k.value, self.alpha.value, self.e_ir.value, self.rms)
        return Laws(*(np.array(value, float) for value in values))


class Corner(NamedTuple):
    """A corner of the hull, with the models at it."""

    models: list[str]
    e_us: float
    e_ds: float


class TaskFit(NamedTuple):
    """The laws of one downstream task.

    - task: its name.
    - models, missing: how many were measured on it, and how many were not.
    - best_e_us, best_e_ds: the least errors that were measured; e_IR is extrapolated from best_e_us to 0.
    - hull: its corners, from the worst upstream error to the best.
    - laws: by what they are fitted to: 'hull' (its corners), 'all' (all models) and 'frontier' (a tenth of
      the models lie below). Where the number of test images is known the frontier is freed of their noise,
      and there is 'corrected', the hull of the models freed of it.
    - explained: share of the variance of downstream errors that the law of all models explains. Below 0.1
      upstream says little of downstream, and nothing of a limit.
    - misfit: how far the models around each lie off the law of all on average, in standard deviations of
      their downstream errors. Above 0.3 the law does not have the shape of the models, and e_IR says nothing.
    - lift: how much too low in error that noise puts the hull, on average over the models; nan where unknown.
    """

    task: str
    models: int
    missing: int
    best_e_us: float
    best_e_ds: float
    hull: list[Corner]
    laws: dict[str, FittedLaw]
    explained: float
    misfit: float
    noise_share: float
    lift: float


def fit_tasks(
    table: ModelTable, resamples: int = 200, seed: int = 0, whole_groups: bool = False
) -> list[TaskFit]:
    """The laws of every downstream task that has five models or more.

    - table: of models.
    - resamples: of the models with replacement; intervals are their quantiles.
    - seed: of the resamples. The resamples of a task depend on its own models alone.
    - whole_groups: resample groups of models, not single models (see `resampled`).

    >>> from scalax.transfer.models import model_table
    >>> e_us = np.linspace(0.2, 0.8, 30)
    >>> [fit] = fit_tasks(model_table("up", e_us, {"down": 0.5 * e_us**2 + 0.2}), resamples=20)
    >>> fit.laws["hull"].verdict, round(fit.laws["all"].e_ir.value, 6)
    ('saturates', 0.2)
    """
    fits = []
    for t in range(len(table.tasks)):
        if len(table.pairs(t)) >= FEWEST:
            fits.append(_fit_task(table, t, resamples, seed, whole_groups))
    return fits


def _fit_task(table: ModelTable, task: int, resamples: int, seed: int, whole_groups: bool) -> TaskFit:
    pairs = table.pairs(task)
    order = pairs[np.lexsort((table.e_ds[pairs, task], -table.e_us[pairs]))]  # the worst upstream first
    e_us, e_ds = table.e_us[order], table.e_ds[order, task]
    images = table.images_us[order], table.images_ds[order, task]
    n = len(order)
    index = resampled(table, order, resamples, seed, whole_groups)  # the models themselves first

    every = fit_laws(e_us[index], e_ds[index])
    known = np.isfinite(images[1]).any() or np.isfinite(images[0]).any()
    variance, clean = np.zeros(index.shape), e_ds[index]
    if known:
        variance = noise_variance(every, e_us[index], images[0][index], images[1][index])
        clean = without_noise(every, e_us[index], e_ds[index], variance)
    frontier = fit_quantile(e_us[index], clean, BELOW)
    laws = {"hull": hull_laws(zip(e_us[index], e_ds[index], strict=True)), "all": every, "frontier": frontier}
    if known:
        laws["corrected"] = hull_laws(zip(e_us[index], clean, strict=True))
    noise = max(NEGLIGIBLE, 2 * float(np.sqrt(variance[0].min())))
    hull = hull_of(e_us, e_ds)
    free = hull_of(e_us, clean[0])
    counts = {"hull": len(hull.models), "all": n, "frontier": n, "corrected": len(free.models)}
    off = misfit(Laws(*(values[0] for values in every)), e_us, e_ds)
    spread = float(np.var(e_ds))
    explained = 1 - float(every.rms[0]) ** 2 / spread if spread > 0 else 0.0
    holds = off < MISFIT and explained >= EXPLAINED
    return TaskFit(
        task=table.tasks[task],
        models=n,
        missing=len(table.models) - n,
        best_e_us=float(e_us.min()),
        best_e_ds=float(e_ds.min()),
        hull=_corners(hull, e_us, e_ds, [table.models[i] for i in order]),
        laws={
            name: _with_intervals(own, counts[name], noise, holds or name in ("hull", "corrected"))
            for name, own in laws.items()
        },
        explained=explained,
        misfit=off,
        noise_share=float(min(1, variance[0].mean() / every.rms[0] ** 2))
        if known and every.rms[0]
        else np.nan,
        lift=float(np.mean(free.height(e_us) - hull.height(e_us))) if known else np.nan,
    )


def hull_laws(sets: Iterable[tuple[np.ndarray, np.ndarray]]) -> Laws:
    """The law of the hull of each set of models: e_us and e_ds, each [m]."""
    hulls = [hull_of(*errors) for errors in sets]
    return fit_sets([(hull.e_us, hull.e_ds) for hull in hulls])


def fit_sets(sets: Sequence[tuple[np.ndarray, np.ndarray]]) -> Laws:
    """A law for each of some sets of models, of any sizes: e_us and e_ds, each [m]."""
    most = max(len(e_us) for e_us, _ in sets)
    padded, weights = np.zeros((2, len(sets), most)), np.zeros((len(sets), most))
    for i, errors in enumerate(sets):
        padded[:, i, : len(errors[0])], weights[i, : len(errors[0])] = errors, 1.0
    return fit_laws(padded[0], padded[1], weights)


def _corners(hull: Hull, e_us: np.ndarray, e_ds: np.ndarray, names: list[str]) -> list[Corner]:
    found = []
    for x, y in zip(hull.e_us, hull.e_ds, strict=True):
        same = np.flatnonzero((e_us == x) & (e_ds == y))
        found.append(Corner([names[i] for i in same], float(x), float(y)))
    return found


def _with_intervals(laws: Laws, models: int, noise: float, holds: bool) -> FittedLaw:
    """laws: [1 + resamples], of the models themselves first; holds: whether they describe the models."""
    tail = (1 - LEVEL) / 2

    def interval(values: np.ndarray) -> Interval:
        own = values[1:][np.isfinite(values[1:])]
        low, high = np.quantile(own, [tail, 1 - tail]) if len(own) else (np.nan, np.nan)
        return Interval(float(values[0]), float(low), float(high))

    alpha, e_ir = interval(laws.alpha), interval(laws.e_ir)
    verdict: Verdict = "not determined"
    # Fewer corners leave a law of three parameters free; where k is 0 upstream says nothing; and where alpha
    # comes to an end of its search, e_IR is only the error of the best models.
    inside = alpha.low > NEAR_END * ALPHA[0] and alpha.high < ALPHA[1] / NEAR_END
    if holds and models >= 3 and laws.k[0] > 0 and inside:
        verdict = "saturates" if e_ir.low > noise else "does not" if e_ir.high < noise else verdict
    return FittedLaw(interval(laws.k), alpha, e_ir, float(laws.rms[0]), models, noise, verdict)
