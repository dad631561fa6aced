"""The report of an adaptive study, from its result."""

import json
from collections.abc import Iterator
from typing import Any

from etils import epath

from scalax import metrics, typed
from scalax.names import file_name
from scalax.records import write_atomically
from scalax.report.page import Page
from scalax.report.tables import Table, terminal_text, write_csv
from scalax.studies.adaptive import compute_figures as compute
from scalax.studies.adaptive import figures, tables
from scalax.studies.adaptive.remarks import remarks, verdict
from scalax.studies.adaptive.result import AdaptiveResult, LadderResult
from scalax.units import flops_text

SAVINGS = (
    "Savings: training FLOPs of the static run that reaches the target first, over those of the method; above"
    " 1 the method is cheaper. They are geometric means over the seeds, with the least and the most in"
    " brackets. The static runs that laws were fitted to are not charged: see 'cost of planning'."
)
CHEAP = (
    "How short could the static runs have been? Each row is a plan from the first part of every static run,"
    " judged by the laws of the whole runs. Savings: FLOPs of the best static shape to its value at the"
    " budget, over those of the plan to the same value. Net of planning: the FLOPs of the static runs that"
    " were used are added to the plan's."
)


def report(result: AdaptiveResult, out: Any) -> str:
    """Write report.html, figures (PNG) and their data (CSV) to `out`; returns the result as text."""
    where, config = epath.Path(out), result.config
    plots = where / "figures"
    plots.mkdir(parents=True, exist_ok=True)
    page = Page(f"Adaptive shapes: {config.name}")
    page.text(
        f"Ladders of shapes: {', '.join(result.ladders)}; seeds: {', '.join(map(str, config.seeds))};"
        f" trained on {result.examples['train']:,} examples and validated on"
        f" {result.examples['validation']:,}; each run spends {flops_text(config.run.budget_flops)} of"
        f" training compute (XLA's count) on {result.device.count} x {result.device.kind}."
    )
    for name, ladder in result.ladders.items():
        page.text(f"{name}: {verdict(ladder, config.metric)}")
    for name, ladder in result.ladders.items():
        _laws_part(page, plots, name, ladder, result)
        _runs_part(page, plots, name, ladder, result)
        _targets_part(page, plots, name, ladder, result)
        _save_curves(plots / f"{file_name(name)}_curves.csv", ladder)
    page.heading("Cost per shape")
    page.text(
        "FLOPs of one training step at the global batch (forward, backward, optimiser); MACs are of one"
        " example."
    )
    page.table(*tables.costs(result))
    page.heading("Time and energy of training")
    page.text("All seeds together. Energy is device hours x power x PUE 1.1; carbon 0.385 kg CO2e a kWh.")
    page.table(*tables.spent(result))
    page.heading("Config and versions")
    settings = {name: typed.to_json(getattr(result, name)) for name in ("config", "device", "versions")}
    page.code(json.dumps(settings, indent=1))
    target = where / "report.html"
    write_atomically(target, page.render())  # workers that end together all write it
    return terminal_text([*_said(result), f"\nreport: {target}"])


def _said(result: AdaptiveResult) -> Iterator[str | Table]:
    """The verdicts, then the tables and remarks of each ladder."""
    metric = metrics.get(result.config.metric)
    for name, ladder in result.ladders.items():
        yield f"{name}: {verdict(ladder, metric.name)}"
    for name, ladder in result.ladders.items():
        yield f"\n{name}: savings in FLOPs at each target, {metric.label}"
        yield tables.targets(ladder, ladder.targets, metric.name)
        for other, reached in ladder.other_targets.items():
            if metrics.get(other).unit == metric.unit:
                yield f"{name}: the same at each {metrics.label(other)}"
                yield tables.targets(ladder, reached, other)
        yield from remarks(ladder, result)


def _laws_part(
    page: Page, plots: epath.Path, name: str, ladder: LadderResult, result: AdaptiveResult
) -> None:
    label = metrics.label(result.config.metric)
    page.heading(f"{name}: static runs and their laws")
    page.table(*tables.settings(ladder, result.config.run))
    page.figure(
        figures.static_laws(plots / f"{file_name(name)}_static.png", ladder, label),
        f"Every static run (points) and the law E = {result.law.formula}, x in FLOPs, fitted to its shape"
        " (lines).",
    )
    page.table(*tables.laws(ladder.laws, result.law))
    page.heading(f"{name}: schedule")
    for line in remarks(ladder, result):
        page.text(line)
    page.figure(
        figures.schedule(plots / f"{file_name(name)}_schedule.png", ladder, label),
        "The laws, the curve that follows the steepest of them at each error, and where it changes shape.",
    )
    if ladder.pilots:
        page.text(
            f"Pilot runs, each by its own plan. The pilot with the least {label} over the run (geometric"
            " mean, over log FLOPs, of the least value so far) gave the plan. Pace: how many times faster"
            " than its law the value of a shape fell after the change."
        )
        page.table(*tables.pilots(ladder.pilots))


def _runs_part(
    page: Page, plots: epath.Path, name: str, ladder: LadderResult, result: AdaptiveResult
) -> None:
    label = metrics.label(result.config.metric)
    if "adaptive" in ladder.runs:
        page.heading(f"{name}: adaptive against static")
        page.figure(
            figures.adaptive(plots / f"{file_name(name)}_adaptive.png", ladder, label),
            "The adaptive runs and every static run, as measured. Dotted: what the laws predicted.",
        )
        page.text(
            "What the changes of shape did in the adaptive runs. Pace: how many times faster than the law of"
            " the new shape the value fell after it recovered."
        )
        page.table(*tables.switches(ladder.switches))
    if len(ladder.others) > 1:
        page.figure(
            figures.baselines(plots / f"{file_name(name)}_baselines.png", ladder, label),
            "The adaptive runs beside schedules that know no laws: medians over the seeds, with their range.",
        )


def _targets_part(
    page: Page, plots: epath.Path, name: str, ladder: LadderResult, result: AdaptiveResult
) -> None:
    metric = result.config.metric
    label = metrics.label(metric)
    page.heading(f"{name}: FLOPs to target")
    page.text(SAVINGS)
    page.table(*tables.targets(ladder, ladder.targets, metric))
    page.text("Mean FLOPs to each target:")
    page.table(*tables.flops(ladder, metric))
    page.text("Savings in training time against the same static run, evaluations and compilation left out:")
    page.table(*tables.wall(ladder, metric))
    for other, reached in ladder.other_targets.items():
        page.text(f"Savings of the same runs in FLOPs by another metric, {metrics.label(other)}:")
        page.table(*tables.targets(ladder, reached, other))
    page.heading(f"{name}: which shape at which compute")
    page.figure(
        compute.isoflop(plots / f"{file_name(name)}_isoflop.png", ladder, label),
        "IsoFLOP curves: the best that each static shape has reached with the same training compute"
        " (geometric mean of the seeds).",
    )
    if any(ladder.frontier):
        page.figure(
            compute.frontier(plots / f"{file_name(name)}_frontier.png", ladder, label),
            "The compute-optimal frontier: FLOPs of the static shape that reaches each value first, over"
            " those of the runs that change shape.",
        )
    if ladder.cheap:
        page.text(CHEAP)
        page.table(*tables.cheap(ladder.cheap))


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
