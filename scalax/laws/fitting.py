"""Fit every curve with every family from many starts at once, in float64."""

import dataclasses
import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.optimize import minimize
from scipy.stats import qmc

from scalax.errors import UserError, suggest
from scalax.laws.broken import BNSL
from scalax.laws.curves import Curve, Points, clean
from scalax.laws.family import Family
from scalax.laws.law import Law
from scalax.laws.power import DOWNSTREAM, M1, M2, M3, SHIFTED_POWER, TWO_VARIABLES
from scalax.laws.sigmoidal import M4
from scalax.laws.solve import huber, least_squares, squared

FAMILIES = {f.name: f for f in (M1, M2, M3, M4, *BNSL, SHIFTED_POWER, DOWNSTREAM, TWO_VARIABLES)}
OBJECTIVES = ("sle", "huber", "excess", "sle1p")
CHUNK = 16  # curves a call: one compiled shape serves any number of curves
# Fewer screening steps can leave every polished start in one valley: 15 do on a curve of ten rows.
SCREEN_STEPS, POLISH_STEPS = 30, 300


@dataclass(frozen=True)
class Fit(Law):
    """A law fitted to one curve.

    Errors are in log y: `rmsle` over the rows to fit, `rmsle_held_out` over the others (nan without
    any), each with its root standard log error. `flags` say in words what to distrust, `notes` what was
    odd about the curve's rows; `diagnostics` has
    the numbers behind them: starts_agree (share of the polished starts that reach the same cost),
    condition (of the scaled Gauss-Newton matrix), points, free parameters, cost.
    """

    stderr: dict[str, float] = field(default_factory=dict)
    rmsle: float = np.nan
    rsle: float = np.nan
    rmsle_held_out: float = np.nan
    rsle_held_out: float = np.nan
    converged: bool = False
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    diagnostics: dict[str, float] = field(default_factory=dict)
    resamples: tuple[Law, ...] = ()  # one law per bootstrap resample of the rows

    def predict_resamples(self, x) -> np.ndarray:
        """y at x [n] by every resample's law: [resamples, n]."""
        return np.stack([law.predict(x) for law in self.resamples])


def fit(
    curves: Sequence[Curve],
    families: Sequence[str | Family] = ("m1", "m2", "m3", "m4", "bnsl"),
    objective: str = "sle",
    starts: int = 64,
    resamples: int = 0,
    seed: int = 0,
    solver: str = "lm",
    progress=None,
) -> list[dict[str, Fit]]:
    """Fit each family to each curve: a list, per curve, of family name -> `Fit`.

    objective: "sle", squared log error; "huber", Huber's loss of the log error, delta 1e-3; "excess",
    squared error of log(y - limit), for families with a limit (the others: "sle"); "sle1p", squared
    error of log(1 + y), which the published BNSL fits minimise, and which alone is not scale-free.
    starts: of the search, per curve and family. 64 do for up to two breaks; a law of three is found from
    256, and one of four from 1024 in about three cases of four.
    resamples: bootstrap resamples of the rows, each refitted from the best solutions.
    solver: "lm", or "bfgs" as an independent check.
    progress: called with the number of (curve, family) fits just finished.
    Raises UserError for an unknown name or a curve with nothing to fit.

    >>> import numpy as np
    >>> x = np.geomspace(1e6, 1e9, 20)
    >>> [fits] = fit([Curve(x, 0.1 + 40 * x**-0.3)], ["m2"])
    >>> {name: round(value, 6) for name, value in fits["m2"].params.items()}
    {'e_inf': 0.1, 'b': 40.0, 'c': -0.3}
    """
    if objective not in OBJECTIVES:
        raise UserError(f"objective {objective!r} is unknown{suggest(objective, OBJECTIVES)}")
    if not families:
        raise UserError("no law is named; give one or more, e.g. m4")
    specs = [lookup(family) for family in families]
    cleaned = [clean(curve) for curve in curves]
    for curve, (points, _) in zip(curves, cleaned, strict=True):
        for spec in specs:
            if (points.log_x.ndim == 2) != (spec.variables == 2):
                raise UserError(f"curve {curve.name!r}: {spec.name} is a law of {spec.variables} variable(s)")

    def one(spec: Family) -> list[Fit]:
        fits = _fit_family(spec, [p for p, _ in cleaned], objective, starts, resamples, seed, solver)
        if progress:
            progress(len(fits))
        return [describe(f, c, p, notes) for f, c, (p, notes) in zip(fits, curves, cleaned, strict=True)]

    with ThreadPoolExecutor(2) as pool:  # one family compiles while another runs
        columns = list(pool.map(one, specs))
    return [dict(zip([s.name for s in specs], row, strict=True)) for row in zip(*columns, strict=True)]


def lookup(family: str | Family) -> Family:
    """A family by name. Raises UserError for an unknown one."""
    if isinstance(family, Family):
        return family
    if family not in FAMILIES:
        raise UserError(f"law {family!r} is unknown{suggest(family, FAMILIES)}")
    return FAMILIES[family]


