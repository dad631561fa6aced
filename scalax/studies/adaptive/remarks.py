"""An adaptive study in words."""

from scalax import metrics
from scalax.studies.adaptive.result import AdaptiveResult, LadderResult
from scalax.studies.adaptive.tables import best_names, savings_text
from scalax.units import flops_text


def verdict(ladder: LadderResult, metric: str) -> str:
    """What every schedule saves at the middle target, and why none is by the plan if so, in a line."""
    why = "" if "adaptive" in ladder.others else ladder.plan.message
    if not ladder.others:
        return why
    row = ladder.targets[(len(ladder.targets) - 1) // 2]
    saved = ", ".join(f"{name} {savings_text(row.methods[name])}" for name in ladder.others)
    against = f"savings at {metric} {row.target:.4g}, against the best static shape ({best_names(row)})"
    return f"{why}; {against}: {saved}" if why else f"{against}: {saved}"


def remarks(ladder: LadderResult, result: AdaptiveResult) -> list[str]:
    """The plan, where its runs ended, what planning cost, and what to distrust, a line each."""
    metric, examples = result.config.metric, result.examples["validation"]
    lines = []
    if "adaptive" in ladder.runs:
        lines.append(f"plan, by {metric}: {ladder.plan.message}")
    taken = [pilot.run for pilot in ladder.pilots if pilot.taken]
    if taken:
        lines.append(f"the best of {len(ladder.pilots)} pilot runs: {taken[0]}")
    elif result.config.replans:
        lines.append("no pilot runs: the first plan has no change of shape")
    if ladder.others:
        means = {name: _mean([run.mean for run in runs]) for name, runs in ladder.runs.items()}
        ends = {name: _mean([run.values[-1] for run in runs]) for name, runs in ladder.runs.items()}
        over = f"least {metric} so far, geometric mean over log FLOPs"
        lines.append(f"{over}: {_against_best_static(ladder, means)}")
        lines.append(f"{metric} at the end: {_against_best_static(ladder, ends)}")
    lines.append(
        f"cost of planning: {flops_text(ladder.planning_flops)} (static runs, search and pilot runs)"
    )
    loose = [
        shape
        for shape, law in ladder.laws.items()
        if not all(law.determined(name) for name in result.law.decisive)
    ]
    if loose:
        lines.append(f"the data do not determine the law of {', '.join(loose)}: take the plan as a guess")
    if metrics.get(metric).unit == "share of images":
        lines.append(
            f"there are {examples} validation images, so one image changes the error by {1 / examples:.2g}"
        )
    return lines


def _against_best_static(ladder: LadderResult, values: dict[str, float]) -> str:
    best = min(ladder.shapes, key=values.__getitem__)
    others = [f"{name} {values[name]:.4g}" for name in ladder.others]
    return f"{', '.join(others)}, best static ({best}) {values[best]:.4g}"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
