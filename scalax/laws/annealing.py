"""The law of learning rates, and forecasts by it: what a run reaches whose rate falls, or does not.

    L = e + a S1^-alpha - c S2   (Tissue et al. 2024, eq. 1; S1 and S2 in rates.py)

A run at a constant rate has S2 = 0 and follows a power law; one whose rate falls is ahead of it. Rows of some
runs, with different schedules, tell the law; it then says where a run of another schedule would be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares

from scalax.errors import UserError
from scalax.laws.anchored import process_variance
from scalax.laws.curves import Curve, clean
from scalax.laws.forecast_result import mixture_quantiles
from scalax.laws.forecasting import LEVELS
from scalax.laws.noise import row_noise
from scalax.laws.rates import CELLS, Rates

SOURCE = "Tissue et al. 2024, 'Scaling Law with Learning Rate Annealing', eq. 1"
LEAST_ROWS = 8
MOST_ROWS = 400  # of a curve; longer ones are averaged over neighbours
MEMORIES = 12  # tried, evenly in log, from that of two rows to the whole run
STARTS = (0.2, 0.5, 1.0)  # alpha, where searches begin
DRAWS = 96
SPREAD = np.array([1.0, 2.0, 0.7, 2.0])  # of the prior of q, in logs
LEAST_FALL = 0.05  # of the rate, over its peak, from which rows tell what a fall brings
AMPLITUDE = 0.36  # of the discrepancy in log S1 (anchored.py), over the curve's slope
GAIN_ERROR = 0.8  # relative, of what a fall of the rate beyond the rows brings; by six runs of our own
FAR = 3.0  # deviations, from which a row counts less
NAMES = ("e", "a", "alpha", "c")


class AnnealingLaw(NamedTuple):
    """- q: [4], logs of e, a, alpha and c, for S1 and S2 in units of `unit`.
    - memory: in units of x; unit: the largest S1 of the rows."""

    q: np.ndarray
    memory: float
    unit: float

    @property
    def params(self) -> dict[str, float]:
        """e, a, alpha, c for S1 and S2 in units of rate times x, and the memory in units of x."""
        log_e, log_a, log_alpha, log_c = self.q
        alpha, log_unit = np.exp(log_alpha), np.log(self.unit)
        logs = dict(e=log_e, a=log_a + alpha * log_unit, alpha=log_alpha, c=log_c - log_unit)
        own = {name: np.exp(value) for name, value in logs.items()} | {"memory": self.memory}
        return {name: float(value) for name, value in own.items()}

    def log_y(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """log y [n] at S1, S2 [n]."""
        return _log_y(self.q, first / self.unit, second / self.unit)


def _log_y(q: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return _with_jacobian(q, first, second)[0]


def _with_jacobian(q: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log y [n], and its derivatives by q [n, 4]."""
    log_e, log_a, log_alpha, log_c = q
    alpha, log_first = np.exp(np.minimum(log_alpha, 5)), np.log(np.maximum(first, 1e-12))
    power, fall = np.exp(np.clip(log_a - alpha * log_first, -300, 300)), np.exp(log_c) * second
    y = np.exp(log_e) + power - fall
    least = 1e-3 * np.exp(log_e)  # a law that falls below zero has no log
    parts = np.stack([np.full_like(y, np.exp(log_e)), power, -power * alpha * log_first, -fall], -1)
    parts = np.where((y > least)[:, None], parts, 0.0)
    y = np.maximum(y, least)
    return np.log(y), parts / y[:, None]


