"""Runs that branch off another end as if they had trained from the start."""

import dataclasses
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from scalax import records, train
from scalax.errors import UserError
from scalax.report.progress import Display
from scalax.schedule import Schedule, Stage
from scalax.train import RunSpec, cooldown_begins, execute, reporter
from scalax.train.branch import cooled
from scalax.train.checkpoint import read_as_saved
from tests.rejects import check_line
from tests.toy import CONFIG, LARGE, SMALL, toy_experiment, two_stages, with_config

SHARES = (0.4, 1.0)


@pytest.fixture(scope="module")
def experiment():
    return with_config(toy_experiment(), checkpoint_steps=20)


@pytest.fixture(scope="module")
def cooling(experiment):
    """The same, whose runs cool down."""
    optim = dataclasses.replace(CONFIG.optim, cooldown_share=0.3)
    config = dataclasses.replace(experiment.config, optim=optim)
    return dataclasses.replace(experiment, config=config).cooling_down()


def trunk_of(cooling, schedule: Schedule, seed: int = 0) -> RunSpec:
    ends = [share * schedule.budget_flops for share in SHARES]
    keep = tuple(cooldown_begins(cooling.config.optim, end) for end in ends)
    return RunSpec(f"trunk{seed}", schedule, seed, keep=keep)


def branch_of(cooling, trunk: RunSpec, directory: Path, share: float) -> RunSpec:
    budget = share * trunk.schedule.budget_flops
    schedule = cooled(cooling, trunk.schedule, cooling.config.optim, budget)
    return RunSpec(f"{trunk.name}_{share}", schedule, trunk.seed, trunk=str(directory / trunk.name))


def begin_of(cooling, spec: RunSpec) -> int:
    """Updates that a branch takes over."""
    flops = cooldown_begins(cooling.config.optim, spec.schedule.budget_flops)
    return train.check(cooling, spec.schedule).last_before(flops)


def last_state(directory: Path):
    state = jax.tree_util.tree_leaves_with_path(read_as_saved(directory / "ckpt"))
    return {jax.tree_util.keystr(at): np.asarray(x).tobytes() for at, x in state}


def plain(run: records.Run) -> list[records.RunRecord]:
    return [record._replace(wall_s=0.0) for record in run.records]


def steps_kept(directory: Path) -> list[int]:
    return sorted(int(path.name) for path in (directory / "ckpt").iterdir() if path.name.isdigit())


class Stop(train.Hook):
    """Stops before an update, by an exception that nothing expects; notes all updates."""

    def __init__(self, at: int = -1):
        self.at, self.steps = at, []

    def step(self, run, step):
        self.steps.append((run, step))
        if step == self.at:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def trained(experiment, cooling, tmp_path_factory):
    """(trunk, directory): one that was stopped and went on."""
    where = tmp_path_factory.mktemp("trunks")
    trunk = trunk_of(cooling, two_stages(experiment, 30.3, 9.9))
    with pytest.raises(KeyboardInterrupt):
        execute(experiment, [trunk], where, [Stop(33)])
    execute(experiment, [trunk], where)
    return trunk, where


def test_a_branch_ends_as_if_it_had_trained_from_the_start(experiment, cooling, trained, tmp_path):
    """One in the first stage of its trunk, one across the change of shape; and one that is stopped."""
    trunk, where = trained
    specs = [branch_of(cooling, trunk, where, share) for share in SHARES]
    assert [len(spec.schedule.stages) for spec in specs] == [1, 2]
    watch = Stop()
    branched = execute(cooling, specs, tmp_path / "branched", [watch])
    whole = execute(cooling, [spec._replace(trunk=None) for spec in specs], tmp_path / "whole")
    kept = steps_kept(where / trunk.name)
    for spec in specs:
        begin = begin_of(cooling, spec)
        assert branched[spec.name].info.trunk == records.Trunk(trunk.name, begin)
        assert begin == min(step for run, step in watch.steps if run == spec.name)
        assert begin in kept
        mine, theirs = plain(branched[spec.name]), plain(whole[spec.name])
        assert mine == [record for record in theirs if record.step > begin]
        assert whole[spec.name].info.trunk is None
        assert last_state(tmp_path / "branched" / spec.name) == last_state(tmp_path / "whole" / spec.name)
    assert execute(cooling, specs, tmp_path / "branched") == branched
    spec, often = specs[0], with_config(cooling, checkpoint_steps=3)
    begin, end = begin_of(cooling, spec), branched[spec.name].info.steps
    watches = Stop(begin + 1), Stop(end - 1), Stop()  # before it has a checkpoint of its own, and after
    for watch in watches[:2]:
        with pytest.raises(KeyboardInterrupt):
            execute(often, [spec], tmp_path / "stopped", [watch])
    again = execute(often, [spec], tmp_path / "stopped", [watches[2]])
    assert [watch.steps[0][1] for watch in watches[:2]] == [begin, begin]
    assert watches[2].steps[0][1] > begin
    assert plain(again[spec.name]) == plain(branched[spec.name])
    assert last_state(tmp_path / "stopped" / spec.name) == last_state(tmp_path / "whole" / spec.name)


