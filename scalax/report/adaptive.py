"""The report of an adaptive study, from what the study left in its directory."""

import csv
import json

from etils import epath
from rich.console import Console
from rich.table import Table

from scalax import records
from scalax.errors import UserError
from scalax.report import adaptive_figures as figures
from scalax.report import adaptive_tables as tables
from scalax.report import compute_figures as compute
from scalax.report.adaptive_remarks import remarks, verdict
from scalax.report.page import Page
from scalax.report.style import METRICS
from scalax.units import flops_text

SAVINGS = (
    "Savings: training FLOPs of the static run that reaches the target first over those of the method (above"
    " 1, the method is cheaper), their geometric mean over the seeds, from the least to the most in brackets."
    " Static runs that laws were fitted to are not charged; 'cost of planning' says what they took."
)
CHEAP = (
    "How short might the static runs have been? Plans from the first part of each, as the laws of the whole"
    " runs predict them: FLOPs of the best static shape to its value at the budget, over those of the plan to"
    " the same, without and with the FLOPs of the static runs used."
)


def write(out) -> str:
    """Write report.html, figures (PNG) and their data (CSV) to `out`; returns the result as text.

    Raises UserError where `out` holds no finished study.
    """
    study = read_study(out)
    try:
        return _write(study, epath.Path(out))
    except (KeyError, TypeError, AttributeError, IndexError) as e:
        raise UserError(
            f"{epath.Path(out) / 'study.json'}: not as this version writes it ({type(e).__name__}: {e});"
            " run the study's launch command again"
        ) from e


def _write(study: dict, where: epath.Path) -> str:
    plots = where / "figures"
    plots.mkdir(parents=True, exist_ok=True)
    label = METRICS[study["metric"]]
    page = Page(f"Adaptive shapes: {study['name']}")
    page.text(
        f"Families of shapes: {', '.join(study['families'])}; seeds:"
        f" {', '.join(map(str, study['config']['seeds']))}; trained on"
        f" {study['images']['train']:,} images and validated on {study['images']['validation']:,};"
        f" each run spends {flops_text(study['config']['budget_flops'])} of training compute"
        f" (XLA's count) on {study['device']['count']} x {study['device']['kind']}."
    )
    for name, family in study["families"].items():
        page.text(f"{name}: {verdict(family, study['metric'])}")
    for name, family in study["families"].items():
        _family_part(page, plots, name, family, study, label)
    page.heading("Cost per shape")
    page.text(
        "FLOPs of one training step at the global batch (forward, backward, Adam); MACs are of one image."
    )
    page.table(*tables.costs(study))
    page.heading("Time and energy of training")
    page.text("All seeds together. Energy is device hours x power x PUE 1.1; carbon 0.385 kg CO2e a kWh.")
    page.table(*tables.spent(study))
    page.heading("Config and versions")
    page.code(json.dumps({k: study[k] for k in ("config", "device", "versions")}, indent=1))
    target = where / "report.html"
    records.write_atomically(target, page.render())  # workers that end together all write it
    return _text(study, label, target)


def _text(study: dict, label: str, target: epath.Path) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        for name, family in study["families"].items():
            console.print(f"{name}: savings in FLOPs at each target, {label}", highlight=False)
            console.print(_as_rich(*tables.targets(family, family["targets"], study["metric"])))
            for other, reached in family["other_targets"].items():
                if other == "fewshot_error":
                    console.print(f"{name}: the same at each {METRICS[other]}", highlight=False)
                    console.print(_as_rich(*tables.targets(family, reached, other)))
            for line in (verdict(family, study["metric"]), *remarks(family, study)):
                console.print(line, soft_wrap=True, highlight=False)
        console.print(f"\nreport: {target}", soft_wrap=True, highlight=False)
    return capture.get()


def read_study(out) -> dict:
    path = epath.Path(out) / "study.json"
    try:
        study = json.loads(path.read_text())
    except OSError:
        raise UserError(
            f"{path}: no such file; finish the study with python -m scalax.launch first"
        ) from None
    except ValueError:
        raise UserError(f"{path}: not JSON; run the study's launch command again to rewrite it") from None
    if not isinstance(study, dict) or study.get("study") != "adaptive":
        raise UserError(f"{path}: not an adaptive study; give the directory of one")
    return study


