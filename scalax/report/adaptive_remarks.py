"""An adaptive study in words, from its part of study.json."""

from scalax.report.adaptive_tables import best_names, determined, savings_text
from scalax.units import flops_text


def verdict(family: dict, metric: str) -> str:
    """What every schedule saves at the middle target, and why none is by the plan if so, in a line."""
    others = [name for name in family["runs"] if name not in family["shapes"]]
    why = "" if "adaptive" in others else family["plan"]["message"]
    if not others:
        return why
    row = family["targets"][(len(family["targets"]) - 1) // 2]
    saved = ", ".join(f"{name} {savings_text(row['methods'][name])}" for name in others)
    against = f"savings at {metric} {row['target']:.4g}, against the best static shape ({best_names(row)})"
    return f"{why}; {against}: {saved}" if why else f"{against}: {saved}"


def remarks(family: dict, study: dict) -> list[str]:
    """The plan, what it ended at, what it took, and what to mistrust, a line each."""
    metric, images = study["metric"], study["images"]["validation"]
    lines = []
    if "adaptive" in family["runs"]:
        lines.append(f"plan, by {metric}: {family['plan']['message']}")
    taken = [pilot["run"] for pilot in family["pilots"] if pilot["taken"]]
    if taken:
        lines.append(f"best of {len(family['pilots'])} first runs, by one plan after another: {taken[0]}")
    elif study["config"]["replans"]:
        lines.append("no plan with a change of shape to try and to make better")
    if len(family["runs"]) > len(family["shapes"]):
        means = {name: _mean([run["mean"] for run in runs]) for name, runs in family["runs"].items()}
        ends = {name: _mean([run["values"][-1] for run in runs]) for name, runs in family["runs"].items()}
        over = f"least {metric} so far, geometric mean over log FLOPs"
        lines.append(f"{over}: {_against_best_static(family, means)}")
        lines.append(f"{metric} at the end: {_against_best_static(family, ends)}")
    lines.append(
        f"cost of planning: {flops_text(family['planning_flops'])}, the static runs and what was tried"
    )
    loose = [shape for shape, law in family["laws"].items() if not determined(law, "b")]
    if loose:
        lines.append(f"not determined by its data: the law of {', '.join(loose)}; take the plan as a guess")
    if metric != "val_loss":
        lines.append(f"one of the {images} validation images is {1 / images:.2g} of error")
    return lines


def _against_best_static(family: dict, values: dict[str, float]) -> str:
    best = min(family["shapes"], key=values.__getitem__)
    others = [f"{name} {value:.4g}" for name, value in values.items() if name not in family["shapes"]]
    return f"{', '.join(others)}, best static ({best}) {values[best]:.4g}"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