def test_progress_counts_what_a_branch_trains_itself(cooling, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(reporter, "EVERY_S", 0.0)
    trunk, where = trained
    spec, display = branch_of(cooling, trunk, where, SHARES[0]), Display()
    [run] = execute(cooling, [spec], tmp_path, [display]).values()
    began = float(train.check(cooling, spec.schedule).flops(begin_of(cooling, spec)))
    assert sum(display.spent.values()) == run.records[-1].flops - began
    assert display.expected_flops == spec.schedule.budget_flops - began


def test_a_trunk_is_what_it_would_be_without_branches(experiment, trained, tmp_path):
    trunk, where = trained
    [alone] = execute(experiment, [trunk._replace(keep=())], tmp_path).values()
    assert plain(alone) == plain(records.read_run(where / trunk.name))
    assert len(steps_kept(tmp_path / trunk.name)) == 2


def test_without_the_state_of_the_trunk(experiment, cooling, trained, tmp_path):
    """From the start, where it was never kept; an error in a line, where it is gone."""
    trunk, where = trained
    spec = branch_of(cooling, trunk, where, SHARES[0])
    ready = tmp_path / "trunks" / trunk.name
    shutil.copytree(where / trunk.name, ready)
    spec = spec._replace(trunk=str(ready))
    with pytest.raises(KeyboardInterrupt):
        execute(cooling, [spec], tmp_path / "begun", [Stop(begin_of(cooling, spec) + 1)])
    for step in steps_kept(ready)[:-1]:
        shutil.rmtree(ready / "ckpt" / str(step))
    shutil.rmtree(tmp_path / "begun" / spec.name / "ckpt")
    with pytest.raises(UserError) as error:
        execute(cooling, [spec], tmp_path / "begun")
    check_line(str(error.value), spec.name, trunk.name, "cannot be read", "remove")
    lines, watch = [], Stop()
    execute(cooling, [spec], tmp_path / "start", [watch], say=lines.append)
    assert watch.steps[0] == (spec.name, 0)
    other = branch_of(cooling, trunk, where, SHARES[1])._replace(trunk=str(ready))
    execute(cooling, [spec, other], tmp_path / "start", say=lines.append)  # says nothing of what is finished
    assert [int(line.split()[0]) for line in lines] == [1, 1]
    info = records.read_info(ready)
    records.write_info(ready, dataclasses.replace(info, finished=False))
    with pytest.raises(UserError, match="not finished"):
        execute(cooling, [spec], tmp_path / "early")


@pytest.mark.slow
def test_a_population_branches_off_a_population_and_a_single_run(experiment, cooling, tmp_path):
    """Each member from its own trunk."""
    schedule = Schedule((Stage(LARGE, 20 * experiment.cost(LARGE).step.flops),))
    trunks = [trunk_of(cooling, schedule, seed) for seed in (0, 1, 2)]
    together, apart = with_config(experiment, population="always"), with_config(cooling, population="always")
    execute(together, trunks[:2], tmp_path / "trunks")
    execute(experiment, trunks[2:], tmp_path / "trunks")
    assert [records.read_info(tmp_path / "trunks" / f"trunk{i}").member for i in range(3)] == [0, 1, None]
    specs = [branch_of(cooling, trunk, tmp_path / "trunks", 1.0) for trunk in trunks[1:]]
    branched = execute(apart, specs, tmp_path / "together")
    alone = execute(cooling, [spec._replace(trunk=None) for spec in specs], tmp_path / "alone")
    for name, run in branched.items():
        assert run.info.group
        assert run.info.trunk == records.Trunk(name.split("_")[0], begin_of(cooling, specs[0]))
        mine, theirs = run.records[-1], alone[name].records[-1]
        assert mine.metrics["val_loss"] == pytest.approx(theirs.metrics["val_loss"], rel=1e-4)
        assert (mine.step, mine.flops, mine.examples) == (theirs.step, theirs.flops, theirs.examples)


def test_a_cooldown_needs_a_step(experiment, cooling):
    schedule = Schedule((Stage(SMALL, 10 * experiment.cost(SMALL).step.flops),))
    with pytest.raises(UserError, match="no step"):
        cooled(cooling, schedule, cooling.config.optim, 1.5 * experiment.cost(SMALL).step.flops)
