"""What is said and drawn of plans with fewer of a ladder's shapes."""

from collections.abc import Sequence

from etils import epath

from scalax.names import file_name
from scalax.report.page import Page
from scalax.report.tables import DASH, Table
from scalax.studies.adaptive import figures
from scalax.studies.adaptive.result import Fewer, LadderResult
from scalax.studies.adaptive.tables import savings_text, spread_text, write_needed
from scalax.studies.adaptive.verdict import middle, saved_text


def sentence(rows: Sequence[Fewer], metric: str) -> str:
    """What the number of shapes is worth; empty where fewer than two numbers were trained.

    - rows: of the ladder.
    - metric: of the study.
    """
    made = [row for row in rows if row.needed]
    if len(made) < 2:
        return ""
    *some, most = (f"{saved_text(middle(row.needed))} with {row.count}" for row in made)
    return (
        f"Savings at {metric} {middle(made[0].targets):.3g} by the number of shapes that the plan may take:"
        f" {', '.join(some)}, {most}"
    )


def table(rows: Sequence[Fewer], metric: str) -> Table:
    """A row a number of shapes. metric: of the study."""
    cells = []
    for row in rows:
        jumps = [change.jump for change in row.changes]
        back = [change.recovery_share for change in row.changes]
        late = "" if all(change.recovered for change in row.changes) else ", not recovered"
        cells.append(
            [
                str(row.count),
                ", ".join(row.shapes),
                savings_text(middle(row.needed)) if row.needed else DASH,
                spread_text(row.means) if row.means else DASH,
                f"{max(jumps):.3g}" if jumps else DASH,
                f"{max(back):.0%}{late}" if back else DASH,
            ]
        )
    target = middle(rows[0].targets)
    heads = ["shapes", "which", f"savings at {metric} {target:.4g}", f"{metric} over the run"]
    return Table([*heads, "most that it rose at a change", "of the FLOPs, until it was back, at most"], cells)


def drawn(path: epath.Path, rows: Sequence[Fewer], label: str) -> epath.Path:
    """Savings at the middle target, and the most that the metric rose at a change, by the number of shapes.

    - path: of the PNG.
    - rows: of the ladder.
    - label: of the metric.

    Returns `path`.
    """
    made = [row for row in rows if row.needed]
    jumps = [[change.jump for change in row.changes] for row in made]
    return figures.two_scales(
        path,
        [row.count for row in made],
        "shapes that the plan may take",
        figures.savings_at_middle([row.needed for row in made]),
        figures.Series(f"most that {label} rose at a change", [max(each) for each in jumps], jumps),
    )


def part(page: Page, plots: epath.Path, name: str, ladder: LadderResult, metric: str, label: str) -> None:
    """Of the report: the sentence, the figure, the table, and the data of the figure as CSV.

    - page: gets them.
    - plots: directory of the figures.
    - name: of the ladder.
    - ladder: what was measured; nothing is said where no plan has fewer shapes.
    - metric: of the study.
    - label: of the metric.
    """
    rows, stem = ladder.fewer, f"{file_name(name)}_fewer"
    if not rows:
        return
    if line := sentence(rows, metric):
        page.text(f"{line}.")
        page.figure(
            drawn(plots / f"{stem}.png", rows, label),
            "Plans with fewer of the shapes. Solid: savings against the best static shape of all at the"
            " middle target. Dashed: the most that the metric rose at a change of shape. Small points: the"
            " seeds, and the changes.",
        )
    page.table(*table(rows, metric))
    write_needed(plots / f"{stem}.csv", "shapes", {row.count: row for row in rows})


def remarks(rows: Sequence[Fewer]) -> list[str]:
    """The plan of each number of shapes but all, a line each."""
    return [
        f"plan of {row.count} shapes: {row.plan}{'' if row.needed else '; not trained'}" for row in rows[:-1]
    ]
