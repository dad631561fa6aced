"""Tables of other shapes as the usual one: a column for each run, or a row for each metric."""

from scalax.laws.readers.columns import plain, x_kind
from scalax.laws.readers.numbers import is_numeric
from scalax.laws.readers.table import Cell, Table

BETWEEN = " - "  # a run and its metric in Weights & Biases' exports
ENDS = ("__MIN", "__MAX")  # of a metric within a step
KEYS = {"key", "metric", "tag", "metric_name", "metric_key"}


def usual(table: Table, y: str | None) -> Table:
    """The table with a column for x, each metric, and what names a run.

    y: the metric asked for, if any; it may hold ' - ' itself.
    """
    return _one_run_a_column(_one_metric_a_row(table), y)


def _one_run_a_column(table: Table, y: str | None) -> Table:
    """'Step, RUN - METRIC, ...' as 'run, Step, METRIC'; a run without a number keeps its rows, all empty."""
    columns = {name: cells for name, cells in table.columns.items() if not name.endswith(ENDS)}
    if y is not None and y in columns:
        return table
    found: dict[str, dict[str, list[Cell]]] = {}
    for name, cells in columns.items():
        run, between, metric = name.rpartition(BETWEEN)
        if y is not None and name.endswith(BETWEEN + y):
            run, between, metric = name[: -len(BETWEEN + y)], BETWEEN, y
        if between and run and metric:
            found.setdefault(run, {})[metric] = cells
    shared = [name for name in columns if BETWEEN not in name]
    if not found or not shared or not any(is_numeric(columns[name]) for name in shared):
        return table
    metrics = dict.fromkeys(metric for own in found.values() for metric in own)
    rows = len(table.lines)
    out: dict[str, list[Cell]] = {"run": [run for run in found for _ in range(rows)]}
    out |= {name: columns[name] * len(found) for name in shared}
    for metric in metrics:
        out[metric] = [cell for own in found.values() for cell in own.get(metric, [None] * rows)]
    kind = "a Weights & Biases export"
    return table._replace(columns=out, lines=table.lines * len(found), by=("run",), format=kind)


def _one_metric_a_row(table: Table) -> Table:
    """'key, value, step' as 'step, KEY, ...', as MLflow's and TensorBoard's long tables."""
    key = next((name for name in table.columns if plain(name) in KEYS), None)
    value = next((name for name in table.columns if plain(name) == "value"), None)
    if not key or not value or not any(x_kind(name) for name in table.columns):
        return table
    columns = {name: cells for name, cells in table.columns.items() if name not in (key, value)}
    for metric in dict.fromkeys(map(str, table.columns[key])):
        columns[metric] = [
            cell if str(own) == metric else None
            for own, cell in zip(table.columns[key], table.columns[value], strict=True)
        ]
    return table._replace(columns=columns)
