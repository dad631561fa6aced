"""Fit laws of several variables, with intervals from resampled runs and errors on runs left out."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scalax.errors import UserError
from scalax.laws.flags import Flag
from scalax.laws.joint.form import FORMS, Form, JointLaw, form_of
from scalax.laws.joint.runs import Runs
from scalax.laws.joint.solve import Problem, solve

FOLDS = 10
LEVEL = 0.95  # of intervals of parameters
FAR = 7.0  # times what rows usually miss by, from which a row is flagged
NO_TERM = 1e-3  # share of y that a limit or a term has at most, where it counts as absent


@dataclass(frozen=True)
class JointFit(JointLaw):
    """A law fitted to runs.

    - variables: names of the columns of x.
    - stderr: standard deviation of each parameter over resamples of the runs.
    - intervals: of each parameter, the middle 95% of the resamples.
    - rmsle: root mean squared error in log y.
    - rmsle_left_out: the same of runs that were left out of the fit, a tenth at a time.
    - rows, runs: how many were fitted.
    - flags: what to distrust.
    - resamples: a law for each resample.
    """

    variables: tuple[str, ...] = ()
    stderr: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    rmsle: float = np.nan
    rmsle_left_out: float = np.nan
    rows: int = 0
    runs: int = 0
    flags: tuple[Flag, ...] = ()
    resamples: tuple[JointLaw, ...] = field(default=(), repr=False)

    def interval(self, x: np.ndarray, level: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) of the law's y at x [..., v] over the resamples."""
        drawn = np.array([law.predict(x) for law in self.resamples])
        low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2], axis=0)
        return low, high

    def to_json(self) -> dict[str, Any]:
        """All but the resamples."""
        return {
            "law": self.form.name,
            "formula": self.form.formula(self.variables),
            "variables": list(self.variables),
            "params": self.params,
            "stderr": self.stderr,
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
            "rmsle": self.rmsle,
            "rmsle_left_out": self.rmsle_left_out,
            "rows": self.rows,
            "runs": self.runs,
            "flags": [str(flag) for flag in self.flags],
            "flag_data": [dataclasses.asdict(flag) for flag in self.flags],
        }


def fit_joint(
    runs: Runs, forms: Sequence[str | Form] = tuple(FORMS), resamples: int = 200, seed: int = 0
) -> dict[str, JointFit]:
    """Fit laws of several variables to runs by Huber's loss of the log error, delta 1e-3.

    - runs: their rows.
    - forms: names of FORMS, or forms.
    - resamples: of the runs, for standard errors and intervals.
    - seed: of resamples and folds.

    Raises UserError for an unknown form, fewer rows than parameters, or a variable that does not vary.

    >>> import numpy as np
    >>> n, d = (np.exp(u) for u in np.random.default_rng(0).uniform(14, 24, (2, 60)))
    >>> runs = Runs(np.stack([n, d], 1), 1.8 + 480 * n**-0.35 + 2000 * d**-0.37, ("params", "tokens"))
    >>> {name: round(value, 3) for name, value in fit_joint(runs, ["powers"], 0)["powers"].params.items()}
    {'E': 1.8, 'A': 480.0, 'B': 2000.0, 'alpha': 0.35, 'beta': 0.37}
    """
    if not forms:
        raise UserError("no law is named; give one or more in `forms`, e.g. powers")
    if resamples < 0:
        raise UserError(f"`resamples` must not be negative, got {resamples}")
    chosen = [form_of(form) for form in forms]
    for variable, column in zip(runs.variables, runs.x.T, strict=True):
        if len(np.unique(column)) < 2:
            raise UserError(f"variable {variable!r} is the same in every row: leave it out")
    return {form.name: _fit(runs, form, resamples, seed) for form in chosen}


def _fit(runs: Runs, form: Form, resamples: int, seed: int) -> JointFit:
    n, v = runs.x.shape
    names = form.names(v)
    if n <= len(names):
        raise UserError(f"law {form.name!r} has {len(names)} parameters, and there are {n} rows; add rows")
    log_x, log_y = np.log(runs.x), np.log(runs.y)
    center = (log_x.min(0) + log_x.max(0)) / 2
    problem = Problem(log_x - center, log_y, form)

    def law(p: np.ndarray) -> JointLaw:
        internal = form.to_internal(v) @ p
        exponents = np.exp(internal[1 + v :])
        log_limit = float(internal[0]) if form.limit else -np.inf
        return JointLaw(form, log_limit, internal[1 : 1 + v] + exponents * center, exponents)

    best = solve(problem, np.ones((1, n)))
    found = law(best.p[0])
    drawn = runs.resampled(resamples, seed) if resamples else np.zeros((0, n))
    laws = tuple(law(p) for p in solve(problem, drawn, best.p[0]).p) if resamples else ()
    table = np.array([list(each.params.values()) for each in laws])
    stderr, intervals = {}, {}
    if resamples:
        ends = np.quantile(table, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2], axis=0).T
        stderr = dict(zip(names, table.std(0, ddof=min(1, resamples - 1)).tolist(), strict=True))
        intervals = {name: (float(low), float(high)) for name, (low, high) in zip(names, ends, strict=True)}
    flags = [] if best.settled[0] else [Flag("not_settled")]
    return JointFit(
        **{f.name: getattr(found, f.name) for f in dataclasses.fields(found)},
        variables=runs.variables,
        stderr=stderr,
        intervals=intervals,
        rmsle=float(np.sqrt(np.mean((found.log_y(log_x) - log_y) ** 2))),
        rmsle_left_out=_left_out(problem, runs, best.p[0], law, seed),
        rows=n,
        runs=len(np.unique(runs.run)),
        flags=(*flags, *_absent(found, log_x), *_far(found.log_y(log_x) - log_y)),
        resamples=laws,
    )


def _left_out(problem: Problem, runs: Runs, start: np.ndarray, law, seed: int) -> float:
    """Root mean squared log error on runs left out, a tenth (or one) at a time; nan with fewer than three."""
    names, index = np.unique(runs.run, return_inverse=True)
    folds = min(FOLDS, len(names))
    if folds < 3:
        return np.nan
    fold = np.random.default_rng([seed, 1]).permutation(len(names))[index] % folds
    weights = (fold != np.arange(folds)[:, None]).astype(float)
    log_x, errors = np.log(runs.x), np.zeros(len(runs))
    for i, p in enumerate(solve(problem, weights, start).p):
        errors[fold == i] = law(p).log_y(log_x[fold == i]) - problem.log_y[fold == i]
    return float(np.sqrt(np.mean(errors**2)))


def _absent(law: JointLaw, log_x: np.ndarray) -> list[Flag]:
    """Flags of a limit, or of terms, that no row shows."""
    log_y, v = law.log_y(log_x), len(law.exponents)
    names = law.form.names(v)
    flags = []
    if law.form.limit and law.log_limit - log_y.min() < np.log(NO_TERM):
        flags.append(Flag("at_bound", "E", {"side": -1}))
    for i, scale in enumerate(names[int(law.form.limit) :][:v]):
        if (law.log_scales[i] - law.exponents[i] * log_x[:, i] - log_y).max() < np.log(NO_TERM):
            flags.append(Flag("at_bound", scale, {"side": -1}))
    return flags


def _far(errors: np.ndarray) -> list[Flag]:
    """A flag of rows that the law misses by FAR times what it misses rows by usually."""
    usual = 1.48 * float(np.median(np.abs(errors)))
    times = np.abs(errors) / max(usual, 1e-9)
    if not (times > FAR).any():
        return []
    return [Flag("far_rows", numbers={"count": float((times > FAR).sum()), "times": float(times.max())})]
