"""The form of a law of several variables: a limit, and a falling power of each variable."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from scalax.errors import UserError, suggest

SCALES = ("A", "B", "C", "D", "F")  # of the terms, in the order of the variables
EXPONENTS = ("alpha", "beta", "gamma", "delta", "epsilon")
MOST_VARIABLES = len(SCALES)


@dataclass(frozen=True)
class Form:
    """y = E + A x1^-alpha + B x2^-beta + ...

    - name: of the form.
    - limit: whether there is an E; without it y falls to 0.
    - shared: whether all variables have one exponent, alpha.
    """

    name: str
    limit: bool = True
    shared: bool = False

    def names(self, variables: int) -> tuple[str, ...]:
        """Of the parameters, as published laws order them: limit, scales, exponents."""
        exponents = EXPONENTS[: 1 if self.shared else variables]
        return (*(("E",) if self.limit else ()), *SCALES[:variables], *exponents)

    def formula(self, variables: tuple[str, ...]) -> str:
        """With the variables' names in it."""
        terms = ["E"] if self.limit else []
        for i, variable in enumerate(variables):
            exponent = EXPONENTS[0 if self.shared else i]
            terms.append(
                f"{SCALES[i]} ({variable})^-{exponent}"
                if " " in variable
                else f"{SCALES[i]} {variable}^-{exponent}"
            )
        return " + ".join(terms)

    def to_internal(self, variables: int) -> np.ndarray:
        """[1 + 2v, k], 0 or 1: which of p [k] each of log E, the log scales and the log exponents is."""
        wide = np.eye(1 + 2 * variables)
        if self.shared:
            wide = np.column_stack([wide[:, : 1 + variables], wide[:, 1 + variables :].sum(1)])
        return wide if self.limit else wide[:, 1:]


FORMS = {
    form.name: form
    for form in (
        Form("powers"),
        Form("powers_one_exponent", shared=True),
        Form("powers_no_limit", limit=False),
    )
}


def form_of(name: str | Form) -> Form:
    """A form by its name. Raises UserError for one that is unknown."""
    if isinstance(name, Form):
        return name
    if name not in FORMS:
        raise UserError(f"law of several variables {name!r} is unknown{suggest(name, FORMS)}")
    return FORMS[name]


@dataclass(frozen=True)
class JointLaw:
    """A form with its parameters.

    - form: of the law.
    - log_limit: log E; -inf without a limit.
    - log_scales, exponents: [v], of the terms.
    """

    form: Form
    log_limit: float
    log_scales: np.ndarray
    exponents: np.ndarray

    @property
    def params(self) -> dict[str, float]:
        """By name, in the order of `Form.names`."""
        variables = len(self.exponents)
        values = [np.exp(self.log_limit)] if self.form.limit else []
        values += [*np.exp(self.log_scales), *self.exponents[: 1 if self.form.shared else variables]]
        return dict(zip(self.form.names(variables), map(float, values), strict=True))

    def log_y(self, log_x: np.ndarray) -> np.ndarray:
        """log y [...] at log x [..., v]."""
        terms = self.log_scales - self.exponents * log_x
        return np.logaddexp(self.log_limit, np.logaddexp.reduce(terms, -1))

    def predict(self, x: ArrayLike) -> np.ndarray:
        """y [...] at x [..., v]."""
        return np.exp(self.log_y(np.log(np.asarray(x, float))))
