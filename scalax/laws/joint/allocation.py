"""Which size and how much data to take for a budget, by a parametric law and by parabolas, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.laws.flags import Flag
from scalax.laws.joint.fitting import JointFit, fit_joint
from scalax.laws.joint.isoflop import (
    Level,
    along_runs,
    best_of_law,
    fit_levels,
    levels_of,
    power_law,
)
from scalax.laws.joint.runs import Runs

LEVEL = 0.8  # of intervals
FACTOR = 6.0  # training FLOPs for a parameter and a token
BIASED = 0.1  # log size: more is flagged
LEAST_KEPT = 0.5  # share of resamples that must have minima for intervals
LAW, PARABOLAS = "law", "parabolas"


class Choice(NamedTuple):
    """What to take for one budget by one method.

    - method: LAW or PARABOLAS.
    - flops: the budget.
    - size, data: e.g. parameters and tokens.
    - y: expected there by the law.
    - size_ends, data_ends, y_ends: the middle 80% of resampled runs; nan where too few have an answer.
    """

    method: str
    flops: float
    size: float
    data: float
    y: float
    size_ends: tuple[float, float]
    data_ends: tuple[float, float]
    y_ends: tuple[float, float]


@dataclass(frozen=True)
class Allocation:
    """What to take for each budget.

    - choices: of both methods, budget by budget; of the law alone where the rows make no parabolas.
    - exponents: by method, of the best size in the budget, with its interval.
    - fit: the parametric law.
    - levels: the parabolas.
    - power: (slope, height) of the log size best by parabolas in log FLOPs; nan without.
    - factor: FLOPs of training for each unit of size times data.
    - flags: what to distrust.
    """

    choices: tuple[Choice, ...]
    exponents: dict[str, tuple[float, float, float]]
    fit: JointFit
    levels: tuple[Level, ...]
    power: tuple[float, float]
    factor: float
    flags: tuple[Flag, ...]
    runs: Runs = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        levels = [
            {
                "flops": v.flops,
                "rows": len(v.rows),
                "best_size": float(np.exp(v.best_log_size)),
                "inside": v.inside,
                "grid_bias": float(np.exp(v.bias)),
            }
            for v in self.levels
        ]
        return {
            "choices": [choice._asdict() for choice in self.choices],
            "exponents": {method: list(values) for method, values in self.exponents.items()},
            "law": self.fit.to_json(),
            "levels": levels,
            "factor": self.factor,
            "flags": [str(flag) for flag in self.flags],
        }


def allocate(
    runs: Runs,
    flops: Sequence[float],
    factor: float = FACTOR,
    resamples: int = 200,
    seed: int = 0,
) -> Allocation:
    """Size and data for each budget.

    - runs: of two variables, size and data.
    - flops: budgets.
    - factor: FLOPs of training for each unit of size times data.
    - resamples: of the runs, for intervals.
    - seed: of the resamples.

    By the law y = E + A N^-alpha + B D^-beta with N D = FLOPs / factor, and by parabolas of log y in log size
    at the levels of compute that the rows share (or, of runs measured at several budgets, at levels read off
    them), with a power law through their minima. Parabolas through a grid that is not centred about the
    minimum find it in the wrong place; the bias is that of the fitted law, sampled at the same rows.

    Raises UserError for a budget that is not positive, or runs of other than two variables.
    """
    budgets = np.asarray(flops, float)
    if not len(budgets) or not (np.isfinite(budgets) & (budgets > 0)).all():
        raise UserError(f"`flops` must be positive, got {list(map(float, budgets))}")
    if runs.x.shape[1] != 2:
        raise UserError(f"an allocation is between two variables, got {runs.x.shape[1]}")
    if not factor > 0:
        raise UserError(f"`factor` must be positive, got {factor:g}")
    fit = fit_joint(runs, ["powers"], resamples, seed)["powers"]
    log_size, log_data = np.log(runs.x).T
    log_flops, log_factor, at = log_size + log_data + np.log(factor), np.log(factor), np.log(budgets)
    run, size, compute, log_y = _rows_of_levels(runs, log_size, log_flops)
    groups = levels_of(compute, size)
    best = best_of_law(fit, np.array([level for level, _ in groups]), log_factor)
    by_law = fit.log_y(np.stack([size, compute - log_factor - size], 1))
    levels = fit_levels(size, compute, log_y, groups, law_log_y=by_law, best=best)
    drawn_law = [(law, best_of_law(law, at, log_factor)) for law in fit.resamples]
    sizes = {LAW: best_of_law(fit, at, log_factor)}
    drawn = {LAW: np.array([own for _, own in drawn_law])}
    slopes = {LAW: np.array([law.exponents[1] / law.exponents.sum() for law, _ in drawn_law])}
    slope_of = {LAW: float(fit.exponents[1] / fit.exponents.sum())}
    flags = [*fit.flags]
    try:
        power = power_law(levels)
    except UserError:
        power = (np.nan, np.nan)
        flags.append(Flag("no_parabolas", numbers={"levels": sum(level.inside for level in levels)}))
    else:
        again = _resampled_powers(runs, run, (size, compute, log_y), groups, resamples, seed)
        sizes[PARABOLAS], drawn[PARABOLAS] = power[0] * at + power[1], again[:, :1] * at + again[:, 1:]
        slope_of[PARABOLAS], slopes[PARABOLAS] = power[0], again[:, 0]
        flags += _grid_flags(levels, at, log_factor, fit)
    most = float(np.exp(log_flops.max()))
    flags += [Flag("beyond_data", numbers={"flops": b, "most": most}) for b in budgets if b > most * 1.001]
    choices = [
        _choice(method, float(budget), i, sizes[method], drawn[method], fit, log_factor, resamples)
        for i, budget in enumerate(budgets)
        for method in sizes
    ]
    flags += _differ(choices)
    exponents = {m: (slope_of[m], *_ends(slopes[m], resamples)) for m in sizes}
    return Allocation(tuple(choices), exponents, fit, tuple(levels), power, float(factor), tuple(flags), runs)


def _rows_of_levels(
    runs: Runs, log_size: np.ndarray, log_flops: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Run, log size, log FLOPs and log y of rows that lie on levels: as they are where each run has one."""
    log_y = np.log(runs.y)
    if len(np.unique(runs.run)) < len(runs) / 2:
        return along_runs(runs.run, log_size, log_flops, log_y)
    return runs.run, log_size, log_flops, log_y


