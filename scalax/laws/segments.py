"""A broken law taken apart: its power laws, and the breaks between them (BNSL paper, appendix)."""

from typing import Any, NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.laws.curves import Curve
from scalax.laws.law import Law

DONE = 9.0  # odds of the share of a break's change that is done at its end, 9 to 1; at its beginning 1 to 9


class Segment(NamedTuple):
    """y - limit = b x^-exponent, away from the breaks.

    - exponent: negative where y rises.
    - log_b: its level, that of y - limit at x = 1.
    - first_x, last_x: the breaks that it lies between; 0 and inf at the ends of the law.
    - rows: of the curve's rows to fit, how many lie there.
    - actual: the exponent of the law itself in the middle of these rows, which is another where a break is
      wider than the segment; nan without rows.
    """

    exponent: float
    log_b: float
    first_x: float
    last_x: float
    rows: int
    actual: float

    def excess(self, x: Any) -> np.ndarray:
        """y - limit at x [n]."""
        with np.errstate(over="ignore"):
            return np.exp(self.log_b - self.exponent * np.log(x))


class Break(NamedTuple):
    """Where one segment goes over into the next.

    - x: its place, d.
    - first_x, last_x: where a tenth and nine tenths of the change of exponent are done.
    - f: the paper's sharpness, small for a sharp break; last_x / first_x is 81^f.
    - change: of the exponent.
    """

    x: float
    first_x: float
    last_x: float
    f: float
    change: float


class Segments(NamedTuple):
    """Of one law: y = limit + its power laws, from small x to large, with a break between each two."""

    limit: float
    segments: list[Segment]
    breaks: list[Break]

    def to_json(self) -> dict[str, Any]:
        """Plain data; an end of the law is null."""
        return {
            "limit": self.limit,
            "segments": [{**s._asdict(), "first_x": s.first_x or None} for s in self.segments],
            "breaks": [b._asdict() for b in self.breaks],
        }


def segments_of(law: Law, curve: Curve) -> Segments:
    """The power laws that a fitted law consists of.

    - law: of a family with segments, as BNSL.
    - curve: that it was fitted to.

    Raises UserError where the family has no segments.
    """
    if law.family_spec.segments is None:
        raise UserError(f"law {law.family}: consists of no power-law segments; name a broken one, e.g. bnsl")
    broken = law.family_spec.segments(np.asarray(law.p, float))
    log_x = np.log(np.sort(curve.x[curve.fit & (curve.x > 0) & np.isfinite(curve.x)]))
    log_x = log_x[(log_x >= law.around[0] - 1e-9) & (log_x <= law.around[1] + 1e-9)]
    ends = np.concatenate([[-np.inf], broken.log_d, [np.inf]])
    made = []
    for i, (level, exponent) in enumerate(zip(broken.levels, broken.exponents, strict=True)):
        own = log_x[(log_x >= ends[i]) & (log_x < ends[i + 1])]
        middle = (own[0] + own[-1]) / 2 if len(own) else np.nan
        done = (1 + np.tanh((middle - broken.log_d) / np.exp(broken.log_f) / 2)) / 2
        actual = float(broken.exponents[0] + np.sum(done * np.diff(broken.exponents)))
        first_x, last_x = (float(np.exp(end)) for end in ends[i : i + 2])
        made.append(Segment(float(exponent), float(level), first_x, last_x, len(own), actual))
    wide = np.exp(broken.log_f) * np.log(DONE)
    breaks = [
        Break(*(float(v) for v in values))
        for values in zip(
            np.exp(broken.log_d),
            np.exp(broken.log_d - wide),
            np.exp(broken.log_d + wide),
            np.exp(broken.log_f),
            np.diff(broken.exponents),
            strict=True,
        )
    ]
    return Segments(float(np.exp(broken.log_limit)), made, breaks)
