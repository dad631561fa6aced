"""What is said and drawn of the plan with its changes of shape earlier or later."""

from collections.abc import Sequence

from etils import epath

from scalax.names import file_name
from scalax.report.page import Page
from scalax.report.tables import DASH, Table
from scalax.studies.adaptive import figures
from scalax.studies.adaptive.result import LadderResult, Shift
from scalax.studies.adaptive.tables import savings_text, spread_text, write_needed
from scalax.studies.adaptive.verdict import middle, saved_text


def sentence(shifts: Sequence[Shift], metric: str) -> str:
    """How flat the optimum is: what the shifted plans lose in savings and error; empty without any.

    - shifts: of the ladder.
    - metric: of the study.
    """
    own = next((shift for shift in shifts if shift.factor == 1), None)
    others = [shift for shift in shifts if shift.factor != 1 and shift.trained]
    if own is None or not others:
        return ""
    target = middle(own.targets)
    said = ", ".join(
        f"{saved_text(middle(shift.needed))} at {shift.factor:g} times ({metric} over the run"
        f" {shift.mean / own.mean - 1:+.1%})"
        for shift in others
    )
    return (
        f"With the changes of shape at other FLOPs than the plan's, savings at {metric} {target:.3g} are"
        f" {said}, and {saved_text(middle(own.needed))} as planned"
    )


def remarks(shifts: Sequence[Shift]) -> list[str]:
    """Changes that were left out, a line a factor."""
    return [
        f"plan with its changes at {shift.factor:g} times their FLOPs: {shift.left_out} left out, as"
        f" {'it falls' if shift.left_out == 1 else 'they fall'} outside the budget or before the first FLOPs"
        f" of plans{'' if shift.trained else '; none is left, so it is not trained'}"
        for shift in shifts
        if shift.left_out
    ]


def table(shifts: Sequence[Shift], metric: str) -> Table:
    """A row a factor: savings at the middle target, and the error over the run.

    - shifts: of the ladder.
    - metric: of the study.
    """
    rows = []
    for shift in shifts:
        rows.append(
            [
                f"{shift.factor:g}",
                str(shift.left_out),
                savings_text(middle(shift.needed)) if shift.trained else DASH,
                spread_text(shift.means) if shift.trained else DASH,
            ]
        )
    target = middle(shifts[0].targets)
    heads = ["changes at times the plan's FLOPs", "left out", f"savings at {metric} {target:.4g}"]
    return Table([*heads, f"{metric} over the run"], rows)


def drawn(path: epath.Path, shifts: Sequence[Shift], label: str) -> epath.Path:
    """Savings at the middle target and the error over the run by the factor, with each seed.

    - path: of the PNG.
    - shifts: of the ladder.
    - label: of the metric.

    Returns `path`.
    """
    made = [shift for shift in shifts if shift.trained]
    return figures.two_scales(
        path,
        [shift.factor for shift in made],
        "changes of shape at times the plan's FLOPs",
        figures.savings_at_middle([shift.needed for shift in made]),
        figures.Series(f"{label} over the run", [shift.mean for shift in made], [s.means for s in made]),
        mark=1.0,
    )


def part(page: Page, plots: epath.Path, name: str, ladder: LadderResult, metric: str, label: str) -> None:
    """Of the report: the sentence, the figure, the table, and the data of the figure as CSV.

    - page: gets them.
    - plots: directory of the figures.
    - name: of the ladder.
    - ladder: what was measured; nothing is said where the plan was not shifted.
    - metric: of the study.
    - label: of the metric.
    """
    shifts, stem = ladder.shifts, f"{file_name(name)}_shifts"
    if not shifts:
        return
    if line := sentence(shifts, metric):
        page.text(f"{line}.")
        page.figure(
            drawn(plots / f"{stem}.png", shifts, label),
            "How flat the optimum is: the plan with all its changes of shape earlier or later. Solid: savings"
            " against the best static shape at the middle target; dashed: the least error so far, geometric"
            " mean over log FLOPs. Small points: the seeds.",
        )
    page.table(*table(shifts, metric))
    write_needed(plots / f"{stem}.csv", "factor", {shift.factor: shift for shift in shifts})
