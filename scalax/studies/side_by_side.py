"""What studies of independent runs share: the result, how it is made, and its report."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from etils import epath

from scalax import metrics, typed
from scalax.config import RunConfig
from scalax.errors import UserError
from scalax.records import RunRecord, measured, write_atomically
from scalax.schedule import Schedule
from scalax.studies.protocol import Device, Versions
from scalax.units import flops_text, seconds_text

if TYPE_CHECKING:
    from scalax.report.tables import Table
    from scalax.train import Experiment, RunSpec

MOST_NAMED = 12  # runs that a figure's legend names


class RunsConfig(Protocol):
    """What the config of such a study has; metric None is the first that was measured."""

    @property
    def run(self) -> RunConfig: ...
    @property
    def name(self) -> str: ...
    @property
    def metric(self) -> str | None: ...


class FinishedRun(NamedTuple):
    """timing: seconds of compilation, changes of shape and idle devices."""

    schedule: Schedule
    records: list[RunRecord]
    timing: dict[str, float]


class RunsResult(NamedTuple):
    """runs: by name. metric: what they are compared by."""

    name: str
    metric: str
    config: dict[str, Any]
    device: Device
    versions: Versions
    runs: dict[str, FinishedRun]


def make(
    config: RunsConfig,
    specs: Sequence["RunSpec"],
    out: Any,
    hooks: Sequence[Any],
    say: Callable[[str], None],
    experiment: "Experiment | None" = None,
) -> RunsResult:
    """Make the runs that are missing in `out`/runs. Raises UserError where the metric was not measured.

    - config: of the study.
    - specs: the runs to make.
    - out: directory of the study.
    - hooks: train.Hook of all training.
    - say: shows a line of text.
    - experiment: that the runs are of; None opens the config's.
    """
    from scalax import train

    experiment = experiment or train.open_experiment(config.run)
    for line in experiment.said():
        say(line)
    if config.metric is not None:
        experiment.evaluator.check(config.metric)
    made = train.execute(experiment, specs, epath.Path(out) / "runs", hooks, say)
    runs = {
        spec.name: FinishedRun(spec.schedule, made[spec.name].records, made[spec.name].info.timing or {})
        for spec in specs
    }
    return RunsResult(
        name=config.name,
        metric=_measured(config.metric, [run.records[-1] for run in runs.values()]),
        config=typed.to_json(config),
        device=Device(**train.device()),
        versions=train.versions(),
        runs=runs,
    )


def report(result: RunsResult, out: Any) -> str:
    """Write report.html, the figure (PNG) and its data (CSV) to `out`; returns the result as text, the best
    run first."""
    from scalax.report.page import Page
    from scalax.report.tables import terminal_text, write_csv

    where = epath.Path(out)
    plots = where / "figures"
    plots.mkdir(parents=True, exist_ok=True)
    table = _table(result)
    verdict = f"best at the end: {table.rows[0][0]}, {result.metric} {table.rows[0][1]}"
    page = Page(f"Runs side by side: {result.name}")
    page.answer(f"{verdict[0].upper()}{verdict[1:]}.")
    _figure(plots / "runs.png", result)
    page.figure(plots / "runs.png", "Every run as measured; thin lines are changes of shape.")
    page.text(
        f"{len(result.runs)} runs on {result.device.count} x {result.device.kind}, by"
        f" {metrics.label(result.metric)}."
    )
    page.table(*table)
    with page.details("Config and versions"):
        settings = {"config": result.config, "device": result.device._asdict(), "versions": result.versions}
        page.code(json.dumps(settings, indent=1))
    write_atomically(where / "report.html", page.render())
    records = [record for run in result.runs.values() for record in run.records]
    names = list(dict.fromkeys(name for record in records for name in record.metrics))
    rows = [(r.run, r.step, r.flops, r.wall_s, *(r.metrics.get(n, "") for n in names)) for r in records]
    write_csv(plots / "runs.csv", ["run", "step", "flops", "wall_s", *names], rows)
    return terminal_text([verdict, table, f"report: {where / 'report.html'}"])


def _measured(metric: str | None, last: Sequence[RunRecord]) -> str:
    known = metrics.compared(last[0].metrics)
    if metric is None and known:
        return known[0]
    if metric is None or any(metric not in record.metrics for record in last):
        raise UserError(f"metric {metric!r} was not measured; choose one of {', '.join(known) or 'none'}")
    return metric


def _table(result: RunsResult) -> "Table":
    """The runs, from the best to the worst at the end."""
    from scalax.report.tables import DASH, Table

    metric = metrics.get(result.metric)
    best, sign = (min, 1) if metric.lower_is_better else (max, -1)
    rows = []
    for name, run in sorted(
        result.runs.items(), key=lambda item: sign * item[1].records[-1].metrics[metric.name]
    ):
        last = run.records[-1]
        rows.append(
            [
                name,
                f"{last.metrics[metric.name]:.4g}",
                f"{best(r.metrics[metric.name] for r in measured(run.records, metric.name)):.4g}",
                flops_text(last.flops),
                f"{last.step:,}",
                seconds_text(last.wall_s),
                f"{run.timing['idle_s'] / last.wall_s:.1%}" if last.wall_s and run.timing else DASH,
            ]
        )
    heads = ["run", metric.name, "best so far", "FLOPs", "steps", "training time", "device idle"]
    return Table(heads, rows)


def _figure(path: epath.Path, result: RunsResult) -> None:
    from scalax.report.style import INK, figure, log_axes, looks

    named = len(result.runs) <= MOST_NAMED
    with figure(path) as axes:
        for look, (name, run) in zip(looks(), result.runs.items(), strict=False):
            measurements = measured(run.records, result.metric)
            flops = [record.flops for record in measurements]
            values = [record.metrics[result.metric] for record in measurements]
            axes.plot(flops, values, color=look.colour, ls=look.line, lw=1.2, label=name if named else None)
            for stage in run.schedule.stages[:-1]:
                axes.axvline(stage.until_flops, color=INK, lw=0.6, alpha=0.3)
        log_axes(axes, "training compute (FLOPs)", metrics.label(result.metric))
        if named:
            axes.legend(fontsize=7)
