"""Runs that branch off another end as if they had trained from the start."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from scalax import records, train
from scalax.config import OptimConfig
from scalax.schedule import Schedule
from scalax.train import RunSpec, execute
from scalax.train.branch import cooled
from scalax.train.checkpoint import read_as_saved
from scalax.train.rates import cooldown_begins
from tests.toy import CONFIG, toy_experiment, two_stages

SHARES = (0.4, 0.8, 1.0)


@pytest.fixture(scope="module")
def experiment():
    return toy_experiment()


@pytest.fixture(scope="module")
def cooling(experiment):
    """The same, whose runs cool down."""
    optim = dataclasses.replace(CONFIG.optim, schedule="wsd", cooldown_share=0.3)
    return dataclasses.replace(experiment, config=dataclasses.replace(experiment.config, optim=optim))


def ends(optim: OptimConfig, schedule: Schedule) -> dict[float, float]:
    """Of each share: FLOPs at which the trunk keeps its state."""
    return {share: cooldown_begins(optim, share * schedule.budget_flops) for share in SHARES}


def trunk_of(cooling, schedule: Schedule, seed: int = 0) -> RunSpec:
    keep = tuple(ends(cooling.config.optim, schedule).values())
    return RunSpec(f"trunk{seed}", schedule, seed, keep=keep)


def branches_of(cooling, trunk: RunSpec, directory) -> list[RunSpec]:
    made = []
    for share in SHARES:
        budget = share * trunk.schedule.budget_flops
        schedule = cooled(cooling, trunk.schedule, cooling.config.optim, budget)
        name = f"{trunk.name}_{share}"
        made.append(RunSpec(name, schedule, trunk.seed, trunk=str(directory / trunk.name)))
    return made


def last_state(directory: Path):
    state = jax.tree_util.tree_leaves_with_path(read_as_saved(directory / "ckpt"))
    return {jax.tree_util.keystr(at): np.asarray(x).tobytes() for at, x in state}


def plain(run: records.Run, name: str = "") -> list[records.RunRecord]:
    return [record._replace(wall_s=0.0, run=name) for record in run.records]


def steps_kept(directory: Path) -> list[int]:
    return sorted(int(path.name) for path in (directory / "ckpt").iterdir() if path.name.isdigit())


def test_a_branch_ends_as_if_it_had_trained_from_the_start(experiment, cooling, tmp_path):
    """Before, in and after the change of shape of its trunk; a resumed trunk keeps what it should too."""
    schedule = two_stages(experiment, 30.3, 9.9)
    trunk = trunk_of(cooling, schedule)

    class Stop(train.Hook):
        def step(self, run, step):
            if step == 33:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(experiment, [trunk], tmp_path / "trunks", [Stop()])
    execute(experiment, [trunk], tmp_path / "trunks")
    specs = branches_of(cooling, trunk, tmp_path / "trunks")
    assert {len(spec.schedule.stages) for spec in specs} == {1, 2}
    seen = []

    class Steps(train.Hook):
        def step(self, run, step):
            seen.append((run, step))

    branched = execute(cooling, specs, tmp_path / "branched", [Steps()])
    whole = execute(cooling, [spec._replace(trunk=None) for spec in specs], tmp_path / "whole")
    kept = steps_kept(tmp_path / "trunks" / trunk.name)
    for spec in specs:
        begin = branched[spec.name].info.trunk
        assert begin is not None and begin.run == trunk.name and begin.step in kept
        assert min(step for run, step in seen if run == spec.name) == begin.step
        mine, theirs = plain(branched[spec.name]), plain(whole[spec.name])
        assert mine == [record for record in theirs if record.step > begin.step]
        assert mine[-1].flops <= spec.schedule.budget_flops
        assert last_state(tmp_path / "branched" / spec.name) == last_state(tmp_path / "whole" / spec.name)
    assert execute(cooling, specs, tmp_path / "branched") == branched  # and are found finished
    plainly = execute(experiment, [trunk._replace(keep=())], tmp_path / "plain")
    assert plain(plainly[trunk.name]) == plain(execute(experiment, [trunk], tmp_path / "trunks")[trunk.name])
