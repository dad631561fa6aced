"""Runs that train as one program: the same as one by one, each with its own records and its own end."""

import dataclasses
import json

import numpy as np
import pytest

from scalax import data, jobs, train
from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.errors import UserError
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies.runs import Planned, execute
from scalax.train import hooks

LARGE, SMALL = Shape(4, 8, 1), Shape(2, 8, 1)
CONFIG = RunConfig(
    data=DataConfig(max_train_images=64, max_validation_images=40),
    model=ModelConfig(base_patch=2, base_grid=2),
    optim=OptimConfig(lr=1e-2, warmup_steps=2),
    eval=EvalConfig(points=3, batch_size=32, shots=0),
    batch_size=8,
    checkpoint_steps=3,
)
OPTIMS = [
    None,
    dataclasses.replace(CONFIG.optim, lr=2e-2),
    dataclasses.replace(CONFIG.optim, weight_decay=0.5),
]


@pytest.fixture(scope="module")
def setup():
    return train.Setup(CONFIG, data.load(CONFIG.data))


def evaluator(setup):
    def evaluate(predict):
        wrong, loss, _ = predict(setup.splits.validation)
        return {"val_error": float(wrong.mean()), "val_loss": float(loss.mean())}

    return evaluate


def two_stages(setup) -> Schedule:
    first, second = setup.cost(LARGE).step.flops, setup.cost(SMALL).step.flops
    return Schedule((Stage(LARGE, 12.3 * first), Stage(SMALL, 12 * first + 8.9 * second)))


def members(directory, count=3):
    return [train.Member(directory / f"run{i}", i % 2, OPTIMS[i]) for i in range(count)]


def plain(results):
    return [[r._replace(wall_s=0.0) for r in result.records] for result in results]


@pytest.fixture(scope="module")
def together(setup, tmp_path_factory):
    place = tmp_path_factory.mktemp("together")
    return train.run(setup, two_stages(setup), members(place), evaluator(setup)), place


def test_members_train_as_they_would_alone(setup, together, tmp_path):
    """Seeds, learning rates and decays, through a change of shape."""
    group, _ = together
    alone = [
        train.run(setup, two_stages(setup), [member], evaluator(setup))[0] for member in members(tmp_path)
    ]
    for ours, theirs in zip(group, alone, strict=True):
        assert [(r.run, r.step, r.flops, r.patch) for r in ours.records] == [
            (r.run, r.step, r.flops, r.patch) for r in theirs.records
        ]
        for a, b in zip(ours.records, theirs.records, strict=True):
            assert a.metrics["val_loss"] == pytest.approx(b.metrics["val_loss"], rel=1e-4)
    ends = [result.records[-1].metrics["val_loss"] for result in group]
    assert len(set(ends)) == 3
    assert [result.info["config"]["optim"]["lr"] for result in group] == [1e-2, 2e-2, 1e-2]


def test_group_goes_on_from_its_checkpoint(setup, together, tmp_path, monkeypatch):
    """Interrupted between two saves, by an exception that nothing expects."""

    class Interrupt(train.Hook):
        def step(self, run, step):
            if step == 11:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.run(setup, two_stages(setup), members(tmp_path), evaluator(setup), [Interrupt()])
    again = train.run(setup, two_stages(setup), members(tmp_path), evaluator(setup))
    assert plain(again) == plain(together[0])
    assert all(result.info["finished"] for result in again)


def test_group_that_ended_between_two_marks_is_not_trained_again(setup, together, monkeypatch):
    group, place = together
    path = place / "run1" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "finished": False}))
    monkeypatch.setattr("scalax.train.loop.Checkpoints", None)
    again = train.run(setup, two_stages(setup), members(place), evaluator(setup))
    assert plain(again) == plain(group)
    assert json.loads(path.read_text())["finished"]


def test_one_member_fails_and_the_others_end(setup, together, tmp_path):
    wild = dataclasses.replace(CONFIG.optim, lr=1e30)
    runs = [*members(tmp_path, 2), train.Member(tmp_path / "run2", 0, wild)]
    with pytest.raises(UserError, match=r"^run2: \w+ is (nan|inf) at step \d+ .* lower optim.lr 1e\+30") as e:
        train.run(setup, two_stages(setup), runs, evaluator(setup))
    assert "\n" not in str(e.value)
    done = [json.loads((run.path / "run.json").read_text())["finished"] for run in runs]
    assert done == [True, True, False]
    assert jobs.failure(runs[2].path)["message"] == str(e.value)
    ours = train.run(setup, two_stages(setup), runs[:2], evaluator(setup))
    for a, b in zip(plain(ours), plain(together[0]), strict=False):
        assert [r.metrics["val_loss"] for r in a] == pytest.approx(
            [r.metrics["val_loss"] for r in b], rel=1e-4
        )


def test_what_one_program_cannot_have_two_of_is_refused(setup, tmp_path):
    other = dataclasses.replace(CONFIG.optim, warmup_steps=5)
    runs = [train.Member(tmp_path / "a", 0), train.Member(tmp_path / "b", 0, other)]
    with pytest.raises(
        UserError, match=r"differ in optim.warmup_steps \(here 5, there 2\); train them apart"
    ):
        train.run(setup, two_stages(setup), runs, evaluator(setup))


