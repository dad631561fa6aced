"""Runs that train as one program: the same as one by one, each with its own records and its own end."""

import dataclasses
import json

import numpy as np
import pytest

from scalax import jobs, train
from scalax.errors import UserError
from scalax.schedule import Schedule, Stage
from scalax.train import RunSpec, execute, preempt
from scalax.train.monitors import monitors
from scalax.train.rates import SpanRates, hyperparams
from tests.rejects import check_line, rejects
from tests.toy import CONFIG, LARGE, SMALL, toy_experiment, train_group, two_stages, with_config

OPTIMS = [
    None,
    dataclasses.replace(CONFIG.optim, lr=2e-2),
    dataclasses.replace(CONFIG.optim, weight_decay=0.5),
]


@pytest.fixture(scope="module")
def experiment():
    return with_config(toy_experiment(), checkpoint_steps=5)


def schedule_of(experiment) -> Schedule:
    return two_stages(experiment, 12.3, 8.9)


def members(directory, count=3):
    return [train.Member(directory / f"run{i}", i % 2, OPTIMS[i]) for i in range(count)]


def plain(results):
    return [[r._replace(wall_s=0.0) for r in result.records] for result in results]


@pytest.fixture(scope="module")
def together(experiment, tmp_path_factory):
    place = tmp_path_factory.mktemp("together")
    return train_group(experiment, schedule_of(experiment), members(place)), place


def test_members_train_as_they_would_alone(experiment, together, tmp_path):
    """Seeds, learning rates and decays, through a change of shape."""
    group, _ = together
    alone = [train_group(experiment, schedule_of(experiment), [member])[0] for member in members(tmp_path)]
    for ours, theirs in zip(group, alone, strict=True):
        assert [(r.run, r.step, r.flops, r.patch) for r in ours.records] == [
            (r.run, r.step, r.flops, r.patch) for r in theirs.records
        ]
        for a, b in zip(ours.records, theirs.records, strict=True):
            assert a.metrics["val_loss"] == pytest.approx(b.metrics["val_loss"], rel=1e-4)
    ends = [result.records[-1].metrics["val_loss"] for result in group]
    assert len(set(ends)) == 3
    assert [result.info.config["optim"]["lr"] for result in group] == [1e-2, 2e-2, 1e-2]


def test_group_goes_on_from_its_checkpoint(experiment, together, tmp_path, monkeypatch):
    """Interrupted between two saves, by an exception that nothing expects."""

    class Interrupt(train.Hook):
        def step(self, run, step):
            if step == 11:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_group(experiment, schedule_of(experiment), members(tmp_path), [Interrupt()])
    again = train_group(experiment, schedule_of(experiment), members(tmp_path))
    assert plain(again) == plain(together[0])
    assert all(result.info.finished for result in again)


def test_group_that_ended_between_two_marks_is_not_trained_again(experiment, together, monkeypatch):
    group, place = together
    path = place / "run1" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "finished": False}))
    monkeypatch.setattr("scalax.train.loop.Checkpoints", None)
    again = train_group(experiment, schedule_of(experiment), members(place))
    assert plain(again) == plain(group)
    assert json.loads(path.read_text())["finished"]


def test_one_member_fails_and_the_others_end(experiment, together, tmp_path):
    wild = dataclasses.replace(CONFIG.optim, lr=1e30)
    runs = [*members(tmp_path, 2), train.Member(tmp_path / "run2", 0, wild)]
    with pytest.raises(UserError) as e:
        train_group(experiment, schedule_of(experiment), runs)
    check_line(str(e.value), "run2", "optim.lr 1e+30")
    done = [json.loads((run.path / "run.json").read_text())["finished"] for run in runs]
    assert done == [True, True, False]
    assert jobs.failure(runs[2].path).message == str(e.value)
    ours = train_group(experiment, schedule_of(experiment), runs[:2])
    for a, b in zip(plain(ours), plain(together[0]), strict=False):
        assert [r.metrics["val_loss"] for r in a] == pytest.approx(
            [r.metrics["val_loss"] for r in b], rel=1e-4
        )


def test_what_one_program_cannot_have_two_of_is_rejected(experiment, tmp_path):
    other = dataclasses.replace(CONFIG.optim, warmup_steps=5)
    runs = [train.Member(tmp_path / "a", 0), train.Member(tmp_path / "b", 0, other)]
    with rejects("optim.warmup_steps (here 5, there 2)"):
        train_group(experiment, schedule_of(experiment), runs)


def test_runs_are_shared_out_in_groups(experiment, tmp_path, monkeypatch):
    """Two schedules, three seeds: by hand-picked population, then read again and nothing trained."""
    together = with_config(experiment, population="always")
    schedules = [Schedule((Stage(shape, 4e6),)) for shape in (LARGE, SMALL)]
    specs = [RunSpec(f"s{i}-{seed}", s, seed) for i, s in enumerate(schedules) for seed in range(3)]
    runs = execute(together, specs, tmp_path)
    assert list(runs) == [spec.name for spec in specs]
    assert len(list(tmp_path.glob(".group-*"))) == 2
    monkeypatch.setattr("scalax.train.loop.Loop", None)
    again = execute(together, specs, tmp_path)
    assert {name: r.records for name, r in again.items()} == {name: r.records for name, r in runs.items()}


