"""What a study would train, as --plan-only prints it."""

from collections.abc import Iterator

from scalax.report.tables import Table, terminal_text
from scalax.studies.returns import planning
from scalax.studies.returns.config import ReturnsConfig
from scalax.studies.returns.planning import PlannedCell
from scalax.units import flops_text

COUNTED = {
    "fused": "products and convolutions, and the attention scores that a fused kernel computes anew",
    "matmul": "products and convolutions",
    "xla": "XLA's count of the whole step",
}


def plan(config: ReturnsConfig) -> str:
    """Tasks, cells, steps and cost, from shapes alone: no data is opened and nothing is trained.

    Raises UserError for what could not be trained.
    """
    return terminal_text(_said(config))


def _said(config: ReturnsConfig) -> Iterator[str | Table]:
    tasks, found = config.tasks(), planning.architectures(config)
    cells = {each: [planning.cells(config, task, each) for task in tasks] for each in found}
    runs = len(tasks) * len(found) * len(config.seeds)
    yield (
        f"{config.name}: {len(tasks)} tasks x {len(config.ratios)} budgets x {len(found)} architectures x"
        f" {len(config.seeds)} seeds = {runs * len(config.ratios)} cells"
    )
    pairs = ", ".join(map(config.pair_name, config.pairs))
    yield f"budgets {pairs}; FLOPs of a step: {COUNTED[config.counted]}"
    for each, rows in cells.items():
        params = rows[0][0].params
        yield f"\n{each.shape}, {params:,} parameters on {tasks[0].name}, learning rate {each.lr:g}"
        yield _table(rows)
    spent = sum(_flops(config, of_task) for rows in cells.values() for of_task in rows)
    yield f"\n{flops_text(len(config.seeds) * spent)} of training in all{_shared(config)}"


def _table(rows: list[list[PlannedCell]]) -> Table:
    budgets = [f"steps of {flops_text(cell.budget_flops, 4)}, left over" for cell in rows[0]]
    return Table(
        ["task", "classes", "train images a class", "a step", *budgets],
        [
            [
                cells[0].task.name,
                str(cells[0].task.classes),
                str(cells[0].task.train_per_class or "all"),
                flops_text(cells[0].step_flops, 5),
                *(f"{cell.steps:,}, {flops_text(cell.left_flops)}" for cell in cells),
            ]
            for cells in rows
        ],
    )


def _flops(config: ReturnsConfig, cells: list[PlannedCell]) -> float:
    """Of one seed: where the rate is constant, the longest run passes all budgets."""
    spent = [cell.steps * cell.step_flops for cell in cells]
    return spent[-1] if config.run.optim.schedule == "constant" else sum(spent)


def _shared(config: ReturnsConfig) -> str:
    if config.run.optim.schedule != "constant":
        return ""
    return ": with a constant learning rate, the run with the largest budget passes all others on its way"
