"""What the report of an adaptive study keeps folded: settings, laws, changes, costs, other metrics."""

from etils import epath

from scalax import metrics
from scalax.names import file_name
from scalax.report.page import Page
from scalax.studies.adaptive import compute_figures as compute
from scalax.studies.adaptive import tables
from scalax.studies.adaptive.result import AdaptiveResult, LadderResult

PACE = "Pace: how many times faster than the law of the new shape the value fell after it recovered."
CHEAP = (
    "How short could the static runs have been? Each row is a plan from the first part of every static run,"
    " judged by the laws of the whole runs. Savings: FLOPs of the best static shape to its value at the"
    " budget, over those of the plan to the same value. Net of planning: the FLOPs of the static runs that"
    " were used are added to the plan's. All of this is by the laws alone: what the runs themselves"
    " saved, above, is the better evidence."
)
TIME = (
    "Savings in training time against the same static run: steps times the seconds that a step of their"
    " shape takes, as measured in the static runs. Evaluations and compilation are left out."
)


def ladder_details(
    page: Page, plots: epath.Path, name: str, ladder: LadderResult, result: AdaptiveResult
) -> None:
    """Folded parts on one ladder.

    - page: gets them.
    - plots: directory of the figures.
    - name: of the ladder.
    - ladder: what was measured.
    - result: of the study.
    """
    metric, seeds = result.config.metric, result.config.seeds

    def titled(what: str) -> str:
        return f"{name}: {what}" if len(result.ladders) > 1 else f"{what[0].upper()}{what[1:]}"

    label = metrics.label(metric, result.units)
    with page.details(titled("hyper-parameters of each shape")):
        page.table(*tables.settings(ladder, result.config.run))
    with page.details(titled("parameters of the laws")):
        page.table(*tables.laws(ladder.laws, result.law))
    if ladder.switches:
        with page.details(titled("what the changes of shape did")):
            page.text(PACE)
            page.table(*tables.switches(ladder.switches))
    if ladder.pilots:
        with page.details(titled("pilot runs")):
            page.text(
                f"Each by its own plan. The pilot with the least {label} over the run (geometric mean, over"
                f" log FLOPs, of the least value so far) gave the plan. {PACE}"
            )
            page.table(*tables.pilots(ladder.pilots))
    with page.details(titled("mean FLOPs to each target")):
        page.table(*tables.flops(ladder, metric))
    if ladder.others:
        with page.details(titled("savings in training time")):
            page.text(TIME)
            page.table(*tables.wall(ladder, metric))
            page.table(*tables.step_seconds(ladder))
    for other, reached in ladder.other_targets.items():
        with page.details(titled(f"savings by {metrics.label(other, result.units)}")):
            page.table(*tables.targets(ladder, reached, other))
    with page.details(titled("which shape at which compute")):
        page.figure(
            compute.isoflop(plots / f"{file_name(name)}_isoflop.png", ladder, label),
            "IsoFLOP curves: the best that each static shape has reached with the same training compute"
            " (geometric mean of the seeds).",
        )
    if any(ladder.frontier):
        with page.details(titled("savings all along the runs")):
            page.figure(
                compute.frontier(plots / f"{file_name(name)}_frontier.png", ladder, label, seeds),
                "The compute-optimal frontier: FLOPs of the static shape that reaches each value first,"
                " over those of the runs that change shape.",
            )
    if ladder.cheap:
        with page.details(titled("plans from shorter static runs")):
            page.text(CHEAP)
            page.table(*tables.cheap(ladder.cheap))


def study_details(page: Page, result: AdaptiveResult) -> None:
    """Folded parts on the whole study. page: gets them."""
    with page.details("Cost per shape"):
        page.text(
            "FLOPs of one training step at the global batch (forward, backward, optimiser); MACs are of one"
            " example."
        )
        page.table(*tables.costs(result))
    with page.details("Time and energy of training"):
        page.text("All seeds together. Energy is device hours x power x PUE 1.1; carbon 0.385 kg CO2e a kWh.")
        page.table(*tables.spent(result))
