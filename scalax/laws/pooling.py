"""Priors of a file's curves from each other: what curves of one task, or of one model, have in common.

For each law and kind of prior, what a curve's rows say of the prior's coordinates is taken as normal around
the mode. How much of the prior's variance the groups have in common is estimated from all curves
(effects.py), and a curve's prior becomes what the others' rows leave open. Only rows to fit are seen, and of
a curve's own rows its prior sees nothing but the shares.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from scalax.errors import UserError, suggest
from scalax.laws.anchored import Anchored
from scalax.laws.curves import Curve
from scalax.laws.effects import Told, left_out, shares
from scalax.laws.family import Family
from scalax.laws.flags import Flag
from scalax.laws.mixture import Odds, general_odds
from scalax.laws.posterior import (
    REFINE_STEPS,
    Modes,
    Solved,
    Task,
    log_evidence,
    prior_coordinates,
    rooted,
    solve,
)
from scalax.laws.priors import Prior

LEAST = 3  # curves that a group has in common something to tell about
ALL_COLUMNS = "*"
STARTS = [0, 2, -1]  # amplitudes whose modes alone are starts of the pooled ones
ROUNDS = 2  # of solving under the others' prior, and learning it anew
OUTSIDER = 0.2  # probability that a curve is like none of the others


class Pooled(NamedTuple):
    """Of each curve: its laws' modes, their priors with their kinds, and the odds. Kinds 0 and 1 are those of
    a curve alone; 2 and 3 the same with what the others' rows say."""

    modes: list[list[Modes]]
    kinds: list[list[list[tuple[int, Prior]]]]
    odds: list[Odds]


def groups_of(curves: Sequence[Curve], columns: Sequence[str]) -> np.ndarray:
    """Numbers of groups [n, effects]: of all curves, then of each column that says something.

    - columns: of the curves' keys, or "*" for all of them.

    Raises UserError for a column that names no curve.
    """
    found, number = [np.zeros(len(curves), int)], 1
    for name in _named(curves, columns):
        labels, index, counts = np.unique(_values(curves, name), return_inverse=True, return_counts=True)
        if len(labels) > 1 and counts.max() >= LEAST:
            found.append(number + index)
            number += len(labels)
    return np.stack(found, 1)


def few_to_pool(curves: Sequence[Curve], columns: Sequence[str]) -> list[list[Flag]]:
    """Of each curve, a flag where the curves, or those of its group of a column that is named, are too few.

    Raises UserError for a column that names no curve.
    """
    few: list[list[Flag]] = [[] for _ in curves]
    wanted = _named(curves, columns)
    if len(curves) < LEAST:
        return [[Flag("not_pooled", numbers={"curves": len(curves)})] for _ in curves]
    for name in wanted if ALL_COLUMNS not in columns else []:
        values = _values(curves, name)
        for own, value in zip(few, values, strict=True):
            if (alike := values.count(value)) < LEAST:
                own.append(Flag("small_group", name, {"curves": alike}))
    return few


def _named(curves: Sequence[Curve], columns: Sequence[str]) -> list[str]:
    known = list(dict.fromkeys(name for curve in curves for name in curve.key))
    if ALL_COLUMNS in columns:
        return known
    if unknown := [name for name in columns if name not in known]:
        raise UserError(f"`pool`: {unknown[0]!r} names no curve{suggest(unknown[0], known)}")
    return list(columns)


def _values(curves: Sequence[Curve], column: str) -> list[str]:
    return [curve.key.get(column, "") for curve in curves]


def pool(
    laws: Sequence[Family],
    data: Sequence[Anchored],
    kinds: Sequence[Sequence[Sequence[tuple[int, Prior]]]],
    found: Sequence[Sequence[Modes]],
    smoothed: Sequence[bool],
    groups: np.ndarray,
) -> Pooled:
    """Pool what curves say: each law is tried under the priors that it had, and under those that the others'
    rows make of them.

    - laws; data: the curves.
    - kinds: of each curve and law, its priors, see `mixture.priors_of`.
    - found: the modes of each curve [n] and law under these.
    - smoothed: whether a curve's rows are.
    - groups: [n, effects], see `groups_of`.
    """
    odds = [general_odds(len(laws), smooth) for smooth in smoothed]
    made = [[list(zip(own.p, own.log_evidence, strict=True)) for own in of_curve] for of_curve in found]
    priors = [[list(of_law) for of_law in of_curve] for of_curve in kinds]
    for j in range(len(laws)):
        for place, (kind, _) in enumerate(kinds[0][j]):
            starts, first = [], []
            for of_curve, of_kinds, a, own in zip(found, kinds, data, odds, strict=True):
                starts.append(of_curve[j].p[place][STARTS])
                tau = float(a.taus[_counted(of_curve[j].log_evidence[place], own.amplitudes[kind]).argmax()])
                first.append(Task(j, a, tau, of_kinds[j][place][1], starts[-1], REFINE_STEPS))
            pooled = _priors_of_others(laws, first, groups)
            for i, ((p, evidence), prior) in enumerate(
                zip(_refined(laws, first, pooled), pooled, strict=True)
            ):
                alone, chances = made[i][j][place], odds[i].amplitudes[kind]
                less = _less(alone[1], evidence, chances)
                made[i][j][place] = alone[0], alone[1] + less
                made[i][j].append((p, evidence + less))
                priors[i][j].append((kind + 2, prior))
    modes = [
        [Modes(*(np.array(part) for part in zip(*of_law, strict=True))) for of_law in of_curve]
        for of_curve in made
    ]
    return Pooled(modes, priors, [_with_outsiders(own) for own in odds])