def _residual(family: Family, objective: str, p, log_x, log_y, center_y):
    r = family.log_y(p, log_x) - log_y
    if objective == "sle1p":
        return jax.nn.softplus(log_y + r + center_y) - jax.nn.softplus(log_y + center_y)
    if objective != "excess" or family.floor is None:
        return r
    below = p[family.floor] - log_y  # a limit above a row would have no log: it is kept just below
    excess = [jnp.log(-jnp.expm1(jnp.minimum(gap, -1e-9))) for gap in (below - r, below)]
    return r + excess[0] - excess[1]


@functools.cache
def _program(family: Family, objective: str, polished: int, solver: str):
    """(log_x [c, n], log_y, weights, low [c, k], high, starts [c, s, k], center_y [c]) -> the `polished`
    best solutions of each curve."""
    loss = huber if objective == "huber" else squared

    def one_curve(data):
        log_x, log_y, weights, low, high, starts, center_y = data

        def residual(p):
            return _residual(family, objective, p, log_x, log_y, center_y)

        def run(p, max_steps):
            return least_squares(residual, weights, p, low, high, loss=loss, max_steps=max_steps)

        screened = jax.vmap(lambda p: run(p, SCREEN_STEPS))(starts)
        best = jnp.argsort(screened.cost)[:polished]
        if solver == "bfgs":
            ends = jax.vmap(lambda p: _bfgs(residual, weights, p, low, high, loss))(starts)
            ends = ends[jnp.argsort(jax.vmap(lambda p: run(p, 0).cost)(ends))[:polished]]
            found = jax.vmap(lambda p: run(p, 0))(ends)
        else:
            found = jax.vmap(lambda p: run(p, POLISH_STEPS))(screened.p[best])
        return jax.tree.map(lambda a: a[jnp.argsort(found.cost)], found)

    return jax.jit(lambda *data: jax.lax.map(one_curve, data))


def _bfgs(residual, weights, p, low, high, loss):
    def cost(p):
        value, _ = loss(residual(jnp.clip(p, low, high)))
        return jnp.sum(jnp.where(weights > 0, weights * value, 0.0))

    return jnp.clip(minimize(cost, p, method="BFGS").x, low, high)


def _solve(family, objective, solver, points: list[Points], weights, starts: list, polished: int):
    """Solutions for each of `points`, in calls of CHUNK curves padded to a common length."""
    sizes = [padded_size(len(p.log_y)) for p in points]
    results: list = [None] * len(points)
    program = _program(family, objective, polished, solver)
    for size in sorted(set(sizes)):
        members = [i for i, s in enumerate(sizes) if s == size]
        for first in range(0, len(members), CHUNK):
            chunk = members[first : first + CHUNK]
            rows = [_padded(points[i], weights[i], size, family, starts[i]) for i in chunk]
            rows += [(*rows[0][:2], np.zeros(size), *rows[0][3:])] * (CHUNK - len(chunk))
            with jax.enable_x64(True):
                out = program(*(jnp.asarray(np.stack(column)) for column in zip(*rows, strict=True)))
            out = jax.tree.map(np.asarray, out)
            for j, i in enumerate(chunk):
                results[i] = jax.tree.map(lambda a, j=j: a[j], out)
    return results


def _padded(points: Points, weights, size: int, family: Family, starts):
    extra = size - len(points.log_y)
    low, high = family.box(points.span)
    log_x = np.concatenate([points.log_x, np.repeat(points.log_x[:1], extra, 0)])
    log_y = np.concatenate([points.log_y, np.repeat(points.log_y[:1], extra, 0)])
    return log_x, log_y, np.concatenate([weights, np.zeros(extra)]), low, high, starts, points.center_y


def padded_size(n: int) -> int:
    """Rows after padding: 80, 320, 1280, ...: few lengths, so few compiled programs."""
    return 80 * 4 ** max(0, int(np.ceil(np.log(n / 80) / np.log(4))))


def unit_points(n: int, k: int, seed: int) -> np.ndarray:
    """n points spread evenly over the unit cube of k dimensions, the same for every curve."""
    return qmc.Sobol(k, rng=np.random.default_rng(seed)).random_base2(int(np.ceil(np.log2(n))))[:n]


