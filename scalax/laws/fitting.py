"""Fit every curve with every law from many starts at once, in float64."""

from collections.abc import Callable, Sequence

import numpy as np

from scalax.errors import UserError, suggest
from scalax.laws.batches import unit_points
from scalax.laws.curves import Curve, clean
from scalax.laws.family import Family
from scalax.laws.fit_result import Fit, fit_result, with_errors
from scalax.laws.registry import lookup
from scalax.laws.search import OBJECTIVES, POLISH_STEPS, Search, search
from scalax.laws.solve import Solution


def fit(
    curves: Sequence[Curve],
    families: Sequence[str | Family] = ("m1", "m2", "m3", "m4", "bnsl"),
    objective: str = "sle",
    starts: int = 64,
    resamples: int = 0,
    seed: int = 0,
    solver: str = "lm",
    progress: Callable[[float], object] | None = None,
    steps: int = POLISH_STEPS,
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
    - progress: called with how much was just done, in fits of one law to one curve.
    - steps: that the solver takes at most from each of the best starts. Rows without any noise may need
      thousands, where they say little of some parameters.

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

    points = [p for p, _ in cleaned]
    unit = {spec: unit_points(starts, len(spec.names), seed) for spec in specs}
    first = [Search(spec, p, p.weights, spec.starts(p.extent, unit[spec])) for spec in specs for p in points]
    found = search(first, objective, solver, min(starts, max(16, starts // 4)), progress, steps)
    again = _resampled(first, found, objective, resamples, seed)
    bare = [
        fit_result(s.law, objective, s.points, own, ends)
        for s, own, ends in zip(first, found, again, strict=True)
    ]
    fits = with_errors(bare, [*curves] * len(specs), [notes for _, notes in cleaned] * len(specs))
    return [
        {spec.name: fits[j * len(curves) + i] for j, spec in enumerate(specs)} for i in range(len(curves))
    ]


def _resampled(
    searches: Sequence[Search], found: Sequence[Solution], objective: str, resamples: int, seed: int
) -> list[list[np.ndarray]]:
    """p [k] of each bootstrap resample of each search's rows, refitted from its best solutions."""
    if not resamples:
        return [[] for _ in searches]
    again = []
    for s, own in zip(searches, found, strict=True):
        rng = np.random.default_rng([seed, len(s.points.log_y)])
        total = s.weights.sum()
        drawn = rng.multinomial(round(total), s.weights / total, size=resamples).astype(float)
        again += [s._replace(weights=weights, starts=np.asarray(own.p[:4])) for weights in drawn]
    ends = iter(search(again, objective, "lm", 1))
    return [[np.asarray(next(ends).p[0]) for _ in range(resamples)] for _ in searches]