def test_study_runs_are_shared_out_in_groups(setup, tmp_path):
    """Two schedules, three seeds: by hand-picked population, then read again and nothing trained."""
    config = dataclasses.replace(CONFIG, population="always")
    setup = train.Setup(config, setup.splits)
    schedules = [Schedule((Stage(shape, 4e6),)) for shape in (LARGE, SMALL)]
    runs = [Planned(f"s{i}-{seed}", s, seed) for i, s in enumerate(schedules) for seed in range(3)]
    results = execute(setup, evaluator(setup), runs, tmp_path)
    assert list(results) == [run.name for run in runs]
    assert len(list(tmp_path.glob(".group-*"))) == 2
    again = execute(setup, None, runs, tmp_path)
    assert {name: r.records for name, r in again.items()} == {name: r.records for name, r in results.items()}


def test_skipped_steps_leave_the_state_and_are_counted(setup, tmp_path, monkeypatch):
    """A rate that is not finite for one step would end the run; left out, it does not."""
    config = dataclasses.replace(CONFIG, optim=dataclasses.replace(CONFIG.optim, on_nonfinite="skip"))
    skipping = train.Setup(config, setup.splits)
    poison = PoisonedFeed(skipping, monkeypatch, at={5, 7})
    result = train.run(skipping, two_stages(setup), [train.Member(tmp_path, 0)], evaluator(setup))[0]
    assert poison.steps > 8
    assert result.records[-1].metrics["skipped_steps"] == 2
    assert np.isfinite([r.metrics["val_loss"] for r in result.records]).all()


def test_many_skipped_steps_end_the_run(setup, tmp_path, monkeypatch):
    monkeypatch.setattr("scalax.train.health.SKIPPED_IN_A_ROW", 3)
    config = dataclasses.replace(CONFIG, optim=dataclasses.replace(CONFIG.optim, on_nonfinite="skip"))
    skipping = train.Setup(config, setup.splits)
    PoisonedFeed(skipping, monkeypatch, at={3, 6, 7, 8})
    with pytest.raises(UserError, match="3 steps in a row had no finite loss and gradient at step 8"):
        train.run(skipping, two_stages(setup), [train.Member(tmp_path, 0)], evaluator(setup))


@pytest.mark.parametrize("checkpoint_steps", [3, 1000])
def test_going_back_lowers_the_rate_and_the_run_ends(setup, tmp_path, capsys, monkeypatch, checkpoint_steps):
    """From step 10 on, rates above a limit are made infinite: the run goes back once, whether the metrics of
    later steps are still on their way or not."""
    original = train.Setup.knobs
    calls = iter(range(10_000))

    def knobs(self, rates, *decays):
        wild = next(calls) >= 10 and np.max(rates) > 1.5e-2
        return original(self, np.where(wild, np.inf, rates), *decays)

    monkeypatch.setattr("scalax.train.loop.learning_rate", lambda optim, step, *_: optim.lr)
    monkeypatch.setattr(train.Setup, "knobs", knobs)
    optim = dataclasses.replace(CONFIG.optim, on_nonfinite="lower_rate", lr=2e-2)
    config = dataclasses.replace(CONFIG, optim=optim, checkpoint_steps=checkpoint_steps)
    lowering = train.Setup(config, setup.splits)
    steps = 60 * setup.cost(LARGE).step.flops
    result = train.run(
        lowering, Schedule((Stage(LARGE, steps),)), [train.Member(tmp_path, 0)], evaluator(setup)
    )[0]
    said = capsys.readouterr().err
    assert "going back, at 0.5 times the rate" in said
    assert said.count("going back") == 1
    assert result.info["finished"]
    assert [r.step for r in result.records] == sorted({r.step for r in result.records})


def test_hooks_are_called_for_each_member(setup, tmp_path):
    """By the trackers too, which keep a file for each run."""
    pytest.importorskip("tensorboardX")
    seen = set()

    class Seen(train.Hook):
        def step(self, run, step):
            seen.add(run)

        def progress(self, progress):
            seen.add(progress.run)

    board = hooks.from_options(tmp_path, tensorboard=True)
    train.run(setup, two_stages(setup), members(tmp_path / "runs", 2), evaluator(setup), [Seen(), *board])
    assert seen == {"run0", "run1"}
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2


class PoisonedFeed:
    """Lets some steps see a rate that makes their loss and gradient not finite, by poisoning the decay."""

    def __init__(self, setup, monkeypatch, at):
        self.steps = 0
        make = setup.step

        def step(*arguments):
            program = make(*arguments)

            def poisoned(state, dataset, batch, knobs):
                self.steps += 1
                if self.steps in at:
                    sick = state._replace(params={**state.params, "norm": _nan(state.params["norm"])})
                    after, metrics = program(sick, dataset, batch, knobs)
                    healed = {**after.params, "norm": state.params["norm"]}
                    return after._replace(params=healed), metrics
                return program(state, dataset, batch, knobs)

            return poisoned

        monkeypatch.setattr(setup, "step", step)


def _nan(tree):
    import jax

    return jax.tree.map(lambda leaf: leaf * np.nan, tree)
