"""What a study of return curves found, in words."""

import math
import statistics
from collections.abc import Callable, Iterator

from scalax.studies.returns.config import ReturnsConfig
from scalax.studies.returns.result import (
    ArchitectureResult,
    Prediction,
    ReturnResult,
    ReturnsResult,
    SlopeResult,
)
from scalax.studies.returns.scales import SCALES, TITLES

# Of each measure: what x is, what a slope is stated for, and how much of x that is.
DIFFICULTY = {
    "classes": ("number of classes", "a doubling of the classes", 1.0),
    "probe": ("error of a fixed ridge regression on pixels", "0.1 of probe error", 0.1),
    "given": ("place in the sequence", "a place in the sequence", 1.0),
}
HOLDS, REVERSED, OPEN, NONE = "holds", "reversed", "not shown", "cannot be told"
SEEN = ("top1", "corrected", "odds", "equal")  # the scales that answer whether it is more than arithmetic
METHODS: dict[str, Callable[[Prediction], float]] = {
    "the same ratio": lambda p: p.same_ratio,
    "the law of the first task, moved": lambda p: p.moved_law,
    "the law of the second task until A": lambda p: p.own_law,
}


def claim(slope: SlopeResult) -> str:
    """Whether a larger budget buys more on a harder task: by the interval of the slope."""
    if math.isnan(slope.low):
        return NONE
    return HOLDS if slope.low > 0 else REVERSED if slope.high < 0 else OPEN


def widest(config: ReturnsConfig, architecture: ArchitectureResult) -> list[ReturnResult]:
    """The return curves of the largest budget over the smallest, by scale."""
    pair = config.pair_name(config.pairs[0])
    return [each for each in architecture.returns if each.pair == pair]


def verdicts(result: ReturnsResult) -> Iterator[str]:
    """Sentences, a few an architecture; the answer first."""
    config = result.config
    pair = config.pair_name(config.pairs[0])
    _, unit, _ = DIFFICULTY[config.difficulty]
    for architecture in result.architectures:
        found = {each.scale: each for each in widest(config, architecture)}
        said = {name: claim(found[name].slope) for name in SEEN}
        raw = found["top1"].slope
        yield f"{architecture.name}, {pair}: that a FLOP buys more on a harder task {_by_scale(said)}."
        yield (
            f"{architecture.name}: the {pair} ratio of top-1 {_moves(said['top1'])} with difficulty:"
            f" {slope_text(raw, config)} of its log for {unit}{_p(raw)}; {_tasks(raw, len(result.tasks))}."
        )
        yield from _predicted(architecture)


def slope_text(slope: SlopeResult, config: ReturnsConfig) -> str:
    """'+0.12 (0.03 to 0.21)', for the config's step of difficulty."""
    step = DIFFICULTY[config.difficulty][2]
    if math.isnan(slope.value):
        return "no slope"
    return f"{step * slope.value:+.3f} ({step * slope.low:+.3f} to {step * slope.high:+.3f})"


def _moves(said: str) -> str:
    return {
        HOLDS: "grows",
        REVERSED: "falls",
        OPEN: "shows no change beyond noise",
        NONE: "cannot be followed",
    }[said]


def _p(slope: SlopeResult) -> str:
    return "" if math.isnan(slope.p) else f", p {slope.p:.2g} against no slope"


def _tasks(slope: SlopeResult, tasks: int) -> str:
    return f"{len(slope.tasks)} of {tasks} tasks are in their learning stage at both budgets"


def _by_scale(said: dict[str, str]) -> str:
    parts = []
    for verdict, words in (
        (HOLDS, "holds on {}"),
        (REVERSED, "is reversed on {}"),
        (OPEN, "is not shown on {}"),
        (NONE, "cannot be told on {}"),
    ):
        names = [TITLES[name] for name in said if said[name] == verdict]
        if names:
            parts.append(words.format(", ".join(names)))
    return "; ".join(parts)


def _predicted(architecture: ArchitectureResult) -> Iterator[str]:
    if architecture.levels.reason:
        yield f"{architecture.name}: no two levels to predict FLOPs between: {architecture.levels.reason}."
        return
    if not architecture.predictions:
        return
    errors = [
        f"{name} {factor:.2f}x ({count})"
        for name, factor, count in prediction_errors(architecture.predictions)
        if count
    ]
    low, high = architecture.levels.low, architecture.levels.high
    yield (
        f"{architecture.name}: FLOPs from level A ({low:.3f} of chance-corrected top-1) to B ({high:.3f}),"
        " predicted from another task, are off by a median factor of (in brackets: predictions)"
        f" {', '.join(errors)}."
    )


def prediction_errors(predictions: list[Prediction]) -> list[tuple[str, float, int]]:
    """(method, median factor by which it is off, predictions that it makes); those that are the same for each
    first task count once."""
    found = []
    for name, of in METHODS.items():
        made = {(p.second, of(p)): p.measured for p in predictions if math.isfinite(of(p))}
        logs = [abs(math.log(value / measured)) for (_, value), measured in made.items()]
        found.append((name, math.exp(statistics.median(logs)) if logs else math.nan, len(logs)))
    return found


def is_ratio(scale: str) -> bool:
    return all(each.is_ratio for each in SCALES if each.name == scale)