def test_skipped_steps_leave_the_state_and_are_counted(experiment, tmp_path, monkeypatch):
    """A rate that is not finite for one step would end the run; left out, it does not."""
    skipping = with_config(experiment, optim=dataclasses.replace(CONFIG.optim, on_nonfinite="skip"))
    poison = PoisonedFeed(skipping, monkeypatch, at={5, 7})
    result = train_group(skipping, schedule_of(experiment), [train.Member(tmp_path, 0)])[0]
    assert poison.steps > 8
    assert result.records[-1].metrics["skipped_steps"] == 2
    assert np.isfinite([r.metrics["val_loss"] for r in result.records]).all()


def test_many_skipped_steps_end_the_run(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr("scalax.train.health.SKIPPED_IN_A_ROW", 3)
    skipping = with_config(experiment, optim=dataclasses.replace(CONFIG.optim, on_nonfinite="skip"))
    PoisonedFeed(skipping, monkeypatch, at={3, 6, 7, 8})
    with rejects(tmp_path.name, "3 steps", "step 8"):
        train_group(skipping, schedule_of(experiment), [train.Member(tmp_path, 0)])


@pytest.mark.parametrize("checkpoint_steps", [3, 1000])
def test_going_back_lowers_the_rate_and_the_run_ends(
    experiment, tmp_path, capsys, monkeypatch, checkpoint_steps
):
    """From step 10 on, rates above a limit are made infinite: the run goes back once, whether the metrics of
    later steps are still on their way or not."""
    calls = iter(range(10_000))

    def wild(lr, optims):
        broken = next(calls) >= 10 and np.max(lr) > 1.5e-2
        return hyperparams(np.inf if broken else lr, optims)

    monkeypatch.setattr("scalax.train.rates.learning_rate", lambda optim, step, *_: optim.lr)
    monkeypatch.setattr("scalax.train.rates.hyperparams", wild)
    optim = dataclasses.replace(CONFIG.optim, on_nonfinite="lower_rate", lr=2e-2)
    lowering = with_config(experiment, optim=optim, checkpoint_steps=checkpoint_steps)
    steps = 32.5 * experiment.cost(LARGE).step.flops  # the metrics of step 10 may come 16 steps later
    (result,) = train_group(lowering, Schedule((Stage(LARGE, steps),)), [train.Member(tmp_path, 0)])
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith(tmp_path.name)]
    check_line(line, 0.5)
    assert result.info.finished
    assert [r.step for r in result.records] == sorted({r.step for r in result.records})


def test_going_back_does_not_depend_on_when_a_run_was_asked_to_end(experiment, tmp_path, monkeypatch):
    """It saves when it is asked; a run that goes back later goes to a checkpoint that it has without."""
    at = SpanRates.at

    def wild(rates, step, factor):
        return at(rates, step, np.inf if step >= 10 and factor == 1 else factor)

    monkeypatch.setattr(SpanRates, "at", wild)
    optim = dataclasses.replace(CONFIG.optim, on_nonfinite="lower_rate")
    lowering = with_config(experiment, optim=optim, checkpoint_steps=3)
    schedule = Schedule((Stage(LARGE, 20.5 * experiment.cost(LARGE).step.flops),))
    whole = train_group(lowering, schedule, [train.Member(tmp_path / "whole" / "run", 0)])
    member = train.Member(tmp_path / "asked" / "run", 0)
    begun = []

    class Counts(train.Hook):
        def step(self, run, step):
            begun.append(step + 1)

    for end in (7, 8):  # between the checkpoints of 6 and 9; two are kept besides
        monkeypatch.setattr(preempt, "asked", lambda end=end: begun[-1:] == [end])
        with pytest.raises(preempt.Preempted):
            train_group(lowering, schedule, [member], [Counts()])
    monkeypatch.setattr(preempt, "asked", lambda: False)
    again = train_group(lowering, schedule, [member])
    assert plain(again) == plain(whole)


def test_hooks_are_called_for_each_member(experiment, tmp_path):
    """By the trackers too, which keep a file for each run."""
    pytest.importorskip("tensorboardX")
    seen = set()

    class Seen(train.Hook):
        def step(self, run, step):
            seen.add(run)

        def progress(self, progress):
            seen.add(progress.run)

    board = monitors(tmp_path, tensorboard=True)
    train_group(experiment, schedule_of(experiment), members(tmp_path / "runs"), [Seen(), *board])
    assert seen == {"run0", "run1", "run2"}
    assert len(list((tmp_path / "tensorboard").iterdir())) == 3


class PoisonedFeed:
    """Lets some steps see parameters that make their loss and gradient not finite."""

    def __init__(self, experiment, monkeypatch, at):
        self.steps = 0
        make = experiment.programs.step

        def step(*arguments):
            program = make(*arguments)

            def poisoned(state, dataset, batch, rates):
                self.steps += 1
                if self.steps in at:
                    sick = state._replace(params={**state.params, "norm": _nan(state.params["norm"])})
                    after, metrics = program(sick, dataset, batch, rates)
                    healed = {**after.params, "norm": state.params["norm"]}
                    return after._replace(params=healed), metrics
                return program(state, dataset, batch, rates)

            return poisoned

        monkeypatch.setattr(experiment.programs, "step", step)


def _nan(tree):
    import jax

    return jax.tree.map(lambda leaf: leaf * np.nan, tree)
