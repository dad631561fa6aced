"""Laws of static runs, as a study keeps them."""

import numpy as np

from scalax import laws
from scalax.errors import UserError
from scalax.studies.adaptive.result import FittedLaw, LawForm

POINTS = 100  # of a law, kept


def form(name: str) -> LawForm:
    """Raises UserError for an unknown law, and for one of several variables."""
    family = laws.lookup(name)
    if family.variables > 1:
        raise UserError(f"law {name!r} is one of {family.variables} variables; take one of FLOPs alone")
    return LawForm(family.name, family.formula, family.headings(x="FLOPs"), list(family.decisive))


def summary(fit: laws.Fit, first_flops: float, budget_flops: float) -> FittedLaw:
    """The fit, and points of its law between two numbers of FLOPs.

    - fit: of a law of FLOPs.
    - first_flops: where the points begin.
    - budget_flops: where they end.
    """
    x = np.geomspace(first_flops, budget_flops, POINTS)
    return FittedLaw(
        params={name: float(value) for name, value in fit.params.items()},
        stderr={name: float(value) for name, value in fit.stderr.items()},
        rmsle=float(fit.rmsle),
        at_bound=[flag.parameter for flag in fit.flags if flag.kind == "at_bound"],
        flops=x.tolist(),
        values=np.asarray(fit.predict(x)).tolist(),
    )
