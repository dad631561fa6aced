"""The head's weight decay and learning rate: runs that train as one program, measured at their end."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from scalax.config import DataConfig, StartConfig
from scalax.evals import Margins, Norms, Probes
from scalax.evals.probes import probed
from scalax.names import file_name, number_text
from scalax.schedule import Schedule, Stage
from scalax.studies import finetune, naming
from scalax.studies.transfer.config import TransferConfig
from scalax.studies.transfer.result import UPSTREAM, FinetuneRow, HeadRow

if TYPE_CHECKING:
    from scalax.train import Experiment

LAYER = "pre_logits"


def rows(
    config: TransferConfig,
    sets: dict[str, DataConfig],
    experiment: "Experiment",
    execute: Callable[["Experiment", Sequence[Any]], dict[str, Any]],
) -> list[HeadRow]:
    """Make the runs that are missing, and read what each ended with.

    - config: of the study.
    - sets: the downstream sets by name.
    - experiment: on all training images.
    - execute: makes runs of an experiment, and gives them by name (train.execute).
    """
    from scalax.train import RunSpec

    shape, head, usual = config.shapes()[0], config.head, config.run.optim
    more: list[Any] = [Norms(), Margins(f"{UPSTREAM}/margins")]
    for name, data in sets.items():
        more += [Probes(name, data, (LAYER,), config.shots, config.draws), Margins(f"{name}/margins", data)]
    evaluation = dataclasses.replace(config.run.eval, points=2, first_share=0.5, shots=0, more=tuple(more))
    run = dataclasses.replace(experiment.config, eval=evaluation, population="always")
    experiment = dataclasses.replace(experiment, config=run)
    steps = max(1, round(head.epochs * len(experiment.splits.train) / run.batch_size))
    schedule = Schedule((Stage(shape, steps * experiment.cost(shape).step.flops * (1 + 1e-9)),))
    settings = {}
    for decay, lr_head, seed in itertools.product(head.decays, head.lr_heads, head.seeds):
        optim = dataclasses.replace(usual, weight_decay_head=decay, lr_head=lr_head)
        settings[_name(config, decay, lr_head, seed)] = (decay, lr_head, seed, optim)
    specs = [RunSpec(name, schedule, seed, optim) for name, (_, _, seed, optim) in settings.items()]
    runs = execute(experiment, specs)
    return [
        _row(name, decay, lr_head, seed, runs[name].records[-1].metrics)
        for name, (decay, lr_head, seed, _) in settings.items()
    ]


def _name(config: TransferConfig, decay: float, lr_head: float, seed: int) -> str:
    head = f"decayhead{number_text(decay)}_lrhead{number_text(lr_head)}"
    return f"{naming.of_shape(config.shapes()[0])}_{head}_seed{seed}"


def _row(name: str, decay: float, lr_head: float, seed: int, metrics: dict[str, float]) -> HeadRow:
    def layers(suffix: str) -> dict[str, float]:
        found = {key.removesuffix(suffix): x for key, x in metrics.items() if key.endswith(suffix)}
        return {key.removeprefix("norms/"): x for key, x in found.items()}

    return HeadRow(
        run=name,
        decay=decay,
        lr_head=lr_head,
        seed=seed,
        upstream=metrics["val_error"],
        downstream={f"{each.name}@{each.shots}": each.error for each in probed(metrics)},
        norms=layers("/weight_norm"),
        distances=layers("/weight_distance"),
        margins={key.replace("/margins/", "/"): x for key, x in metrics.items() if "/margins/" in key},
    )


def finetuned(
    config: TransferConfig,
    sets: dict[str, DataConfig],
    out: Any,
    execute: Callable[["Experiment", Sequence[Any], str], dict[str, Any]],
) -> list[FinetuneRow]:
    """Fine-tune the runs of least and greatest decay, at the learning rate nearest the body's.

    - config: of the study.
    - sets: the downstream sets by name.
    - out: directory of the study.
    - execute: makes runs of an experiment in a directory below `out`, and gives them by name.
    """
    head, found = config.head, []
    lr_head = min(head.lr_heads, key=lambda lr: abs(lr - 1.0))
    extremes = (min(head.decays), max(head.decays))
    for name, decay, seed in itertools.product(head.finetune, extremes, head.seeds):
        source = _name(config, decay, lr_head, seed)
        run = finetune.vtab(sets[name])
        optim = dataclasses.replace(run.optim, lr=head.finetune_lr)
        batch_size = min(run.batch_size, _images(sets[name]))
        run = dataclasses.replace(
            run,
            optim=optim,
            start=StartConfig(run=str(out / "head" / source)),
            batch_size=batch_size,
        )
        settings = finetune.FinetuneConfig(run, steps=head.finetune_steps, seeds=(seed,))
        experiment, [spec] = finetune.plan(settings)
        spec = spec._replace(name=f"{file_name(name)}_{source}")  # so that no file serves another of these
        [made] = execute(experiment, [spec], "finetune").values()
        found.append(FinetuneRow(name, decay, seed, made.records[-1].metrics["val_error"]))
    return found


def _images(data: DataConfig) -> int:
    from scalax.data import load

    return len(load(data).train)
