"""The answer of an adaptive study in a sentence: what was saved or lost, and how sure that is."""

import math
import statistics
from collections.abc import Sequence
from typing import TypeVar

from scalax import metrics
from scalax.studies.adaptive.result import Change, LadderResult, LawForm, MethodRun, Needed, Target

SLOW_RECOVERY = 0.25  # of the FLOPs before a change: beyond it, the change is why a run fell behind
SLOW_PACE = 0.9  # of the law's
Row = TypeVar("Row")
SPEAKERS = {"adaptive": "the adaptive model", "online": "the model that plans as it goes"}


def verdict(ladder: LadderResult, metric: str, form: LawForm) -> str:
    """What changing the shape saved or lost against the best fixed shape, with the range over the seeds.

    - ladder: what was measured.
    - metric: that the targets are values of.
    - form: of the laws, which says when one is determined.
    """
    if "adaptive" in ladder.runs:
        return _answer(ladder, metric, form, "adaptive")
    message, loose = _sentence(ladder.plan.message), loose_laws(ladder, form)
    if ladder.plan.schedule is not None and loose:
        alone = ladder.plan.schedule.stages[0].shape
        message = (
            "Whether a change of shape pays is not known, as the data do not determine the law of"
            f" {', '.join(loose)}; by the laws as they are, {alone} alone is best"
        )
    if "online" not in ladder.runs:
        return message
    return f"{message}. {_answer(ladder, metric, form, 'online')}"


def before_change(ladder: LadderResult, method: str) -> str:
    """Which share of the targets says nothing of the method, as it had not changed its shape by then."""
    same = sum(all(row.methods[method].same) for row in ladder.targets)
    if not same or not _changes(ladder, method):
        return ""
    return (
        f"{same} of the {len(ladder.targets)} targets came before {SPEAKERS[method]} changed its shape for"
        " the first time: until then it is the fixed shape itself, and saves nothing"
    )


def loose_laws(ladder: LadderResult, form: LawForm) -> list[str]:
    """Shapes whose laws the data do not determine."""
    return [
        shape for shape, law in ladder.laws.items() if not all(law.determined(name) for name in form.decisive)
    ]


def told(ladder: LadderResult, method: str) -> Target | None:
    """The target that is told of: the middle one; where the method had not changed its shape by then, the
    middle one of those after its first change. None where there is none."""
    later = [row for row in ladder.targets if not all(row.methods[method].same)]
    if middle(ladder.targets) in later:
        return middle(ladder.targets)
    return middle(later) if later else None


