"""The run of a study of return curves: task by task, architecture by architecture, then the analysis."""

from collections.abc import Callable, Sequence
from typing import Any

from scalax import data, train
from scalax.data import Splits
from scalax.studies.protocol import Device
from scalax.studies.returns import analysis, cells, planning, probe
from scalax.studies.returns.config import ReturnsConfig, Task
from scalax.studies.returns.result import ReturnsResult


def run(
    config: ReturnsConfig, out: Any, hooks: Sequence[Any] = (), say: Callable[[str], None] = print
) -> ReturnsResult:
    """Do what is missing in directory `out` (see Study.run).

    - config: of the study.
    - out: its directory.
    - hooks: train.Hook of all training.
    - say: shows a line of text.
    """
    tasks, architectures = config.tasks(), planning.architectures(config)
    planned = [[planning.cells(config, task, each) for each in architectures] for task in tasks]
    splits = _open(config, tasks)  # data, classes and budgets are found wrong before anything is trained
    for line in dict.fromkeys(filter(None, (each.said() for each in splits))):
        say(line)
    described = [probe.describe(config, task, each) for task, each in zip(tasks, splits, strict=True)]
    measured = [
        [cells.make(config, each, of_task, out, hooks, say) for each in row]
        for row, of_task in zip(planned, splits, strict=True)
    ]
    images = [(each.validation.source.name, each.validation.source.rows) for each in splits]
    return ReturnsResult(
        config=config,
        device=Device(**train.device()),
        versions=train.versions(),
        train_s=sum(each.train_s for row in measured for each in row),
        tasks=described,
        architectures=[
            analysis.analyse(config, described, [row[each.place] for row in measured], images)
            for each in architectures
        ],
    )


def _open(config: ReturnsConfig, tasks: Sequence[Task]) -> list[Splits]:
    """Of each task; one data set is opened once, whatever number of tasks is made of it."""
    if config.sets:
        return [data.load(task.data) for task in tasks]
    whole = data.open_whole(config.run.data)
    return [data.load(task.data, whole) for task in tasks]