def _family_part(page: Page, plots: epath.Path, name: str, family: dict, study: dict, label: str) -> None:
    metric = study["metric"]
    page.heading(f"{name}: static runs and their laws")
    page.table(*tables.settings(family, study["config"]))
    page.figure(
        figures.static_laws(plots / f"{name}_static.png", family, label),
        "Every static run (points) and the law E = a (C + d)^-b + c fitted to its shape (lines).",
    )
    page.table(*tables.laws(family))
    page.heading(f"{name}: schedule")
    for line in remarks(family, study):
        page.text(line)
    page.figure(
        figures.schedule(plots / f"{name}_schedule.png", family, label),
        "The laws, the curve that follows the steepest of them at each error, and where it changes shape.",
    )
    if family["pilots"]:
        page.text(
            f"First runs by one plan after another. That of the least {label} so far, in the geometric mean"
            " over log FLOPs, gave the plan. Pace: how many times faster than its law each shape then fell."
        )
        page.table(*tables.pilots(family))
    if "adaptive" in family["runs"]:
        page.heading(f"{name}: adaptive against static")
        page.figure(
            figures.adaptive(plots / f"{name}_adaptive.png", family, label),
            "The adaptive runs and every static run, as measured; dotted, what the laws had promised.",
        )
        page.text(
            "What the changes of shape did in the adaptive runs. Pace: how many times faster than the law of"
            " the new shape the value fell once it was back."
        )
        page.table(*tables.switches(family))
    if len(family["runs"]) > len(family["shapes"]) + 1:
        page.figure(
            figures.baselines(plots / f"{name}_baselines.png", family, label),
            "The adaptive runs beside schedules that know no laws: medians over the seeds, with their range.",
        )
    page.heading(f"{name}: FLOPs to target")
    page.text(SAVINGS)
    page.table(*tables.targets(family, family["targets"], metric))
    page.text("Mean FLOPs to each target:")
    page.table(*tables.flops(family, metric))
    page.text("Savings in training time against the same static run, evaluations and compilation left out:")
    page.table(*tables.wall(family, metric))
    for other, reached in family["other_targets"].items():
        page.text(f"The same savings in FLOPs by another measure of the same runs, {METRICS[other]}:")
        page.table(*tables.targets(family, reached, other))
    page.heading(f"{name}: which shape at which compute")
    page.figure(
        compute.isoflop(plots / f"{name}_isoflop.png", family, label),
        "IsoFLOP curves: the best that each static shape has reached with the same training compute"
        " (geometric mean of the seeds).",
    )
    if any(family["frontier"]):
        page.figure(
            compute.frontier(plots / f"{name}_frontier.png", family, label),
            "The compute-optimal frontier: FLOPs of whichever static shape is first at each value, over those"
            " of the runs that change shape.",
        )
    if family["cheap"]:
        page.text(CHEAP)
        page.table(*tables.cheap(family))
    _save_curves(plots / f"{name}_curves.csv", family)


def _as_rich(header: list[str], rows: list[list[str]]) -> Table:
    table = Table()
    for i, cell in enumerate(header):
        table.add_column(cell, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _save_curves(path: epath.Path, family: dict) -> None:
    """The data of the figures: one row per point of each measured run, law and planned curve."""
    with path.open("w") as file:
        table = csv.writer(file)
        table.writerow(["kind", "method", "name", "flops", "value"])
        for method, runs in family["runs"].items():
            for run in runs:
                for flops, value in zip(run["flops"], run["values"], strict=True):
                    table.writerow(["measured", method, run["run"], flops, value])
        for shape, law in family["laws"].items():
            for flops, value in zip(law["flops"], law["values"], strict=True):
                table.writerow(["law", "", shape, flops, value])
        for flops, value in zip(family["plan"]["flops"], family["plan"]["errors"], strict=True):
            table.writerow(["planned", "", "", flops, value])