def middle(rows: Sequence[Row]) -> Row:
    """The one in the middle; of two, the first."""
    return rows[(len(rows) - 1) // 2]


def _answer(ladder: LadderResult, metric: str, form: LawForm, method: str) -> str:
    who, row = SPEAKERS[method], told(ladder, method)
    if row is None and not _changes(ladder, method):
        return f"{_sentence(who)} never changed its shape, so that there is nothing to compare"
    because = (
        _because(ladder, metric, form) if method == "adaptive" else ""
    )  # changes of the adaptive runs are kept
    ends = _ends(ladder, metric, method)
    behind = _end(ladder.runs[method]) > min(_end(ladder.runs[shape]) for shape in ladder.shapes)
    if row is None:
        why = f"{who} had not changed its shape when it reached the last of the targets, and {ends}"
        return f"Adaptive training lost here: {why}{because}" if behind else _sentence(why)
    needed = row.methods[method]
    goal = f"to reach {_a(metrics.get(metric).title)} of {row.target:.3g}"
    if not math.isfinite(needed.savings):
        missed = sum(not math.isfinite(value) for value in needed.savings_by_seed)
        seeds = len(needed.savings_by_seed)
        did = f"in {missed} of {seeds} seeds {who} did" if seeds > 1 else f"{who} did"
        goal = goal.removeprefix("to ")
        return f"Adaptive training lost here: {did} not {goal}, which the best fixed shape did{because}"
    doubt = unsure(needed.savings_by_seed)
    said = f"{goal} {who} {needed_text(needed.savings, needed.savings_by_seed, 'the best fixed shape')}"
    if needed.savings < 1 and not doubt and not is_even(needed.savings):
        return f"Adaptive training lost here: {said}{because}"
    said = f"{_sentence(said)}{doubt}"
    return f"{said}; but {ends}" if behind and needed.savings >= 1 else said


def needed_text(savings: float, by_seed: Sequence[float], against: str) -> str:
    """How many more or fewer FLOPs a method needed, with the range over the seeds.

    - savings: FLOPs of what it is compared with over its own.
    - by_seed: the same of each seed.
    - against: what it is compared with.
    """
    if is_even(savings):
        return f"needed as many FLOPs as {against} ({seeds_text(by_seed)})"
    if savings < 1:
        return (
            f"needed {ratio_text(1 / savings)} more FLOPs than {against}"
            f" ({seeds_text([1 / value for value in by_seed])})"
        )
    return f"needed {ratio_text(savings)} fewer FLOPs than {against} ({seeds_text(by_seed)})"


def saved_text(needed: Needed) -> str:
    """Savings in a sentence."""
    return ratio_text(needed.savings) if math.isfinite(needed.savings) else "none, as it is missed,"


def is_even(savings: float) -> bool:
    """Whether both ways round it is shown as 1."""
    return ratio_text(savings) == ratio_text(1 / savings) == ratio_text(1)


def _changes(ladder: LadderResult, method: str) -> bool:
    """Whether any of its runs changed its shape."""
    return any(len(run.shapes) > 1 for run in ladder.runs[method])


def _ends(ladder: LadderResult, metric: str, method: str) -> str:
    """Where it ended, and where the best static shape did."""
    best = min(ladder.shapes, key=lambda shape: _end(ladder.runs[shape]))
    mine, theirs = _end(ladder.runs[method]), _end(ladder.runs[best])
    title = metrics.get(metric).title
    return f"it ended at {_a(title)} of {mine:.3g}, the best fixed shape ({best}) at {theirs:.3g}"


def _end(runs: Sequence[MethodRun]) -> float:
    return statistics.fmean(run.values[-1] for run in runs)


def _because(ladder: LadderResult, metric: str, form: LawForm) -> str:
    """What the measured changes of shape, or else the laws, say of why."""
    worst = max(ladder.switches, key=_harm, default=None)
    if worst is not None and _harm(worst) > SLOW_RECOVERY:
        title = metrics.get(metric).title
        change = f"the change from {worst.before} to {worst.after}"
        if not worst.recovered:
            return f"; because {change} raised the {title} by {worst.jump:.2g}, and it never came back"
        return (
            f"; because after {change} it took {worst.recovery_share:.0%} of the FLOPs spent by then until"
            f" the {title} was back where it had been"
        )
    slow = [change for change in ladder.switches if change.pace < SLOW_PACE]
    if slow:
        slowest = min(slow, key=lambda change: change.pace)
        return (
            f"; because after the change to {slowest.after} it learnt {slowest.pace:.2g} times as fast as"
            " the law of that shape says"
        )
    if loose := loose_laws(ladder, form):
        return f"; because the data do not determine the law of {', '.join(loose)}, and the plan is a guess"
    return ""


def _harm(change: Change) -> float:
    return change.recovery_share if change.recovered else math.inf


def unsure(savings: Sequence[float]) -> str:
    """The end of a sentence on savings, where those of the seeds lie on both sides of 1."""
    low, high = min(savings), max(savings)
    return ", which the seeds do not tell from no difference" if low <= 1 <= high and low < high else ""


def seeds_text(values: Sequence[float]) -> str:
    """From the least to the most of a ratio over the seeds."""
    if len(values) == 1:
        return "one seed"
    return f"{ratio_text(min(values))} to {ratio_text(max(values))}, {len(values)} seeds"


def ratio_text(ratio: float) -> str:
    """1.50x."""
    return f"{ratio:.2f}x"


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
