"""The run of a study of transfer: its models, the sweep of the head, and what is fine-tuned."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

from etils import epath

from scalax import data, train
from scalax.data.named import named_set
from scalax.errors import UserError, suggest
from scalax.studies.protocol import Device
from scalax.studies.transfer import grid, head, tables, verdicts
from scalax.studies.transfer.config import TransferConfig
from scalax.studies.transfer.result import SetInfo, StudyResult


def run(
    config: TransferConfig, out: Any, hooks: Sequence[Any] = (), say: Callable[[str], None] = print
) -> StudyResult:
    """Do what is missing of the study in directory `out` (see Study.run).

    - config: of the study.
    - out: its directory.
    - hooks: train.Hook of all training.
    - say: shows a line of text.
    """
    config = config.scaled()
    size = config.run.data.image_size
    sets = dict(named_set(text, size, config.max_test) for text in config.sets)
    if not sets or len(sets) < len(config.sets):
        raise UserError(f"sets: want different names, at least one, got {list(config.sets)}")
    for name in config.head.finetune:
        if name not in sets:
            raise UserError(f"head.finetune: {name!r} is none of the sets{suggest(name, sets)}")
    load = functools.cache(data.load)
    whole = train.open_experiment(_unprobed(config.run))
    whole = dataclasses.replace(whole, load=load)
    for line in whole.said():
        say(line)
    opened = {name: load(each) for name, each in sets.items()}
    count = len(whole.splits.train)

    @functools.cache
    def on_share(share: float) -> train.Experiment:
        if share == 1:
            return whole
        part = dataclasses.replace(config.run.data, max_train_images=max(1, round(share * count)))
        experiment = train.open_experiment(_unprobed(dataclasses.replace(config.run, data=part)))
        return dataclasses.replace(experiment, load=load)

    def execute(experiment: train.Experiment, specs: Sequence[Any], directory: str) -> dict[str, Any]:
        return train.execute(experiment, specs, epath.Path(out) / directory, hooks, say)

    models = grid.rows(config, sets, on_share, functools.partial(execute, directory="runs"))
    heads, finetuned = [], []
    if config.head.decays:
        heads = head.rows(config, sets, whole, functools.partial(execute, directory="head"))
        finetuned = head.finetuned(config, sets, epath.Path(out), execute)
    result = StudyResult(
        config=config,
        device=Device(**train.device()),
        versions=train.versions(),
        upstream_test=len(whole.splits.validation),
        sets={
            name: SetInfo(len(splits.train), len(splits.validation), splits.outputs)
            for name, splits in opened.items()
        },
        models=models,
        heads=heads,
        finetuned=finetuned,
        analysis=None,
        verdicts=[],
    )
    result = result._replace(analysis=tables.analysis(result) if models else None)
    return result._replace(verdicts=verdicts.of(result))


def _unprobed(run: Any) -> Any:
    return dataclasses.replace(run, eval=dataclasses.replace(run.eval, shots=0))
