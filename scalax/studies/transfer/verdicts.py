"""The five questions of the study and what its numbers say, each with an interval from resampling."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from scalax.studies.transfer import tables
from scalax.studies.transfer.result import Answer, StudyResult, Verdict
from scalax.transfer import split_shots

RESAMPLES = 400
LEVEL = 0.95
FEWEST_SETS = 4  # for a rank correlation over sets
SMALL = 0.2  # a partial correlation of less, either way, is taken for none


def of(result: StudyResult) -> list[Verdict]:
    """Those of the parts that the study has."""
    found = []
    if result.models:
        found += [*saturation(result), *one_curve(result), best_layer(result)]
    if result.heads:
        found += [best_decay(result), *moves(result)]
    return found


def saturation(result: StudyResult) -> list[Verdict]:
    """e_IR of each task with `best_shots` shots: the law of the frontier, freed of the test images' noise.

    Where the upstream errors are too few or too much alike, alpha comes to an end of its search, and nothing
    is determined (FittedLaw.verdict).
    """
    found = []
    assert result.analysis is not None
    answers: dict[str, Answer] = {"saturates": "yes", "does not": "no"}
    for fit in result.analysis.fits:
        named = split_shots(fit.task)
        if named and named[1] == result.config.best_shots:
            law = fit.laws["frontier"]
            answer = answers.get(law.verdict, "not determined")
            found.append(Verdict("saturation", answer, named[0], *law.e_ir))
    return found


def one_curve(result: StudyResult) -> list[Verdict]:
    """Whether size, data and epochs act through upstream accuracy alone.

    For each, the partial correlation of its logarithm with downstream accuracy, given upstream (1, e_US and
    e_US^2), mean over the sets. Yes where the interval over resampled runs lies within SMALL of 0; no where
    it does not hold 0.
    """
    layers = tables.best_layers(result)
    found = []
    for name in tables.SIZES:
        size = np.log([getattr(row, name) for row in result.models])
        if np.ptp(size) == 0:
            continue

        def mean_partial(chosen: np.ndarray, size: np.ndarray = size) -> float:
            e_us = layers.upstream[chosen]
            terms = np.stack([np.ones_like(e_us), e_us, e_us**2], 1)
            both = np.column_stack([size[chosen], 1 - layers.downstream[chosen]])
            left = both - terms @ np.linalg.lstsq(terms, both, rcond=None)[0]
            norms = np.linalg.norm(left, axis=0)
            if np.any(norms < 1e-6 * np.linalg.norm(both, axis=0)):
                return float("nan")  # upstream explains all there is
            return float(np.mean(left[:, 0] @ left[:, 1:] / (norms[0] * norms[1:])))

        value, low, high = over_runs(layers.runs, mean_partial)
        answer: Answer = "not determined"
        if low > 0 or high < 0:
            answer = "no"
        elif low > -SMALL and high < SMALL:
            answer = "yes"
        found.append(Verdict("one_curve", answer, name, value, low, high))
    return found


def best_layer(result: StudyResult) -> Verdict:
    """Whether the best layer is lower for sets whose errors follow upstream less.

    Rank correlation, over the sets, of the mean depth of the best layer with the rank correlation to
    upstream; its interval over resampled runs and sets.
    """
    layers = tables.best_layers(result)

    def correlation(chosen: np.ndarray, sets: np.ndarray) -> float:
        if len(np.unique(sets)) < FEWEST_SETS:
            return float("nan")
        depth = layers.depth[chosen].mean(0)
        ranks = np.array([spearman(layers.upstream[chosen], e) for e in layers.downstream[chosen].T])
        return spearman(depth[sets], ranks[sets])

    rng, count = np.random.default_rng(1), len(layers.sets)

    def resampled(chosen: np.ndarray) -> float:
        return correlation(chosen, rng.integers(count, size=count))

    _, low, high = over_runs(layers.runs, resampled)
    value = correlation(np.arange(len(layers.runs)), np.arange(count))
    return Verdict("best_layer", _sign(low, high), "", value, low, high)


def best_decay(result: StudyResult) -> Verdict:
    """Whether the head's best decay is greater downstream than upstream.

    Difference of their places among the decays, mean over the tasks; its interval over resampled seeds and
    sets, with all their shots.
    """
    heads = tables.heads(result)

    def difference(seeds: np.ndarray, tasks: np.ndarray) -> float:
        places = tables.best_decay(heads.errors[..., seeds])
        return float(np.mean(places[1:][tasks] - places[0]))

    count, tasks = heads.errors.shape[-1], len(heads.tasks) - 1
    names = [task.rpartition("@")[0] for task in heads.tasks[1:]]
    members = [np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names)]
    rng = np.random.default_rng(0)

    def drawn() -> float:
        sets = rng.integers(len(members), size=len(members))
        return difference(rng.integers(count, size=count), np.concatenate([members[i] for i in sets]))

    draws = [drawn() for _ in range(RESAMPLES)]
    low, high = _ends(draws)
    return Verdict(
        "best_decay", _sign(low, high), "", difference(np.arange(count), np.arange(tasks)), low, high
    )


def moves(result: StudyResult) -> list[Verdict]:
    """Whether norms and margins fall at the head and rise below it, as the head's decay grows.

    Rank correlation of each with the decay, mean over learning rates and seeds; its interval over resampled
    pairs of these. Yes where the interval has the sign that the question has.
    """
    heads = tables.heads(result)
    found = []
    for kind, values, sign in (
        ("norm of head", heads.norms["head"], -1),
        ("norm of body", heads.norms["body"], 1),
        ("margin of head", heads.margins["head"], -1),
        ("margin of pre-logits", heads.margins["pre_logits"], 1),
    ):
        each = np.array([spearman(heads.decays, one) for one in values.reshape(len(heads.decays), -1).T])
        rng = np.random.default_rng(0)
        low, high = _ends([each[rng.integers(len(each), size=len(each))].mean() for _ in range(RESAMPLES)])
        ordered = (low, high) if sign > 0 else (-high, -low)
        found.append(Verdict("moves", _sign(*ordered), kind, float(each.mean()), low, high))
    return found


def decay_against_upstream(result: StudyResult) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Of the tasks of the head's sweep: names [t], place of the best decay [t], and the rank correlation [t]
    with upstream over all runs."""
    heads = tables.heads(result)
    flat = heads.errors.reshape(len(heads.tasks), -1)
    ranks = np.array([spearman(flat[0], one) for one in flat[1:]])
    return heads.tasks[1:], tables.best_decay(heads.errors)[1:], ranks


def over_runs(runs: list[str], statistic: Callable[[np.ndarray], float]) -> tuple[float, float, float]:
    """A statistic of models, with its interval over resampled runs.

    - runs: of each model; the evaluations of a run are drawn together.
    - statistic: from indices of models.
    """
    names, which = np.unique(runs, return_inverse=True)
    members = [np.flatnonzero(which == i) for i in range(len(names))]
    rng = np.random.default_rng(0)
    draws = [
        statistic(np.concatenate([members[i] for i in rng.integers(len(names), size=len(names))]))
        for _ in range(RESAMPLES)
    ]
    return statistic(np.arange(len(runs))), *_ends(draws)


def _ends(draws: list[float]) -> tuple[float, float]:
    known = [draw for draw in draws if np.isfinite(draw)]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(known, [tail, 1 - tail]) if known else (np.nan, np.nan)
    return float(low), float(high)


def _sign(low: float, high: float) -> Answer:
    """Yes where the interval is above 0, no where it is below."""
    return "yes" if low > 0 else "no" if high < 0 else "not determined"


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Rank correlation of pairs [n]; nan where one of them does not vary."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])