def _fit_family(family, points: list[Points], objective, starts, resamples, seed, solver) -> list[Fit]:
    unit = unit_points(starts, len(family.names), seed)
    polished = min(starts, max(16, starts // 4))
    first = [family.starts(p.span, unit) for p in points]
    found = _solve(family, objective, solver, points, [p.weights for p in points], first, polished)
    again: list = [[] for _ in points]
    if resamples:
        owner = [i for i in range(len(points)) for _ in range(resamples)]
        drawn = []
        for p in points:
            rng = np.random.default_rng([seed, len(p.log_y)])
            share = p.weights / p.weights.sum()
            drawn += list(rng.multinomial(round(p.weights.sum()), share, size=resamples).astype(float))
        begin = [found[i].p[:4] for i in owner]
        ends = _solve(family, objective, "lm", [points[i] for i in owner], drawn, begin, 1)
        for i, end in zip(owner, ends, strict=True):
            again[i].append(end.p[0])
    return [_result(family, p, s, a) for p, s, a in zip(points, found, again, strict=True)]


def _result(family: Family, points: Points, found, resampled) -> Fit:
    """The best solution in the data's own units, with standard errors and the health of the fit."""

    def law(p):
        moved = family.shift(np.asarray(p)[None], points.center_x, points.center_y)[0]
        left = np.min(points.center_x + points.span.left)
        return Law(family, moved, (float(left), float(np.max(points.center_x + points.span.right))))

    low, high = family.box(points.span)
    best = law(found.p[0])
    p, cost, h = found.p[0], float(found.cost[0]), found.hessian[0]
    free = (p > low + 1e-9) & (p < high - 1e-9)
    scale = np.sqrt(np.maximum(np.diag(h), 1e-300))
    scaled = (h / scale / scale[:, None])[np.ix_(free, free)]
    condition = float(np.linalg.cond(scaled)) if free.any() and np.isfinite(scaled).all() else np.inf
    rows = len(points.log_y)
    variance = cost / points.weights.sum() * rows / max(rows - free.sum(), 1)
    covariance = np.zeros_like(h)
    if np.isfinite(condition):
        covariance[np.ix_(free, free)] = (
            variance * np.linalg.pinv(scaled) / np.outer(scale[free], scale[free])
        )
    jacobian = _jacobian(lambda q: list(law(q).params.values()), p)
    with np.errstate(all="ignore"):
        stderr = np.sqrt(np.einsum("ij,jk,ik->i", jacobian, covariance, jacobian))
    agree = float(np.mean(found.cost <= cost * (1 + 1e-4) + 1e-18 * points.weights.sum()))
    flags = []
    if not found.converged[0]:
        flags.append("the solver had not settled when it stopped")
    if len(found.cost) > 1 and agree < 0.2:
        flags.append(f"only {agree:.0%} of the polished starts agree on the best cost")
    for name, value, lo, hi in zip(family.names, p, low, high, strict=True):
        if lo < hi and (value <= lo + 1e-9 or value >= hi - 1e-9):
            flags.append(f"{name} is at the {'lower' if value <= lo + 1e-9 else 'upper'} end of its range")
    if rows <= len(p):
        flags.append(f"too few points: {rows} for {len(p)} parameters")
    if condition > 1e10:
        flags.append(f"the data do not determine the parameters (condition {condition:.0e})")
    for i in (i for i, name in enumerate(family.names) if name.startswith("d") and "bnsl" in family.name):
        at = np.log(list(best.params.values())[i])
        if not best.around[0] <= at <= best.around[1]:
            flags.append(f"break {family.names[i]} lies outside the data")
    return Fit(
        family_spec=family,
        p=best.p,
        around=best.around,
        stderr=dict(zip(family.names, stderr.tolist(), strict=True)),
        converged=bool(found.converged[0]),
        flags=tuple(flags),
        diagnostics=dict(
            starts_agree=agree, condition=condition, points=rows, free=int(free.sum()), cost=cost
        ),
        resamples=tuple(law(p) for p in resampled),
    )


def _jacobian(f, p):
    steps = 1e-6 * np.eye(len(p))
    with np.errstate(all="ignore"):
        return np.stack([(np.array(f(p + h)) - np.array(f(p - h))) / 2e-6 for h in steps], -1)


def describe(fitted: Fit, curve: Curve, points: Points, notes: list[str]) -> Fit:
    """The fit with its errors on the curve's rows, and the curve's own notes, added."""
    usable = np.isfinite(curve.y) & (curve.y > 0)
    usable &= np.all(np.isfinite(curve.x) & (curve.x > 0), -1) if curve.x.ndim == 2 else curve.x > 0
    scores = {}
    for suffix, rows in (("", curve.fit & usable), ("_held_out", ~curve.fit & usable)):
        if rows.any():
            error = np.log(fitted.predict(curve.x[rows])) - np.log(curve.y[rows])
            scores["rmsle" + suffix], scores["rsle" + suffix] = rmsle(error)
    return dataclasses.replace(fitted, **scores, notes=tuple(notes))


def rmsle(log_error) -> tuple[float, float]:
    """Root mean squared log error, and the root standard log error by which one standard error of the
    mean square would raise it ('Broken Neural Scaling Laws', section 4)."""
    square = np.asarray(log_error) ** 2
    root = float(np.sqrt(square.mean()))
    return root, float(np.sqrt(square.mean() + square.std() / np.sqrt(len(square)))) - root
