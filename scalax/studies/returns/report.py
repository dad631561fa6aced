"""The report of a study of return curves, from its result alone."""

import json
from typing import Any

from etils import epath

from scalax import typed
from scalax.records import write_atomically
from scalax.report.page import Page
from scalax.report.tables import terminal_text, write_csv
from scalax.studies.returns import figures, tables
from scalax.studies.returns.figures import Drawn
from scalax.studies.returns.plan_text import COUNTED
from scalax.studies.returns.result import ArchitectureResult, ReturnsResult
from scalax.studies.returns.stages import RULE
from scalax.studies.returns.verdicts import DIFFICULTY, verdicts
from scalax.units import seconds_text

INTERVALS = (
    "Intervals are {confidence:.0%} percentiles of {resamples:,} resamples of seeds and validation images"
    " together. They are for these tasks and these training images: other draws of either are another study."
)
SCALES = (
    "With equal differences of accuracy, ratios are larger on harder tasks by arithmetic alone. On the scale"
    " of chance-corrected accuracy, chance no longer does that; on that of odds, the ceiling does not"
    " either. The last scale compares FLOPs for equal accuracy: those that a task needs to level A of"
    " chance-corrected accuracy over those to level B, the same two levels on all tasks. The nearer to 1,"
    " the less the step from A to B costs in proportion; the claim says that it grows with difficulty."
)
SLOPES = (
    "Slopes are of the log ratio (of the difference on the scale of differences) for {unit}, by weighted"
    " least squares over the tasks in their learning stage. Scatter: how far the tasks are off the line over"
    " what their noise explains; intervals are widened by it. The claim, that a FLOP buys more on a harder"
    " task, holds where the interval lies above 0 and is reversed where it lies below."
)
FIGURE_1 = (
    "Known: FLOPs from a guess to A and from A to B on one task, and from a guess to A on a second task."
    " Asked: FLOPs from A to B on the second. The law is M4, fitted to the chance-corrected error along the"
    " runs; moved, it is that of the first task, shifted along FLOPs to the measurements of the second until"
    " A."
)


def report(result: ReturnsResult, out: Any) -> str:
    """Write report.html, figures (PNG) and their data (CSV) to `out`; returns the verdicts and tables as
    text."""
    where, config = epath.Path(out), result.config
    plots = where / "figures"
    plots.mkdir(parents=True, exist_ok=True)
    said = list(verdicts(result))
    page = Page(f"Return curves: {config.name}")
    for line in said:
        page.text(line)
    unit = DIFFICULTY[config.difficulty]
    page.text(
        f"{len(result.tasks)} tasks x {len(config.ratios)} budgets x {len(result.architectures)}"
        f" architectures x {len(config.seeds)} seeds, trained for {seconds_text(result.train_s)} on"
        f" {result.device.count} x {result.device.kind}. Difficulty is the {unit[0]}. FLOPs of a step:"
        f" {COUNTED[config.counted]}."
    )
    page.text(INTERVALS.format(confidence=config.confidence, resamples=config.resamples))
    page.heading("Tasks")
    page.table(*tables.tasks(result))
    for architecture in result.architectures:
        _architecture(page, Drawn(result, architecture, plots))
    page.heading("Config and versions")
    settings = {name: typed.to_json(getattr(result, name)) for name in ("config", "device", "versions")}
    page.code(json.dumps(settings, indent=1))
    write_csv(
        plots / "classes.csv",
        ["task", "classes"],
        [(task.name, "; ".join(task.class_names)) for task in result.tasks],
    )
    target = where / "report.html"
    write_atomically(target, page.render())
    pair = config.pair_name(config.pairs[0])
    shown = [tables.slopes(each, result, pair) for each in result.architectures]
    named = zip(result.architectures, shown, strict=True)
    parts = [part for each, table in named for part in (f"\n{each.name}: slopes for {unit[1]}", table)]
    return terminal_text([*said, *parts, f"\nreport: {target}"])


def _architecture(page: Page, drawn: Drawn) -> None:
    result, architecture = drawn.result, drawn.architecture
    unit = DIFFICULTY[result.config.difficulty][1]
    name = architecture.name
    page.heading(f"{name}: scores")
    page.text(
        f"{architecture.params:,} parameters on the first task, learning rate {architecture.lr:g},"
        f" {_start(architecture)}. {RULE}"
    )
    page.figure(
        figures.scores(drawn),
        "Scores by task and budget, with intervals. Hollow: the cell guesses or is saturated.",
    )
    page.table(*tables.cells(architecture))
    page.heading(f"{name}: return curves")
    page.figure(
        figures.ratios(drawn),
        "What the larger budget of each pair has over the smaller. Hollow: one of the two cells guesses or is"
        " saturated; such ratios are left out of the slopes.",
    )
    page.text("Ratios of top-1; those with an asterisk touch a cell that guesses or is saturated.")
    page.table(*tables.ratios(architecture, result, "top1"))
    page.heading(f"{name}: is it more than arithmetic?")
    page.text(SCALES)
    page.figure(
        figures.scales(drawn),
        "The largest budget over the smallest on three scales, and FLOPs for equal accuracy, with their"
        " lines.",
    )
    page.text(SLOPES.format(unit=unit))
    for pair in map(result.config.pair_name, result.config.pairs):
        page.table(*tables.slopes(architecture, result, pair))
    page.heading(f"{name}: from one task to another")
    page.figure(figures.curves(drawn), "Chance-corrected top-1 along the runs, means over the seeds.")
    page.text(FIGURE_1)
    if architecture.levels.reason:
        page.text(f"No levels A and B: {architecture.levels.reason}.")
    if (path := figures.predictions(drawn)) is not None:
        page.figure(path, "Each point is an ordered pair of tasks; on the dotted line a prediction is right.")
        page.table(*tables.predictions(architecture))


def _start(architecture: ArchitectureResult) -> str:
    return f"from the weights {architecture.weights}" if architecture.weights else "from scratch"
