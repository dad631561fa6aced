"""Learning rates over a run: as a file's column has them or as a schedule says, and their sums.

Tissue et al. 2024, 'Scaling Law with Learning Rate Annealing', eq. 1: S1 is the sum of the rates, and S2 the
annealing area, the sum of how far the rate has fallen, where each fall comes with momentum: it counts in
full only after a while. Here x is continuous, in the curve's own units, and so is that while, `memory`: the
momentum a step is exp(-1 / memory in steps), 0.999 for 1,000 steps.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import lfilter

from scalax.errors import UserError

PEAK = 1e-2  # share of the largest rate below which it is not yet the peak
CELLS = 4096  # of the grid that sums are made on
DECAY = 0.1  # share of a run by which `wsd` decays, where none is given
FORMS = {
    "constant": "constant:WARMUP",
    "cosine": "cosine:WARMUP:TOTAL[:LAST]",
    "linear": "linear:WARMUP:TOTAL[:LAST]",
    "wsd": "wsd:WARMUP:TOTAL[:DECAY[:LAST]]",
}
UNITS = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


@dataclass(frozen=True, eq=False)
class Rates:
    """The learning rate at each x of a run.

    - at: x [n] -> rates [n].
    - warm: x where the rate first comes to its peak.
    - total: x where the schedule ends, inf where it does not.
    - known: x up to which it is known; from there on the last rate is held.
    - words: how the user wrote it.
    """

    at: Callable[[np.ndarray], np.ndarray]
    warm: float = 0.0
    total: float = np.inf
    words: str = ""
    known: float = np.inf

    def sums(self, x: ArrayLike, memory: float) -> tuple[np.ndarray, np.ndarray]:
        """(S1, S2) at x [n], each [n], in units of rate times x.

        - x: positive.
        - memory: x after which a fall of the rate counts by 1 - 1/e.

        The rise of the rate up to its peak, a warm-up, is no annealing.
        """
        x = np.asarray(x, float)
        edges = np.linspace(0, x.max(), CELLS + 1)
        rate, width = self.at(edges), edges[1]
        first = np.concatenate([[0], np.cumsum((rate[1:] + rate[:-1]) / 2)]) * width
        falls = np.concatenate([[0], -np.diff(rate)])
        falls[edges - width < self.warm - 1e-9 * width] = 0
        kept = np.exp(-width / memory)
        momentum = lfilter([memory / width * (1 - kept)], [1, -kept], falls)
        return np.interp(x, edges, first), np.interp(x, edges, np.cumsum(momentum) * width)


def from_column(x: ArrayLike, rate: ArrayLike) -> Rates:
    """Rates as rows have them, straight between them; the last is held, and the first two say how it began.

    - x, rate: [n]; rows without a rate are left out.

    Raises UserError where no rate is a positive number.
    """
    x, rate = np.asarray(x, float), np.asarray(rate, float)
    known = np.isfinite(rate) & np.isfinite(x)
    if not (rate[known] > 0).any():
        raise UserError("`lr`: no row has a positive learning rate; name the column that has it")
    if (rate[known] < 0).any():
        raise UserError(f"`lr`: {rate[known].min():g} is no learning rate; name the column that has it")
    order = np.argsort(x[known], kind="stable")
    x, rate = x[known][order], rate[known][order]
    if len(x) > 1 and x[0] > 0:
        slope = max((rate[1] - rate[0]) / (x[1] - x[0]), 0.0) if x[1] > x[0] else 0.0
        x, rate = np.append(0.0, x), np.append(max(rate[0] - slope * x[0], 0.0), rate)
    first = int((rate >= (1 - PEAK) * rate.max()).argmax())
    return Rates(lambda at: np.interp(at, x, rate), float(x[first]), known=float(x[-1]))


def from_words(words: str, peak: float = 1.0, argument: str = "lr_schedule") -> Rates:
    """A schedule such as cosine:100:2000.

    - words: a name and numbers: WARMUP, over which the rate rises from 0, and TOTAL, where it ends, in units
      of x; LAST, the rate there over the peak (0); DECAY, the share of TOTAL over which wsd falls, in a
      straight line (0.1). Numbers may end in K, M, B or T.
    - peak: the largest rate.
    - argument: that errors name.

    Raises UserError for any others.

    >>> [float(rate) for rate in from_words("linear:10:110").at(np.array([5, 10, 60, 200]))]
    [0.5, 1.0, 0.5, 0.0]
    """
    name, *parts = words.strip().split(":")
    if name not in FORMS:
        raise UserError(f"`{argument}` {words!r} is unknown; give one of {', '.join(FORMS.values())}")
    most, least = FORMS[name].count(":"), FORMS[name].split("[")[0].count(":")
    if not least <= len(parts) <= most:
        raise UserError(f"`{argument}` {words!r}: want {FORMS[name]}")
    numbers = [_number(part, f"`{argument}` {words!r}") for part in parts]
    warmup, total, *rest = [*numbers, np.inf] if name == "constant" else numbers
    decay = rest.pop(0) if name == "wsd" and rest else DECAY
    last = rest[0] if rest else 0.0
    if not (0 <= warmup < total and 0 <= last <= 1 and 0 < decay <= 1):
        raise UserError(
            f"`{argument}` {words!r}: want 0 <= WARMUP < TOTAL in units of x, and DECAY and LAST, shares of"
            " TOTAL and of the peak, between 0 and 1"
        )
    begin = total * (1 - decay) if name == "wsd" else warmup
    if begin < warmup:
        raise UserError(f"`{argument}` {words!r}: the decay would begin within the warm-up")

    def at(x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, float)
        rising = peak * (np.minimum(x / warmup, 1.0) if warmup else np.ones_like(x))
        if name == "constant":
            return rising
        share = np.clip((x - begin) / (total - begin), 0, 1)
        left = (1 + np.cos(np.pi * share)) / 2 if name == "cosine" else 1 - share
        return rising * (last + (1 - last) * left)

    return Rates(at, warmup, total, words)


def _number(text: str, where: str) -> float:
    unit = UNITS.get(text[-1:].lower(), 1.0)
    try:
        value = float(text[:-1] if unit > 1 else text) * unit
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise UserError(f"{where}: {text!r} is no number")
    return value
