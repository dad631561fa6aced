"""What a reader of an adaptive study should know besides its answer, a line each."""

import statistics
from collections.abc import Iterator

from scalax import metrics
from scalax.studies.adaptive import cooled_report, fewer_report, shifts_report
from scalax.studies.adaptive.result import AdaptiveResult, LadderResult
from scalax.studies.adaptive.verdict import before_change, loose_laws
from scalax.units import flops_text


def remarks(ladder: LadderResult, result: AdaptiveResult) -> list[str]:
    """Targets that say nothing, where the runs ended, the plan and its cost, and what to distrust."""
    metric, examples = result.config.metric, result.examples["validation"]
    lines = [before_change(ladder, name) for name in ("adaptive", "online") if name in ladder.runs]
    lines = [line for line in lines if line]
    if ladder.others:
        means = {name: _mean([run.mean for run in runs]) for name, runs in ladder.runs.items()}
        ends = {name: _mean([run.values[-1] for run in runs]) for name, runs in ladder.runs.items()}
        over = f"least {metric} so far, geometric mean over log FLOPs"
        lines.append(f"{metric} at the end: {_against_best_static(ladder, ends)}")
        lines.append(f"{over}: {_against_best_static(ladder, means)}")
    if ladder.cooled is not None:
        lines.append(f"{metric} at the end, {cooled_report.remark(ladder.cooled, ladder)}")
    if line := shifts_report.sentence(ladder.shifts, metric):
        lines.append(line)
    lines += shifts_report.remarks(ladder.shifts)
    if line := fewer_report.sentence(ladder.fewer, metric):
        lines.append(line)
    lines += fewer_report.remarks(ladder.fewer)
    if result.config.shifts and not ladder.shifts:
        lines.append("no plan with its changes of shape shifted: the plan has no change")
    lines.extend(_passes(ladder, result))
    if "adaptive" in ladder.runs:
        lines.append(f"plan, by {metric}: {ladder.plan.message}")
        if result.config.carry == "examples":
            lines.append(
                "the plan takes a run to keep what it learnt of all its examples when its shape changes"
            )
    elif ladder.plan.schedule is not None and not ladder.plan.transitions:
        lines.append("no adaptive runs were trained: the plan has no change of shape")
    if ladder.foretold:
        lines.append(_foretold(ladder, metric))
    taken = [pilot.run for pilot in ladder.pilots if pilot.taken]
    if taken:
        lines.append(f"the best of {len(ladder.pilots)} pilot runs: {taken[0]}")
    elif result.config.replans:
        lines.append("no pilot runs: the first plan has no change of shape")
    lines.append(
        f"cost of planning: {flops_text(ladder.planning_flops)} (static runs, search and pilot runs)"
    )
    loose = loose_laws(ladder, result.law)
    if loose and ladder.plan.transitions:  # without any, the verdict says it
        lines.append(f"the data do not determine the law of {', '.join(loose)}: take the plan as a guess")
    if metrics.get(metric).unit == "share of images":
        lines.append(
            f"there are {examples:,} validation images, so one image changes the error by {1 / examples:.2g}"
        )
    return lines


def _passes(ladder: LadderResult, result: AdaptiveResult) -> Iterator[str]:
    """How often the run that sees most sees each training example."""
    every = ((run.examples, name) for name, runs in ladder.runs.items() for run in runs)
    seen, name = max(every, default=(0, ""))
    if seen:
        train = result.examples["train"]
        yield f"passes over the {train:,} training {result.unit}: at most {seen / train:.2g} ({name})"


def _foretold(ladder: LadderResult, metric: str) -> str:
    """How well the laws foretold the runs that changed their shape."""
    errors = statistics.median(run.by_errors for run in ladder.foretold)
    known = [run.by_examples for run in ladder.foretold if run.by_examples is not None]
    examples = f", {statistics.median(known):.2g} by examples" if known else ""
    count = len(ladder.foretold)
    return (
        f"{metric} after changes of shape, {count} run{'s' * (count > 1)}: foretold within {errors:.2g} by"
        f" errors{examples} (rms of the log ratio, median)"
    )


def _against_best_static(ladder: LadderResult, values: dict[str, float]) -> str:
    best = min(ladder.shapes, key=values.__getitem__)
    others = [f"{name} {values[name]:.4g}" for name in ladder.others]
    return f"{', '.join(others)}, best static ({best}) {values[best]:.4g}"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
