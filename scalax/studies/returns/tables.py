"""Tables of a study of return curves."""

import math

from scalax.report.tables import DASH, Table
from scalax.studies.returns.result import ArchitectureResult, Estimate, ReturnsResult
from scalax.studies.returns.scales import TITLES
from scalax.studies.returns.verdicts import claim, is_ratio, prediction_errors, slope_text
from scalax.units import flops_text

HOLLOW = "*"  # after a ratio that touches a cell which guesses or is saturated


def tasks(result: ReturnsResult) -> Table:
    heads = ["task", "classes", "train images a class", "train images", "validation images", "probe error"]
    rows = [
        [
            task.name,
            str(task.classes),
            str(task.train_per_class or "all"),
            f"{task.train:,}",
            f"{task.validation:,}",
            f"{task.probe_error:.3f}",
        ]
        for task in result.tasks
    ]
    return Table(
        [*heads, "difficulty"],
        [[*row, f"{task.difficulty:.3f}"] for row, task in zip(rows, result.tasks, strict=True)],
    )


def cells(architecture: ArchitectureResult) -> Table:
    heads = ["task", "budget", "steps", "left over", "stage", "top-1", "top-5", "loss"]
    return Table(
        heads,
        [
            [
                cell.task,
                flops_text(cell.budget_flops),
                f"{cell.steps:,}",
                flops_text(cell.left_flops),
                cell.stage,
                spread(cell.top1),
                spread(cell.top5),
                spread(cell.loss),
            ]
            for cell in architecture.cells
        ],
    )


def ratios(architecture: ArchitectureResult, result: ReturnsResult, scale: str) -> Table:
    """By task and pair of budgets, on one scale."""
    found = [each for each in architecture.returns if each.scale == scale]
    rows = [
        [task.name, *(_value(each.values[i], each.learning[i], is_ratio(scale)) for each in found)]
        for i, task in enumerate(result.tasks)
    ]
    return Table(["task", *(each.pair for each in found)], rows)


def slopes(architecture: ArchitectureResult, result: ReturnsResult, pair: str) -> Table:
    """By scale, of one pair of budgets."""
    rows = [
        [
            TITLES[each.scale],
            slope_text(each.slope, result.config),
            DASH if math.isnan(each.slope.p) else f"{each.slope.p:.3f}",
            DASH if math.isnan(each.slope.scatter) else f"{each.slope.scatter:.2f}",
            f"{len(each.slope.tasks)} of {len(result.tasks)}",
            claim(each.slope),
        ]
        for each in architecture.returns
        if each.pair == pair
    ]
    return Table([f"scale, {pair}", "slope", "p of no slope", "scatter", "tasks", "claim"], rows)


def predictions(architecture: ArchitectureResult) -> Table:
    rows = [
        [name, f"{factor:.2f}x" if count else DASH, str(count)]
        for name, factor, count in prediction_errors(architecture.predictions)
    ]
    return Table(["prediction of FLOPs from A to B", "median factor off", "predictions"], rows)


def spread(value: Estimate, digits: int = 3) -> str:
    return f"{value.value:.{digits}f} ({value.low:.{digits}f}–{value.high:.{digits}f})"


def _value(value: Estimate | None, learning: bool, ratio: bool) -> str:
    if value is None or not math.isfinite(value.value):
        return DASH
    return f"{spread(value, 2 if ratio else 3)}{'' if learning else HOLLOW}"