def _resampled_powers(
    runs: Runs,
    run: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
    groups: list,
    resamples: int,
    seed: int,
) -> np.ndarray:
    """(slope, height) of each resample that has one, [r, 2]. Runs are resampled as those of the law are."""
    names, first = np.unique(runs.run, return_index=True)
    place, (size, flops, log_y) = np.searchsorted(names, run), rows
    found = []
    for weights in runs.resampled(resamples, seed)[:, first] if resamples else ():
        try:
            found.append(power_law(fit_levels(size, flops, log_y, groups, weights[place])))
        except UserError:
            continue
    return np.array(found).reshape(-1, 2)


def _grid_flags(levels: list[Level], at: np.ndarray, log_factor: float, fit: JointFit) -> list[Flag]:
    """Of levels whose grid misleads their parabola, of minima outside it, and what it makes of budgets."""
    flags = []
    for level in levels:
        if not level.inside:
            flags.append(Flag("no_minimum_inside", numbers={"flops": level.flops}))
        elif abs(level.bias) > BIASED:
            flags.append(
                Flag("grid_bias", numbers={"flops": level.flops, "times": float(np.exp(level.bias))})
            )
    kept = [level for level in levels if level.inside and np.isfinite(level.bias)]
    if len(kept) > 1:
        log_flops = np.log([level.flops for level in kept])
        seen = best_of_law(fit, log_flops, log_factor) + [level.bias for level in kept]
        line = np.polyfit(log_flops, seen, 1)
        for budget, bias in zip(at, np.polyval(line, at) - best_of_law(fit, at, log_factor), strict=True):
            if abs(bias) > BIASED:
                numbers = {"flops": float(np.exp(budget)), "times": float(np.exp(bias))}
                flags.append(Flag("budget_bias", numbers=numbers))
    return flags


def _differ(choices: Sequence[Choice]) -> list[Flag]:
    """Of budgets at which the methods' intervals of the size do not meet."""
    flags = []
    by_method = [[choice for choice in choices if choice.method == m] for m in (LAW, PARABOLAS)]
    for law, other in zip(*by_method, strict=False):
        if law.size_ends[0] > other.size_ends[1] or law.size_ends[1] < other.size_ends[0]:
            numbers = {"flops": law.flops, "times": law.size / other.size}
            flags.append(Flag("methods_differ", numbers=numbers))
    return flags


def _choice(
    method: str,
    budget: float,
    i: int,
    log_size: np.ndarray,
    drawn: np.ndarray,
    fit: JointFit,
    log_factor: float,
    resamples: int,
) -> Choice:
    """Of budget i, from the log sizes [m] of a method and those of resamples [r, m]."""
    product = np.log(budget) - log_factor
    own = drawn[:, i] if len(drawn) else np.zeros(0)
    y = [law.log_y(np.array([s, product - s])) for law, s in zip(fit.resamples, own, strict=False)]
    size = float(log_size[i])
    return Choice(
        method,
        budget,
        float(np.exp(size)),
        float(np.exp(product - size)),
        float(fit.predict(np.exp([size, product - size]))),
        _ends(np.exp(own), resamples),
        _ends(np.exp(product - own), resamples),
        _ends(np.exp(y), resamples),
    )


def _ends(values: np.ndarray, resamples: int) -> tuple[float, float]:
    if not resamples or len(values) < LEAST_KEPT * resamples:
        return np.nan, np.nan
    low, high = np.quantile(values, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return float(low), float(high)