@dataclass(frozen=True)
class AnnealedForecast:
    """What the law of learning rates says of one run.

    - name: of the curve; x, median: [n].
    - intervals: level -> (low [n], high [n]), for a new observation.
    - law: the most probable; stderr: standard errors of the logs of its parameters, by name.
    - rmsle: root mean squared error in log y of the rows to fit.
    - rates: of the rows; then: of the run that is forecast.
    - notes: what was done to the rows, in words.
    """

    name: str
    x: np.ndarray
    median: np.ndarray
    intervals: dict[float, tuple[np.ndarray, np.ndarray]]
    law: AnnealingLaw
    stderr: dict[str, float]
    rmsle: float
    rates: Rates
    then: Rates
    notes: tuple[str, ...]
    draws: "Draws"

    def predict(self, x: ArrayLike) -> np.ndarray:
        """Median y at x [n] of the run that is forecast."""
        [log_y] = self.draws.quantiles(self.then, np.asarray(x, float), [0.5])
        return np.exp(log_y)

    def fitted(self, x: ArrayLike) -> np.ndarray:
        """y at x [n] by the most probable law, of the run that was fitted."""
        return np.exp(self.law.log_y(*self.rates.sums(x, self.law.memory)))

    def interval(self, x: ArrayLike, level: float) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) at x [n] of a new observation, each [n]."""
        ends = [0.5 - level / 2, 0.5 + level / 2]
        low, high = np.exp(self.draws.quantiles(self.then, np.asarray(x, float), ends))
        return low, high

    def to_json(self) -> dict[str, Any]:
        return {
            "curve": self.name,
            "law": "L = e + a S1^-alpha - c S2",
            "source": SOURCE,
            "schedule": self.then.words,
            "at": self.x.tolist(),
            "median": self.median.tolist(),
            "intervals": {
                f"{level:g}": [low.tolist(), high.tolist()] for level, (low, high) in self.intervals.items()
            },
            "params": self.law.params,
            "log_stderr": self.stderr,
            "rmsle": self.rmsle,
            "notes": list(self.notes),
        }


class Draws(NamedTuple):
    """Draws of the law for one curve, and what is added to them.

    - laws: the draws; noise: of an observation, in log y.
    - rates: of the curve; last: its last x to fit.
    - tau: of the discrepancy, in log y over (log S1)^1.5.
    """

    laws: list[AnnealingLaw]
    noise: float
    rates: Rates
    last: float
    tau: float

    def quantiles(self, then: Rates, x: np.ndarray, shares: Sequence[float]) -> np.ndarray:
        """log y [shares, n] of a new observation at x [n] of a run with the rates `then`."""
        sums = {
            law.memory: (*then.sums(x, law.memory), *self.rates.sums([self.last], law.memory))
            for law in self.laws
        }
        means, deviations = [], []
        for law in self.laws:
            first, second, end, fell = sums[law.memory]
            log_y = law.log_y(first, second)
            gain = np.exp(law.q[3] - log_y) * np.abs(second - fell) / law.unit
            beyond = process_variance(self.tau, np.log(np.maximum(first / end, 1e-12)))
            means.append(log_y)
            deviations.append(np.sqrt(beyond + (GAIN_ERROR * gain) ** 2 + self.noise**2))
        return mixture_quantiles(np.array(means), np.array(deviations), shares)


class Rows(NamedTuple):
    """Rows to fit of one curve.

    - x, log_y, noise: [n], noise in log y.
    - observed: the noise of a single observation; slope: of the curve in logs.
    - last: the largest x.
    """

    x: np.ndarray
    log_y: np.ndarray
    noise: np.ndarray
    observed: float
    slope: float
    last: float


def forecast_annealed(
    curves: Sequence[Curve],
    rates: Sequence[Rates],
    at: ArrayLike | None = None,
    then: Sequence[Rates] | None = None,
    together: bool = False,
) -> list[AnnealedForecast]:
    """Forecast each curve by the law of learning rates.

    - curves: of losses.
    - rates: of each curve.
    - at: x [n] to forecast at (None: where the schedule ends, if that is beyond the rows, or else 2, 4 and 10
      times the last x to fit).
    - then: for each curve, the rates of a new run (None: each curve goes on by its own).
    - together: the curves follow one law, as runs that differ in their schedules alone.

    Raises UserError where a curve has fewer than eight usable rows, where rows in which no rate falls are to
    tell what a fall brings, or where curves of different y are to follow one law.
    """
    kinds = {(curve.scale, curve.labels[1]) for curve in curves}
    if together and len(kinds) > 1:
        names = ", ".join(sorted({y for _, y in kinds}))
        raise UserError(f"`together`: the curves are of different y ({names}); name one of them in `y`")
    prepared = [_rows(curve, rate) for curve, rate in zip(curves, rates, strict=True)]
    groups = [list(range(len(curves)))] if together else [[i] for i in range(len(curves))]
    asked: dict[int, tuple[Rates, np.ndarray, list[str]]] = {}
    for group in groups:
        rows, own = [prepared[i][0] for i in group], [rates[i] for i in group]
        for i in group:
            new, last = then[i] if then else rates[i], prepared[i][0].last
            if at is not None:
                where = np.atleast_1d(np.asarray(at, float))
            elif np.isfinite(new.total) and (then or new.total > last * (1 + 1e-9)):
                where = np.array([new.total])
            else:
                where = last * np.array([2.0, 4.0, 10.0])
            asked[i] = new, where, [*prepared[i][1], *_beyond(rates[i], new, last, where)]
            _check(curves[i], rows, own, new, where)
    made = []
    for group in groups:
        law = _fit([prepared[i][0] for i in group], [rates[i] for i in group])
        for i in group:
            new, where, notes = asked[i]
            made.append(_made(curves[i], prepared[i][0], notes, rates[i], new, where, *law))
    return made


def _rows(curve: Curve, rates: Rates) -> tuple[Rows, list[str]]:
    """Rows to fit, and what was done to them in words: those of a warm-up are left out, and those of long
    curves averaged over neighbours."""
    if curve.x.ndim != 1:
        raise UserError(f"curve {curve.name!r}: has two variables; the law of learning rates is of one")
    warm = curve.fit & (curve.x < rates.warm * (1 - 1e-9))
    rest = Curve(curve.x, curve.y, curve.name, curve.fit & ~warm, curve.notes)
    if len(np.unique(curve.x[rest.fit])) < LEAST_ROWS:
        raise UserError(f"curve {curve.name!r}: needs {LEAST_ROWS} rows of different x after the warm-up")
    points, notes = clean(rest)
    if warm.any():
        notes.append(f"{warm.sum()} rows of the warm-up left out")
    x, log_y = np.exp(points.log_x + points.center_x), points.log_y + points.center_y
    noise, last = row_noise(points), float(curve.x[rest.fit].max())
    each = -(-len(x) // MOST_ROWS)
    cuts = np.arange(0, len(x), each)
    counts = np.diff(np.append(cuts, len(x)))
    if each > 1:
        x, log_y = (np.add.reduceat(values, cuts) / counts for values in (x, log_y))
        notes.append(f"rows were averaged by {each}")
    return Rows(x, log_y, noise / np.sqrt(counts), noise, float(points.extent.steepness), last), notes


def _fit(
    rows: Sequence[Rows], rates: Sequence[Rates]
) -> tuple[AnnealingLaw, list[AnnealingLaw], dict[str, float]]:
    """The most probable law, draws of it, and relative standard errors of its parameters.

    Draws are refits to rows and prior that are moved by their errors, shared out to memories by how well
    each fits.
    """
    log_y = np.concatenate([r.log_y for r in rows])
    noise = np.concatenate([_doubt(r, rate) for r, rate in zip(rows, rates, strict=True)])
    least = float(np.exp(log_y.min()))
    prior = np.log([least / 2, np.exp(log_y.max()) - least / 2, 0.5, least / 2])  # weak, of q
    begin = [np.array([*prior[:2], np.log(alpha), prior[3]]) for alpha in STARTS]
    step = min(np.median(np.diff(np.unique(r.x))) for r in rows)
    problems, found = [], []
    for memory in np.geomspace(step, max(r.x.max() for r in rows), MEMORIES):
        sums = [rate.sums(r.x, memory) for r, rate in zip(rows, rates, strict=True)]
        first, second = (np.concatenate(part) for part in zip(*sums, strict=True))
        unit = float(first.max())
        problem = _Problem(first / unit, second / unit, log_y, noise, prior)
        starts = [*begin, *([found[-1][1].q] if found else [])]
        cost, q = min((problem.solve(start) for start in starts), key=lambda end: end[0])
        problems.append(problem)
        found.append((cost, AnnealingLaw(q, float(memory), unit)))
    costs = np.array([cost for cost, _ in found])
    law = found[int(costs.argmin())][1]
    rest = problems[int(costs.argmin())].misfit(law.q)
    # What is left is more than noise where rows hang together: they count as so many fewer.
    parts = np.split(rest, np.cumsum([len(r.x) for r in rows])[:-1])
    excess = max(1.0, float(np.median(np.abs(rest)) * 1.48) ** 2) * _repeated(parts)
    weights = np.exp((costs.min() - costs) / excess)
    rng, draws = np.random.default_rng(0), []
    for i in rng.choice(len(found), DRAWS, p=weights / weights.sum()):
        moved = problems[i].moved(rng, np.sqrt(excess))
        draws.append(found[i][1]._replace(q=moved.solve(found[i][1].q)[1]))
    deviation = np.std([np.log(list(d.params.values())) for d in draws], axis=0)
    return law, draws, dict(zip(law.params, deviation.tolist(), strict=True))


def _doubt(rows: Rows, rates: Rates) -> np.ndarray:
    """Deviation of each row's log y from the law [n]: noise, and more the earlier the row, since no law is
    exact over decades."""
    first, _ = rates.sums(rows.x, 1.0)
    distance = np.log(first[-1] / np.maximum(first, 1e-300))
    return np.sqrt(rows.noise**2 + process_variance(AMPLITUDE * rows.slope, distance))


class _Problem(NamedTuple):
    """Rows and a weak prior, for one memory: S1 and S2 [n] over the unit, log y and its noise [n], and the
    prior's mean [4]."""

    first: np.ndarray
    second: np.ndarray
    log_y: np.ndarray
    noise: np.ndarray
    prior: np.ndarray

    def misfit(self, q: np.ndarray) -> np.ndarray:
        """Of the rows, in units of their noise: [n]."""
        return (_with_jacobian(q, self.first, self.second)[0] - self.log_y) / self.noise

    def solve(self, start: np.ndarray) -> tuple[float, np.ndarray]:
        """(cost, q) from a start. The loss is linear for far rows (the soft L1 of SciPy, from FAR on), as the
        squares of residuals that are drawn in."""

        known: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}  # of the last q: slopes are asked for after it

        def evaluated(q):
            if (key := q.tobytes()) not in known:
                known.clear()
                log_y, slopes = _with_jacobian(q, self.first, self.second)
                r = np.concatenate([(log_y - self.log_y) / self.noise, (q - self.prior) / SPREAD])
                jacobian = np.concatenate([slopes / self.noise[:, None], np.diag(1 / SPREAD)])
                root = np.sqrt(1 + (r / FAR) ** 2)
                drawn_in = np.sqrt(2 / (1 + root))
                known[key] = r * drawn_in, jacobian / (drawn_in * root)[:, None]
            return known[key]

        slopes: Any = lambda q: evaluated(q)[1]  # noqa: E731  SciPy's stubs know its names alone
        end = least_squares(
            lambda q: evaluated(q)[0], start, jac=slopes, method="lm", x_scale="jac", max_nfev=1000
        )
        return float(end.cost), end.x

    def moved(self, rng: np.random.Generator, times: float) -> "_Problem":
        """The same with rows moved by `times` their noise, and the prior by its spread."""
        rows = self.log_y + times * self.noise * rng.standard_normal(len(self.log_y))
        return self._replace(log_y=rows, prior=self.prior + SPREAD * rng.standard_normal(len(SPREAD)))


