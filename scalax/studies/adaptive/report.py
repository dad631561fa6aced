"""The report of an adaptive study, from its result: the answer, its figures and one table, then the rest."""

import json
from collections.abc import Iterator
from typing import Any

from etils import epath

from scalax import metrics, typed
from scalax.names import file_name
from scalax.records import write_atomically
from scalax.report.page import Page
from scalax.report.tables import Table, terminal_text, write_csv
from scalax.studies.adaptive import cooled_report, fewer_report, figures, rivals, shifts_report, tables
from scalax.studies.adaptive.details import ladder_details, study_details
from scalax.studies.adaptive.remarks import remarks
from scalax.studies.adaptive.result import AdaptiveResult, LadderResult
from scalax.studies.adaptive.verdict import before_change, verdict
from scalax.units import flops_text

SAVINGS = (
    "Savings: training FLOPs of the static run that reaches the target first, over those of the method; above"
    " 1 the method is cheaper. They are geometric means over the seeds, with the least and the most in"
    " brackets. The static runs that laws were fitted to are not charged: see 'cost of planning'."
)


def report(result: AdaptiveResult, out: Any) -> str:
    """Write report.html, figures (PNG) and their data (CSV) to `out`; returns the result as text."""
    where, config = epath.Path(out), result.config
    plots = where / "figures"
    plots.mkdir(parents=True, exist_ok=True)
    page = Page(f"Adaptive shapes: {config.name}")
    for answer in _answers(result):
        page.answer(answer)
    for name, ladder in result.ladders.items():
        if len(result.ladders) > 1:
            page.heading(name)
        _ladder_part(page, plots, name, ladder, result)
        _save_curves(plots / f"{file_name(name)}_curves.csv", ladder)
    page.heading("Details")
    page.text(
        f"Ladders of shapes: {', '.join(result.ladders)}; seeds: {', '.join(map(str, config.seeds))};"
        f" trained on {result.examples['train']:,} {result.unit} and validated on"
        f" {result.examples['validation']:,}; each run spends {flops_text(config.run.budget_flops)} of"
        f" training compute (XLA's count) on {result.device.count} x {result.device.kind}."
    )
    for name, ladder in result.ladders.items():
        ladder_details(page, plots, name, ladder, result)
    study_details(page, result)
    with page.details("Config and versions"):
        settings = {name: typed.to_json(getattr(result, name)) for name in ("config", "device", "versions")}
        page.code(json.dumps(settings, indent=1))
    target = where / "report.html"
    write_atomically(target, page.render())  # workers that end together all write it
    return terminal_text([*_said(result), f"\nreport: {target}"])


def _answers(result: AdaptiveResult) -> Iterator[str]:
    """A sentence a ladder, which names it where there is more than one."""
    for name, ladder in result.ladders.items():
        answer = verdict(ladder, result.config.metric, result.law)
        if more := cooled_report.sentence(ladder, result.config.metric):
            answer = f"{answer}. {more}"
        yield f"{name}: {answer}." if len(result.ladders) > 1 else f"{answer}."


def _said(result: AdaptiveResult) -> Iterator[str | Table]:
    """The answers, then the tables and remarks of each ladder."""
    metric = metrics.get(result.config.metric)
    yield from _answers(result)
    for name, ladder in result.ladders.items():
        yield f"\n{name}: savings in FLOPs at each target, {metrics.label(metric.name, result.units)}"
        yield tables.targets(ladder, ladder.targets, metric.name)
        for other, reached in ladder.other_targets.items():
            if metrics.get(other).unit == metric.unit:
                yield f"{name}: the same at each {metrics.label(other, result.units)}"
                yield tables.targets(ladder, reached, other)
        if len(ladder.others) > 1:
            yield f"{name}: all ways to train at the middle target"
            yield rivals.table(ladder, metric.name)
        if ladder.cooled is not None:
            label = metrics.label(metric.name, result.units)
            yield f"{name}: savings against cooled static runs at each target, {label}"
            yield cooled_report.table(ladder, ladder.cooled, metric.name)
        if ladder.shifts:
            yield f"{name}: the plan with its changes of shape earlier or later"
            yield shifts_report.table(ladder.shifts, metric.name)
        if ladder.fewer:
            yield f"{name}: plans with fewer of the shapes"
            yield fewer_report.table(ladder.fewer, metric.name)
        yield from remarks(ladder, result)


def _ladder_part(
    page: Page, plots: epath.Path, name: str, ladder: LadderResult, result: AdaptiveResult
) -> None:
    metric = result.config.metric
    label, title = metrics.label(metric, result.units), metrics.get(metric).title
    if ladder.others:
        page.figure(
            figures.against_static(plots / f"{file_name(name)}_adaptive.png", ladder, label),
            "The runs that change their shape and every static run, as measured, of all seeds. Vertical"
            " lines: where the plan changes shape. Dotted: what the laws predicted of it.",
        )
        for method in ("adaptive", "online"):
            if method in ladder.runs and (line := before_change(ladder, method)):
                page.text(f"{line[0].upper()}{line[1:]}.")
        page.text(f"{metric} is the {label}. {SAVINGS}")
    page.table(*tables.targets(ladder, ladder.targets, metric))
    cooled_report.part(page, plots, name, ladder, metric, label)
    page.figure(
        figures.laws_and_plan(
            plots / f"{file_name(name)}_schedule.png", ladder, label, result.config.first_flops
        ),
        f"Every static run (points), the law E = {result.law.formula}, x in FLOPs, fitted to its shape"
        f" (lines), and the plan, {_planned(result, title)}. Pale points are before the first FLOPs that laws"
        " are fitted to.",
    )
    shifts_report.part(page, plots, name, ladder, metric, label)
    fewer_report.part(page, plots, name, ladder, metric, label)
    if len(ladder.others) > 1:
        page.figure(
            figures.baselines(plots / f"{file_name(name)}_baselines.png", ladder, label),
            "The adaptive runs beside schedules that know no laws, and the static shapes: medians over the"
            " seeds, with their range.",
        )
        page.text(rivals.RIVALS)
        page.table(*rivals.table(ladder, metric))
    with page.details(f"{name}: remarks" if len(result.ladders) > 1 else "Remarks"):
        for line in remarks(ladder, result):
            page.text(line)


def _planned(result: AdaptiveResult, title: str) -> str:
    """What a plan does. title: of the metric."""
    if result.config.carry == "examples":
        return (
            f"which needs the fewest FLOPs to each {title}, where a run keeps what it learnt of its examples"
        )
    return f"which follows the steepest of them at each {title}"


def _save_curves(path: epath.Path, ladder: LadderResult) -> None:
    """The data of the figures: one row per point of each measured run, law and planned curve."""
    curves = [
        ("measured", method, run.run, run.flops, run.values)
        for method, runs in ladder.runs.items()
        for run in runs
    ]
    curves += [("law", "", shape, law.flops, law.values) for shape, law in ladder.laws.items()]
    curves.append(("planned", "", "", ladder.plan.flops, ladder.plan.errors))
    rows = [(*what, flops, value) for *what, xs, ys in curves for flops, value in zip(xs, ys, strict=True)]
    write_csv(path, ["kind", "method", "name", "flops", "value"], rows)
