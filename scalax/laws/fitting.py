"""Fit every curve with every law from many starts at once, in float64."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from scalax.errors import UserError, suggest
from scalax.laws.batches import unit_points
from scalax.laws.curves import Curve, Points, clean
from scalax.laws.family import Family
from scalax.laws.fit_result import Fit, fit_result, with_errors
from scalax.laws.registry import lookup
from scalax.laws.search import OBJECTIVES, search


def fit(
    curves: Sequence[Curve],
    families: Sequence[str | Family] = ("m1", "m2", "m3", "m4", "bnsl"),
    objective: str = "sle",
    starts: int = 64,
    resamples: int = 0,
    seed: int = 0,
    solver: str = "lm",
    progress: Callable[[int], object] | None = None,
) -> list[dict[str, Fit]]:
    """Fit each law to each curve: a list, per curve, of law name -> `Fit`.

    - families: names of laws, or laws.
    - objective: "sle", squared log error; "huber", Huber's loss of the log error, delta 1e-3; "excess",
      squared error of log(y - limit), for laws with a limit (the others: "sle"); "sle1p", squared error of
      log(1 + y), which the published BNSL fits minimise, and which alone is not scale-free.
    - starts: of the search, per curve and law. 64 do for up to two breaks; a law of three is found from 256,
      and one of four from 1024 in about three cases of four.
    - resamples: bootstrap resamples of the rows, each refitted from the best solutions.
    - seed: of starts and resamples.
    - solver: "lm", or "bfgs" as an independent check.
    - progress: called with the number of (curve, law) fits just finished.

    Raises UserError for an unknown name or a curve with nothing to fit.

    >>> import numpy as np
    >>> x = np.geomspace(1e6, 1e9, 20)
    >>> [fits] = fit([Curve(x, 0.1 + 40 * x**-0.3)], ["m2"])
    >>> {name: round(value, 6) for name, value in fits["m2"].params.items()}
    {'e_inf': 0.1, 'b': 40.0, 'c': -0.3}
    """
    if objective not in OBJECTIVES:
        raise UserError(f"`objective` {objective!r} is unknown{suggest(objective, OBJECTIVES)}")
    if not families:
        raise UserError("no law is named; give one or more in `families`, e.g. m4")
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
        return [with_errors(f, c, notes) for f, c, (_, notes) in zip(fits, curves, cleaned, strict=True)]

    with ThreadPoolExecutor(2) as pool:  # one law compiles while another runs
        columns = list(pool.map(one, specs))
    return [dict(zip([s.name for s in specs], row, strict=True)) for row in zip(*columns, strict=True)]


def _fit_family(
    family: Family, points: list[Points], objective: str, starts: int, resamples: int, seed: int, solver: str
) -> list[Fit]:
    unit = unit_points(starts, len(family.names), seed)
    polished = min(starts, max(16, starts // 4))
    first = [family.starts(p.extent, unit) for p in points]
    found = search(family, objective, solver, points, [p.weights for p in points], first, polished)
    again: list[list[np.ndarray]] = [[] for _ in points]
    if resamples:
        owner = [i for i in range(len(points)) for _ in range(resamples)]
        drawn = []
        for p in points:
            rng = np.random.default_rng([seed, len(p.log_y)])
            share = p.weights / p.weights.sum()
            drawn += list(rng.multinomial(round(p.weights.sum()), share, size=resamples).astype(float))
        begin = [np.asarray(found[i].p[:4]) for i in owner]
        ends = search(family, objective, "lm", [points[i] for i in owner], drawn, begin, 1)
        for i, end in zip(owner, ends, strict=True):
            again[i].append(np.asarray(end.p[0]))
    return [fit_result(family, objective, p, s, a) for p, s, a in zip(points, found, again, strict=True)]
