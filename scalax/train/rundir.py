"""A run's directory: what run.json says of the run, and whether the directory is this run's."""

import dataclasses
import json
import platform
from collections.abc import Sequence
from importlib import metadata
from typing import NamedTuple

import jax
from etils import epath

from scalax import config as configs
from scalax import records
from scalax.config import OptimConfig, RunConfig
from scalax.errors import UserError
from scalax.schedule import Schedule
from scalax.train import distributed
from scalax.train.setup import Setup
from scalax.train.timeline import Timeline, Work

IDENTITY = ("config", "schedule", "seed", "data", "precision", "costs")  # what makes it the same run
PACKAGES = ("scalax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")
OWN = ("lr", "weight_decay", "weight_decay_head")  # of the optimiser, where members may differ


class Member(NamedTuple):
    """One run of a group that trains together: its directory, seed, and optimiser (None: the setup's).

    The optimisers of a group may differ in lr, weight_decay and weight_decay_head.
    """

    directory: str | epath.Path
    seed: int
    optim: OptimConfig | None = None

    @property
    def path(self):
        return epath.Path(self.directory)


def optimizers(config: RunConfig, members: Sequence[Member]) -> list[OptimConfig]:
    """Each member's; raises UserError where they differ in what one program cannot have two of."""
    own = [member.optim or config.optim for member in members]
    for optim in own:
        same = dataclasses.replace(optim, **{name: getattr(config.optim, name) for name in OWN})
        if different := configs.differences(dataclasses.asdict(same), dataclasses.asdict(config.optim)):
            raise UserError(f"runs that train together differ in optim.{different[0]}; train them apart")
    return own


def describe(
    setup: Setup, schedule: Schedule, member: Member, timeline: Timeline, online: bool = False
) -> dict:
    """What run.json holds before the run begins; online: the schedule is only what it begins with."""
    config = dataclasses.replace(setup.config, optim=member.optim or setup.config.optim)
    settings = configs.run_settings(config)
    if len(schedule.stages) == 1 and not online:
        del settings["morph"]  # nothing changes
    return {
        "config": settings,
        "schedule": schedule.to_json(),
        "seed": member.seed,
        "steps": timeline.steps,
        "data": {
            "train": len(setup.splits.train),
            "validation": len(setup.splits.validation),
            "classes": setup.splits.classes,
        },
        "precision": setup.precision,
        "costs": {_name(work, setup): setup.cost(*work).to_json() for work in timeline.costs},
        **environment(),
        "finished": False,
    }


def _name(work: Work, setup: Setup) -> str:
    plain = work.batch_size == setup.config.batch_size
    return str(work.shape) if plain else f"{work.shape} batch {work.batch_size}"


def open_directory(directory, info: dict) -> bool:
    """Make a run's directory or check that it is this run's; True where the run is finished.

    Raises UserError where it belongs to another config, or cannot be made.
    """
    path = epath.Path(directory) / "run.json"
    if distributed.is_primary() and not path.exists():
        try:
            epath.Path(directory).mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise UserError(f"cannot make {directory} ({e.strerror or e}); choose another --out") from None
        write(directory, info)
    distributed.barrier("run.json")
    try:
        theirs = json.loads(path.read_text())
    except ValueError:
        raise UserError(f"{path} is not JSON; move the directory away or choose another --out") from None
    ours = json.loads(records.dumps(info))
    ours, other = ({key: run.get(key) for key in IDENTITY} for run in (ours, theirs))
    different = configs.differences(ours, other)
    if different:
        raise UserError(
            f"{directory} belongs to another config: {different[0]};"
            " choose another --out, or the same settings"
        )
    return bool(theirs.get("finished"))


def write(directory, info: dict) -> None:
    """Replace run.json. Raises UserError where it cannot be written."""
    path = epath.Path(directory) / "run.json"
    try:
        records.write_atomically(path, records.dumps(info, indent=1) + "\n")
    except OSError as e:
        raise UserError(f"cannot write {path} ({e.strerror or e}); choose another --out") from None


def environment() -> dict:
    """Devices and package versions that a run's numbers depend on."""
    device = jax.devices()[0]
    return {
        "device": {
            "kind": device.device_kind,
            "platform": device.platform,
            "count": jax.device_count(),
            "hosts": jax.process_count(),
        },
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in PACKAGES}},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
