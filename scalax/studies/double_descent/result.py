"""What the study of double descent finds."""

from typing import NamedTuple

from scalax.studies.double_descent.config import DoubleDescentConfig

OLD = ("m1", "m2", "m3", "m4")
CHOSEN = "bnsl-chosen"  # breaks and first row by the tail of the rows to fit
OVER = {"width": "width", "steps": "training time"}  # what each sweep goes over, in words
AFTER_PEAK = "m4-after-peak"  # from the peak of the rows to fit on, once it has been seen
STILL = "last value held"  # for ever, in place of a law


class Interval(NamedTuple):
    """A value, and the ends of its 90% interval over resampled seeds."""

    value: float
    low: float
    high: float


class LawScore(NamedTuple):
    """A law fitted to the rows up to a cut.

    - name: in tables: a law's, CHOSEN or AFTER_PEAK.
    - law, p, around: see laws.Law.
    - first_x: of the first row that was fitted.
    - fitted: RMSLE over the rows fitted.
    - later: RMSLE over the rows after the cut; None where there are none.
    """

    name: str
    law: str
    p: list[float]
    around: tuple[float, float]
    first_x: float
    fitted: Interval
    later: Interval | None


class Cut(NamedTuple):
    """Laws fitted to the rows up to x; still: RMSLE after it where the last of them is held for ever."""

    x: float
    rows: int
    still: Interval | None
    laws: list[LawScore]

    def names(self) -> list[str]:
        return [law.name for law in self.laws]

    def law(self, name: str) -> LawScore:
        return self.laws[self.names().index(name)]

    def best_old(self) -> LawScore:
        """Of M1 to M4 the one that fits best."""
        return min((self.law(name) for name in OLD), key=lambda law: law.fitted.value)

    def most_broken(self) -> LawScore:
        """BNSL with the most breaks, fitted to all rows up to the cut."""
        return [law for law in self.laws if law.name not in (*OLD, CHOSEN, AFTER_PEAK)][-1]

    def later(self) -> dict[str, Interval]:
        """RMSLE after the cut of STILL and every law; empty where no row is after it."""
        named = {STILL: self.still, **{law.name: law.later for law in self.laws}}
        return {name: later for name, later in named.items() if later}

    def best_later(self) -> str:
        """Whose error after the cut, of which there must be one, is least."""
        later = self.later()
        return min(later, key=lambda name: later[name].value)


class Sweep(NamedTuple):
    """A curve over seeds.

    - x: [n].
    - error: [n], the geometric mean over seeds; low, high: of the middle 80% of the seeds.
    - dip, peak: x where error is least before it rises, and greatest before it falls again.
    - cuts: the last is all rows.
    """

    x: list[float]
    error: list[float]
    low: list[float]
    high: list[float]
    dip: float
    peak: float
    cuts: list[Cut]

    def part(self, x: float) -> str:
        """What of the curve has been seen up to x."""
        return "first descent" if x < self.dip else "rise" if x < self.peak else "second descent"


class DoubleDescentResult(NamedTuple):
    """Of each model its curve, and the laws."""

    config: DoubleDescentConfig
    width: Sweep
    steps: Sweep
