"""Decide when to change shape while a run goes on, without static runs."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scalax import laws
from scalax.errors import UserError
from scalax.plan.fitting import LAW
from scalax.records import RunRecord
from scalax.schedule import Shape

EXPONENTS = (0.05, 1.0)  # range of a measured limit exponent


class OnlineSettings(NamedTuple):
    """How an online plan decides.

    - limit_exponent: before a change was seen, a shape that costs k times as much an example is taken to end
      at k^-limit_exponent times the error.
    - recovery_share: FLOPs that a change costs, as a share of those spent, before one was seen.
    - hysteresis: how much steeper the next shape must be.
    - least: evaluations of a stage before it is judged.
    - patience: evaluations in a row that must be for the change.
    - resamples: of each law.
    - agree: an evaluation is for the change where more than this share of the resamples is.
    """

    limit_exponent: float = 0.25
    recovery_share: float = 0.05
    hysteresis: float = 0.1
    least: int = 8
    patience: int = 2
    resamples: int = 16
    agree: float = 0.8


class OnlineState(NamedTuple):
    """Plain data.

    - at: the stage.
    - start_flops: where it began.
    - before: the metric just before the change (None in the first stage).
    - rows: FLOPs since the stage began and metric, of its evaluations once it has recovered.
    - votes: evaluations in a row that were for a change.
    - recovery_share: that the last change took.
    - limit: of the law of the stage; previous_limit: of the one before.
    """

    at: int = 0
    start_flops: float = 0.0
    before: float | None = None
    rows: tuple[tuple[float, float], ...] = ()
    votes: int = 0
    recovery_share: float | None = None
    limit: float | None = None
    previous_limit: float | None = None


class Online:
    """Shapes from the cheapest to the dearest, each entered when it is predicted to descend more steeply.

    The law E = a (C + d)^-b + c of the running shape is fitted to the evaluations of the stage. The next
    shape, which costs k times as much an example, is predicted to learn as much of each example, towards a
    lower limit c': its law is the present one stretched by k in FLOPs, with c' for c. So at the present
    error E it is steeper once ((E - c') / (E - c))^((b + 1) / b) > k: when the present shape is near enough
    to its limit. c' / c is k^-limit_exponent at first, later by the exponent of the last change. A change
    must also pay for its recovery within the budget.

    A run calls `observe` with each of its records, then `decide`. What is decided follows from the records
    alone: a resumed run goes on from `state`, or by observing again the records that it kept.
    """

    def __init__(
        self,
        shapes: Sequence[Shape],
        example_flops: Mapping[Shape, float],
        budget_flops: float,
        metric: str = "val_error",
        settings: OnlineSettings | None = None,
        state: OnlineState | None = None,
        law: str | laws.Family = LAW,
    ):
        """
        - shapes: from the cheapest to the dearest.
        - example_flops: training FLOPs of each shape for an example.
        - budget_flops: of the run.
        - metric: that the law describes.
        - settings: how it decides.
        - state: to go on from.
        - law: of a stage; one that can be read as a (C + d)^-b + c.

        Raises UserError where `example_flops` do not increase along `shapes`, or for another law.
        """
        self.law = laws.lookup(law)
        if self.law.as_shifted_power is None:
            able = ", ".join(name for name, other in laws.FAMILIES.items() if other.as_shifted_power)
            raise UserError(
                f"`law` {self.law.name!r} has no form a (C + d)^-b + c, by which online plans decide;"
                f" choose one of {able}"
            )
        self.read = self.law.as_shifted_power
        costs = [example_flops[shape] for shape in shapes]
        if not costs or any(not a < b for a, b in itertools.pairwise(costs)):
            raise UserError(f"online shapes must go from the cheapest to the dearest, got {costs} FLOPs")
        self.shapes, self.costs = tuple(shapes), costs
        self.budget_flops, self.metric = budget_flops, metric
        self.settings, self.state = settings or OnlineSettings(), state or OnlineState()

    def decide(self) -> Shape:
        """The shape to train from here on."""
        return self.shapes[self.state.at]

    def observe(self, record: RunRecord) -> None:
        """Take in the next evaluation of the run. Raises UserError where it is not of the shape decided."""
        if Shape.of(record) != self.decide():
            raise UserError(
                f"{record.run}, step {record.step}: its shape is {Shape.of(record)}, and the plan decided on"
                f" {self.decide()}; remove the run and make it again"
            )
        if self.metric not in record.metrics:
            return  # an evaluation that takes part in a few only
        value, state = float(record.metrics[self.metric]), self.state
        since = record.flops - state.start_flops
        if not state.rows and state.before is not None:
            if value > state.before or since <= 0:
                return  # still recovering from the change
            state = state._replace(recovery_share=since / state.start_flops)
        state = state._replace(rows=(*state.rows, (since, value)))
        if len(state.rows) >= self.settings.least and state.at + 1 < len(self.shapes):
            state = self._judge(state, record.flops)
        self.state = state

    def to_json(self) -> dict:
        return self.state._asdict()

    @staticmethod
    def state_from_json(data: dict) -> OnlineState:
        """Raises UserError where it is not what `to_json` gave."""
        try:
            return OnlineState(**{**data, "rows": tuple((float(f), float(v)) for f, v in data["rows"])})
        except (KeyError, TypeError, ValueError) as e:
            raise UserError(f"online state: {type(e).__name__} {e}; make the run again") from None

    def _judge(self, state: OnlineState, flops: float) -> OnlineState:
        """Fit the law of the stage and count a vote; with enough of them, begin the next stage."""
        settings = self.settings
        x, y = np.array(state.rows).T
        [fit] = laws.fit(
            [laws.Curve(x, y)], [self.law], objective="huber", starts=32, resamples=settings.resamples
        )
        fitted = fit[self.law.name]
        found = fitted.resamples or (fitted,)
        limit = float(np.median([self.read(law.params).c for law in found]))
        state = state._replace(limit=limit)
        exponent = self._exponent(state)
        agree = np.mean([self._pays(law, x[-1], flops, state, exponent) for law in found])
        votes = state.votes + 1 if agree > settings.agree else 0
        if votes < settings.patience:
            return state._replace(votes=votes)
        return OnlineState(
            at=state.at + 1,
            start_flops=flops,
            before=float(state.rows[-1][1]),
            recovery_share=state.recovery_share,
            previous_limit=limit,
        )

    def _exponent(self, state: OnlineState) -> float:
        """Of the limit in the cost of a shape: that of the last change, where one was seen."""
        if not state.previous_limit or not state.limit:
            return self.settings.limit_exponent
        ratio = self.costs[state.at] / self.costs[state.at - 1]
        return float(np.clip(math.log(state.previous_limit / state.limit) / math.log(ratio), *EXPONENTS))

    def _pays(self, law: laws.Law, at: float, flops: float, state: OnlineState, exponent: float) -> bool:
        """Whether, by one law of the stage, the next shape descends more steeply at the error now, and
        ends lower at the budget, its recovery paid."""
        _, b, c, d = self.read(law.params)
        ratio = self.costs[state.at + 1] / self.costs[state.at]
        lower = c * ratio**-exponent
        share = state.recovery_share if state.recovery_share is not None else self.settings.recovery_share
        left = self.budget_flops - flops
        error, stay = law.predict(np.array([at, at + left]))
        if not error > c or not b > 0 or left <= share * flops:
            return False
        farther = math.log((error - lower) / (error - c))
        if farther * (b + 1) / b <= math.log(ratio * (1 + self.settings.hysteresis)):
            return False
        log_examples = math.log(at + d) - farther / b  # in FLOPs of the shape now: where the next law stands
        more = np.logaddexp(0.0, math.log((left - share * flops) / ratio) - log_examples)
        return bool((error - lower) * math.exp(-b * more) + lower < stay)