def _repeated(parts: Sequence[np.ndarray]) -> float:
    """How many rows say what one independent row would, by the correlation of neighbours."""
    before, after = np.concatenate([p[:-1] for p in parts]), np.concatenate([p[1:] for p in parts])
    shared = float(np.clip(np.mean(before * after) / np.mean(before**2), 0, 0.95))
    return (1 + shared) / (1 - shared)


def _beyond(rates: Rates, new: Rates, last: float, at: np.ndarray) -> list[str]:
    """Where the learning rate is assumed, in words. Raises UserError where rows lie past a schedule's end."""
    if last > rates.total * (1 + 1e-6) and rates.at(np.array([rates.total]))[0] == 0:
        raise UserError(
            f"`lr_schedule` {rates.words!r}: rows go on to x = {last:.6g}, past its end, where the rate is 0;"
            " give the TOTAL that the run has"
        )
    if new is rates and at.max() > rates.known * (1 + 1e-9):
        held = rates.at(np.array([rates.known]))[0]
        return [
            f"from x = {rates.known:.6g} on the learning rate is taken to stay at {held:.4g}; if it goes on"
            " to fall, give its whole schedule in `lr_schedule`"
        ]
    return []


def _check(
    curve: Curve,
    rows: Sequence[Rows],
    rates: Sequence[Rates],
    new: Rates,
    at: np.ndarray,
) -> None:
    """Raises UserError where what is asked is not told by the rows."""
    if not (np.isfinite(at) & (at > 0)).all():
        raise UserError(f"x in `at` must be positive, got {at[~(np.isfinite(at) & (at > 0))][0]}")

    def fall(rate: Rates, x: np.ndarray) -> float:
        """The largest share by which the rate falls from its peak, over [0, the last x]."""
        own = rate.at(np.linspace(0, x.max(), CELLS + 1))
        after = own[own.argmax() :]
        return float(1 - after.min() / after[0])

    if max(fall(rate, r.x) for rate, r in zip(rates, rows, strict=True)) < LEAST_FALL <= fall(new, at):
        raise UserError(
            f"curve {curve.name!r}: the learning rate never falls in the rows to fit, so they do not tell"
            " what its fall brings; add a run whose rate falls and give `together`, or forecast a constant"
            " rate"
        )


def _made(curve, rows, notes, rates, new, at, law, draws, stderr) -> AnnealedForecast:
    fitted = law.log_y(*rates.sums(rows.x, law.memory))
    own = Draws(draws, rows.observed, rates, rows.last, AMPLITUDE * rows.slope)
    [median] = np.exp(own.quantiles(new, at, [0.5]))
    intervals = {}
    for level in LEVELS:
        low, high = np.exp(own.quantiles(new, at, [0.5 - level / 2, 0.5 + level / 2]))
        intervals[level] = (low, high)
    rmsle = float(np.sqrt(np.mean((fitted - rows.log_y) ** 2)))
    return AnnealedForecast(
        curve.name, at, median, intervals, law, stderr, rmsle, rates, new, tuple(notes), own
    )
