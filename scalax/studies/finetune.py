"""Fine-tuning of all weights of a finished run on another image set, as VTAB-1k does it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from scalax import bounds, metrics
from scalax.config import DataConfig, EvalConfig, OptimConfig, RunConfig, at_least, positive
from scalax.errors import UserError
from scalax.records import read_info
from scalax.schedule import Schedule, Stage
from scalax.studies import naming, side_by_side
from scalax.studies.protocol import Study
from scalax.studies.side_by_side import RunsResult

if TYPE_CHECKING:
    from scalax.train import Experiment, RunSpec

IMAGES = 1000  # of VTAB-1k (Zhai et al. 2019)


@dataclasses.dataclass(frozen=True)
class FinetuneConfig:
    """Fine-tuning of a finished run (start.run) on the images of data: runs of every learning rate and seed.

    The shape and the settings of the model are those of the run.

    Attributes:
      run: what all runs share; its budget comes from `steps`.
      name: names the default output directory, runs/NAME.
      steps: updates of each run.
      lrs: learning rates; empty takes optim.lr.
      seeds: each is a run of its own, with a new head of its own.
      metric: what the report shows (scalax.metrics).
    """

    run: RunConfig = dataclasses.field(default_factory=lambda: vtab(DataConfig()))
    name: str = "finetune"
    steps: int = 500
    lrs: tuple[float, ...] = ()
    seeds: tuple[int, ...] = (0,)
    metric: str = "val_error"

    def __post_init__(self):
        bounds.numbers(self)
        at_least("steps", self.steps, 1)
        for lr in self.lrs:
            positive("lrs", lr)
        bounds.seeds("seeds", self.seeds)
        metrics.get(self.metric)


def vtab(data: DataConfig) -> RunConfig:
    """VTAB-1k's settings: 1,000 training images, SGD with momentum 0.9, batches of 512, cosine.

    data: the images; those to train on are drawn from its training split.
    """
    return RunConfig(
        data=dataclasses.replace(data, max_train_images=IMAGES, crop_padding=0),
        optim=OptimConfig(
            name="sgd",
            lr=0.01,
            schedule="cosine",
            warmup_steps=50,
            weight_decay=0.0,
            weight_decay_head=0.0,
            label_smoothing=0.0,
        ),
        eval=EvalConfig(points=4, first_share=0.1, batch_size=500, shots=0),
        batch_size=512,
        checkpoint_steps=100_000,
    )


def plan(config: FinetuneConfig) -> tuple["Experiment", list["RunSpec"]]:
    """What is trained, and its runs. Raises UserError where start.run is no finished run."""
    from scalax import settings, train

    start = config.run.start
    if not start.run:
        raise UserError("start.run is empty; name the directory of a finished run to fine-tune")
    info = read_info(start.run)
    source = settings.config_of(info.config, f"{start.run}/run.json")
    run = dataclasses.replace(
        config.run, model=source.model, start=dataclasses.replace(start, keep_head=False)
    )
    experiment = train.open_experiment(run)
    shape = info.schedule.stages[-1].shape
    step_flops = experiment.cost(shape).step.flops
    schedule = Schedule((Stage(shape, config.steps * step_flops * (1 + 1e-9)),))
    optims = [dataclasses.replace(run.optim, lr=lr) for lr in config.lrs or (run.optim.lr,)]
    specs = [
        train.RunSpec(naming.swept_run(shape, optim, seed), schedule, seed, optim)
        for optim in optims
        for seed in config.seeds
    ]
    return experiment, specs


def run(
    config: FinetuneConfig, out: Any, hooks: Sequence[Any] = (), say: Callable[[str], None] = print
) -> RunsResult:
    """Do what is missing in directory `out` (see Study.run).

    - config: of the study.
    - out: its directory.
    - hooks: train.Hook of all training.
    - say: shows a line of text.
    """
    experiment, specs = plan(config)
    return side_by_side.make(config, specs, out, hooks, say, experiment)


def unused(config: FinetuneConfig) -> dict[str, str]:
    """Settings without effect (see Study.unused)."""
    from scalax.unused import of_constant_shape, of_swept

    own = {
        "model": "to fine-tuning: the model is that of start.run",
        "start.keep_head": "to fine-tuning: each run has a new head",
        "budget_flops": "to fine-tuning: its runs have steps",
    }
    return {**of_constant_shape(), **of_swept({"lrs": config.lrs}), **own}


STUDY = Study("finetune", FinetuneConfig, RunsResult, run, side_by_side.report, unused=unused)
