"""Runs side by side: every shape, learning rate, decay and seed, or a given schedule for every seed."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from etils import epath

from scalax import data, records, train
from scalax.config_sweep import SweepConfig
from scalax.schedule import Schedule, Stage
from scalax.studies.evaluation import make_evaluator
from scalax.studies.runs import Planned, execute
from scalax.train import distributed


def run(
    config: SweepConfig, out, hooks: Sequence[train.Hook] = (), tell: Callable[[str], None] = print
) -> dict:
    """Do what is missing in directory `out`; returns what it wrote to sweep.json."""
    planned = [
        Planned(
            f"{shape}_lr{optim.lr:g}_decay{optim.weight_decay:g}_seed{seed}".replace("/", "_patch"),
            Schedule((Stage(shape, config.budget_flops),)),
            seed,
            optim,
        )
        for shape in config.shapes()
        for optim in config.optims()
        for seed in config.seeds
    ]
    return _make(config, planned, out, hooks, tell)


def run_schedule(
    config: Any,
    schedule: Schedule,
    out,
    hooks: Sequence[train.Hook] = (),
    tell: Callable[[str], None] = print,
) -> dict:
    """The same for one run by `schedule` for each of config.seeds; config: of any study that trains."""
    key = hashlib.sha256(json.dumps(schedule.to_json()).encode()).hexdigest()[:8]
    planned = [Planned(f"scheduled-{key}_seed{seed}", schedule, seed) for seed in config.seeds]
    return _make(config, planned, out, hooks, tell)


def _make(config: Any, planned: Sequence[Planned], out, hooks, tell) -> dict:
    out = epath.Path(out)
    splits = data.load(config.data)
    setup = train.Setup(config, splits)
    results = execute(setup, make_evaluator(config, splits), planned, out / "runs", hooks, tell)
    sweep = {
        "name": config.name,
        "metric": config.metric,
        "config": dataclasses.asdict(config),
        **train.environment(),
        "runs": {
            run.name: {
                "schedule": run.schedule.to_json(),
                "records": [record.to_json() for record in results[run.name].records],
                "timing": results[run.name].info["timing"],
            }
            for run in planned
        },
    }
    if distributed.is_primary():
        records.write_atomically(out / "sweep.json", records.dumps(sweep, indent=1) + "\n")
    return sweep