def _less(alone: np.ndarray, pooled: np.ndarray, chances: np.ndarray) -> float:
    """What makes log evidences [amplitudes] of a law under its general and its pooled prior sum to that under
    the general one: a law counts as much as for the curve alone. Priors that are narrow about the best fit
    would flatter flexible laws."""
    own, others = (np.logaddexp.reduce(_counted(each, chances)) for each in (alone, pooled))
    return float(own - np.logaddexp(own, others)) if np.isfinite(own) else 0.0


def _counted(log_evidence: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Log evidence of each amplitude with its prior, [amplitudes]."""
    with np.errstate(divide="ignore"):
        return np.where(np.isfinite(log_evidence), log_evidence, -np.inf) + np.log(chances)


def _priors_of_others(laws: Sequence[Family], tasks: Sequence[Task], groups: np.ndarray) -> list[Prior]:
    """The prior of each task's curve, given the rows of the others; all tasks are of one law."""
    general, law = [task.prior for task in tasks], laws[tasks[0].law]
    priors = general
    for _ in range(ROUNDS):
        tasks = [task._replace(prior=prior) for task, prior in zip(tasks, priors, strict=True)]
        told = _told(law, general, tasks, solve(laws, tasks))
        mean, covariance = left_out(told, groups, shares(told, groups))
        priors = [_prior(*each) for each in zip(general, mean, covariance, strict=True)]
    return priors


def _refined(
    laws: Sequence[Family], tasks: Sequence[Task], priors: Sequence[Prior]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Mode [amplitudes, k] and log evidence [amplitudes] of each task's curve under its prior."""
    wanted = [
        [task._replace(prior=prior, tau=tau) for tau in task.a.taus]
        for task, prior in zip(tasks, priors, strict=True)
    ]
    ends = iter(solve(laws, [task for own in wanted for task in own]))
    made = []
    for own in wanted:
        found = [(task, next(ends)) for task in own]
        p = np.array([s.p[s.cost.argmin()] for _, s in found])
        made.append((p, np.array([log_evidence(*each) for each in found])))
    return made


def _with_outsiders(odds: Odds) -> Odds:
    """Of four kinds: the general ones for a curve that is like none of the others, then the pooled ones."""
    kinds = np.concatenate([OUTSIDER * odds.kinds, (1 - OUTSIDER) * odds.kinds])
    return Odds(kinds, np.tile(odds.amplitudes, (2, 1)), np.tile(odds.laws, (2, 1)))


def _root(prior: Prior) -> np.ndarray:
    """[m, m], symmetric: what makes coordinates independent and leaves each nearest to what it was."""
    value, vector = np.linalg.eigh(prior.covariance)
    return vector / np.sqrt(value) @ vector.T


def _prior(general: Prior, mean: np.ndarray, covariance: np.ndarray) -> Prior:
    """Of coordinates, from that of independent ones."""
    back = np.linalg.inv(_root(general))
    return Prior(general.mean + back @ mean, back @ covariance @ back.T)


def _told(law: Family, general: Sequence[Prior], tasks: Sequence[Task], found: Sequence[Solved]) -> Told:
    """What the rows of each task say of the coordinates, made independent under the general prior: the
    curvature around the mode less that of the task's own prior, with the law's height integrated out."""
    m, n = len(general[0].mean), len(tasks)
    best = [int(s.cost.argmin()) for s in found]
    p = np.array([s.p[i] for s, i in zip(found, best, strict=True)])
    tops = np.array([task.a.points.extent.high for task in tasks])

    def about(q, top):
        return jnp.append(prior_coordinates(law).of(q, top), law.log_y(q, jnp.zeros(1))[0])

    with jax.enable_x64(True):
        at = np.asarray(jax.vmap(about)(jnp.asarray(p), jnp.asarray(tops)))
    precision, score = np.zeros((n, m, m)), np.zeros((n, m))
    for i, (task, s) in enumerate(zip(tasks, found, strict=True)):
        turn = np.linalg.pinv(s.stretch[best[i]])
        if not (np.isfinite(turn).all() and np.isfinite(at[i]).all() and np.isfinite(s.cost[best[i]])):
            continue
        back = np.linalg.inv(_root(general[i]))
        whole = turn.T @ s.hessian[best[i]] @ turn
        mean, root = rooted(task.a, task.prior)
        own = root.T @ root
        own[m, m] = 0.0
        rows = whole - own
        pull = whole @ at[i] - own @ mean
        alone = rows[:m, :m] - np.outer(rows[:m, m], rows[m, :m]) / rows[m, m]
        place = pull[:m] - rows[:m, m] * pull[m] / rows[m, m]
        value, vector = np.linalg.eigh(back.T @ (alone + alone.T) @ back / 2)
        kept = value > 1e-9 * max(value.max(), 1e-9)
        z = vector.T @ (back.T @ (place - alone @ general[i].mean))
        precision[i] = vector * np.where(kept, value, 0.0) @ vector.T
        score[i] = vector @ np.where(kept, z, 0.0)
    return Told(precision, score)
