"""What the runs of a sweep reached: a table, and a figure of all of them."""

import json

from etils import epath
from rich.console import Console
from rich.table import Table

from scalax.report.style import INK, METRICS, figure, log_axes, looks
from scalax.schedule import Schedule
from scalax.units import flops_text, seconds_text


def write(out) -> str:
    """Write sweep.png to `out`; returns the result as text, the best run first."""
    where = epath.Path(out)
    sweep = json.loads((where / "sweep.json").read_text())
    metric = sweep["metric"]
    _figure(where / "sweep.png", sweep)
    table = Table(
        "run", metric, "best so far", "FLOPs", "steps", "training time", "device idle", title_justify="left"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for name, run in sorted(sweep["runs"].items(), key=lambda item: item[1]["records"][-1][metric]):
        last, wall_s = run["records"][-1], run["records"][-1]["wall_s"]
        table.add_row(
            name,
            f"{last[metric]:.4g}",
            f"{min(record[metric] for record in run['records']):.4g}",
            flops_text(last["flops"]),
            f"{last['step']:,}",
            seconds_text(wall_s),
            f"{run['timing']['idle_s'] / wall_s:.1%}" if wall_s else "–",
        )
    console = Console(width=130)
    with console.capture() as capture:
        console.print(table)
        console.print(f"figure: {where / 'sweep.png'}", soft_wrap=True, highlight=False)
    return capture.get()


def _figure(path, sweep: dict) -> None:
    metric = str(sweep["metric"])
    with figure(path) as axes:
        many = len(sweep["runs"]) > 12
        for look, (name, run) in zip(looks(), sweep["runs"].items(), strict=False):
            x, y = [r["flops"] for r in run["records"]], [r[metric] for r in run["records"]]
            axes.plot(x, y, color=look.colour, ls=look.line, lw=1.2, label=None if many else name)
            for stage in Schedule.from_json(run["schedule"]).stages[:-1]:
                axes.axvline(stage.until_flops, color=INK, lw=0.6, alpha=0.3)
        log_axes(axes, "training compute (FLOPs)", METRICS.get(metric, metric))
        if not many:
            axes.legend(fontsize=7)
