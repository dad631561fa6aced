"""A run's directory: what its run.json should say, and whether the directory is this run's."""

import dataclasses
import functools
import json
import math
import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import jax
from etils import epath

from scalax import records
from scalax.config import OptimConfig, RunConfig
from scalax.distribution import VERSION as RELEASE
from scalax.errors import UserError
from scalax.records import RunInfo, Trunk
from scalax.records.run import VERSION
from scalax.schedule import Schedule
from scalax.settings import differences, run_settings, upgraded
from scalax.train import distributed
from scalax.train.experiment import Experiment
from scalax.train.group import Member
from scalax.train.timeline import Timeline, Work

IDENTITY = ("config", "schedule", "seed", "data", "precision", "costs")  # what makes it the same run
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")
OWN = ("lr", "lr_head", "weight_decay", "weight_decay_head")  # of the optimiser, where members may differ


def optimizers(config: RunConfig, members: Sequence[Member]) -> list[OptimConfig]:
    """Each member's; raises UserError where they differ in what one program cannot have two of."""
    own = [member.optim or config.optim for member in members]
    for optim in own:
        same = dataclasses.replace(optim, **{name: getattr(config.optim, name) for name in OWN})
        if different := differences(dataclasses.asdict(same), dataclasses.asdict(config.optim)):
            raise UserError(f"runs that train together differ in optim.{different[0]}; train them apart")
    return own


def describe(
    experiment: Experiment, schedule: Schedule, member: Member, timeline: Timeline, online: bool = False
) -> RunInfo:
    """What run.json holds before the run begins.

    - experiment: that the run is of.
    - schedule: that it begins with.
    - member: the run.
    - timeline: of the schedule.
    - online: the run plans as it goes, and the schedule is only what it begins with.
    """
    config = dataclasses.replace(experiment.config, optim=member.optim or experiment.config.optim)
    settings = run_settings(config)
    if len(schedule.stages) == 1 and not online:
        del settings["morph"]  # nothing changes
    return RunInfo(
        config=settings,
        schedule=schedule,
        seed=member.seed,
        steps=timeline.steps,
        data={**experiment.examples, **experiment.task.describe(), **_targets(experiment)},
        precision=experiment.precision,
        costs={_name(work, config): experiment.cost(*work).to_json() for work in timeline.costs},
        device=device(),
        versions=versions(),
        trunk=Trunk(member.trunk.name, member.begins) if member.trunk else None,
        name=member.path.name,
        version=VERSION,
    )


def _targets(experiment: Experiment) -> dict[str, int]:
    """How many an example has, where that is not one."""
    each = math.prod(experiment.task.target.shape)
    return {} if each == 1 else {"targets": each}


def _name(work: Work, config: RunConfig) -> str:
    plain = work.batch_size == config.batch_size
    return str(work.shape) if plain else f"{work.shape} batch {work.batch_size}"


def open_directory(directory: Any, info: RunInfo) -> RunInfo:
    """Make a run's directory or check that it is this run's; returns what its run.json holds.

    Raises UserError where it belongs to another config, or cannot be made.
    """
    if distributed.is_primary() and not records.is_run(directory):
        try:
            epath.Path(directory).mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise UserError(f"cannot make {directory} ({e.strerror or e}); choose another") from None
        records.write_info(directory, info)
    distributed.barrier("run.json")
    theirs = records.read_info(directory)
    ours, other = (_identity(run) for run in (info, theirs))
    different = differences(ours, other)
    if different:
        raise UserError(
            f"{directory} belongs to another config: {different[0]};"
            " choose another directory, or the same settings"
        )
    return theirs


def _identity(info: RunInfo) -> dict[str, Any]:
    whole = json.loads(records.dumps(info.to_json()))
    return {name: upgraded(whole[name]) if name == "config" else whole[name] for name in IDENTITY}


def device() -> dict[str, Any]:
    """The devices that a run's numbers depend on."""
    first = jax.devices()[0]
    return {
        "kind": first.device_kind,
        "platform": first.platform,
        "count": jax.device_count(),
        "hosts": jax.process_count(),
    }


@functools.cache
def versions() -> dict[str, str | None]:
    """Of Python, and of the packages that a run's numbers depend on."""
    own = {"python": platform.python_version(), "scalax": RELEASE}
    return {**own, **{p: _version(p) for p in PACKAGES}}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
