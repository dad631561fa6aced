"""Files of one run in the directory of another are known as such; a run that was renamed is whole."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from scalax import jobs, launch, records, train
from scalax.errors import UserError
from scalax.jobs.status import survey
from scalax.schedule import Schedule, Stage
from scalax.train import RunSpec, cooldown_begins, execute
from scalax.train.branch import cooled
from scalax.train.checkpoint import read_as_saved
from scalax.train.start import arrays_of_run
from tests.rejects import check_line, rejected, rejects
from tests.toy import CONFIG, LARGE, toy_experiment, train_one, with_config

STEPS = 7


@pytest.fixture(scope="module")
def experiment():
    return toy_experiment()


def steps_of(experiment, count: int) -> Schedule:
    return Schedule((Stage(LARGE, (count + 0.5) * experiment.cost(LARGE).step.flops),))


def specs_of(experiment) -> list[RunSpec]:
    """Two seeds; the first keeps what a branch begins with."""
    schedule = steps_of(experiment, STEPS)
    keep = (cooldown_begins(CONFIG.optim, schedule.budget_flops),)
    return [RunSpec(name, schedule, seed, keep=keep) for seed, name in enumerate("ab")]


@pytest.fixture(scope="module")
def made(experiment, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("made")
    execute(experiment, specs_of(experiment), place)
    return place


@pytest.fixture(scope="module")
def grouped(experiment, tmp_path_factory) -> Path:
    """Groups of two; their members are a and b, c and d."""
    place, together = tmp_path_factory.mktemp("grouped"), with_config(experiment, population="always")
    for names in ("ab", "cd"):
        specs = [RunSpec(name, steps_of(experiment, STEPS), ord(name)) for name in names]
        execute(together, specs, place)
    return place


@pytest.fixture
def place(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "runs"))


def change(path: Path, **values) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def forget(run: Path, checkpoints: Path | None = None) -> None:
    """As if it had been made before names were noted."""
    info = json.loads((run / "run.json").read_text())
    del info["name"]
    (run / "run.json").write_text(json.dumps(info))
    for path in (checkpoints or run / "ckpt").glob("*/_CHECKPOINT_METADATA"):
        data = json.loads(path.read_text())
        del data["custom_metadata"]["runs"], data["custom_metadata"]["step"]
        path.write_text(json.dumps(data))


def exchange(there: Path, here: Path) -> None:
    shutil.rmtree(here)
    shutil.copytree(there, here)


def plain(run: records.Run) -> list[records.RunRecord]:
    return [record._replace(wall_s=0.0) for record in run.records]


def states(place: Path) -> dict[str, str]:
    return {status.run: status.state for status in survey(place)}


def test_records_of_another_run_are_damaged(experiment, place):
    path = place / "a" / "metrics.jsonl"
    shutil.copy(place / "b" / "metrics.jsonl", path)
    with rejects(path, "'a'", "'b'", 1):
        records.read_run(place / "a")  # as `scalax plan` does
    with rejects(path):
        execute(experiment, specs_of(experiment), place)
    assert states(place.parent) == {"a": "damaged", "b": "finished"}
    change(place / "a" / "run.json", finished=False)
    with rejects(path, "'b'"), warnings.catch_warnings(action="ignore"):
        execute(experiment, specs_of(experiment), place)
    assert path.read_text() == (place / "b" / "metrics.jsonl").read_text()


def test_checkpoints_of_another_run_are_passed_over(experiment, made, place):
    newest, before = place / "a" / "ckpt" / str(STEPS), place / "a" / "ckpt" / "6"
    for swapped in ([newest], [newest, before], None):
        change(place / "a" / "run.json", finished=False)
        if swapped is None:
            exchange(place / "b" / "ckpt", place / "a" / "ckpt")
        for path in swapped or []:
            exchange(place / "b" / "ckpt" / path.name, path)
        with pytest.warns(UserWarning, match="'b'"):
            again = execute(experiment, specs_of(experiment), place)["a"]
        assert plain(again) == plain(records.read_run(made / "a"))
        here, there = (read_as_saved(each / "a" / "ckpt") or {} for each in (place, made))
        np.testing.assert_array_equal(here["params"]["head"]["kernel"], there["params"]["head"]["kernel"])
    change(place / "a" / "run.json", finished=False)
    shutil.rmtree(newest)
    before.rename(newest)  # of the run itself, and of another step
    with pytest.warns(UserWarning, match="6 updates"):
        assert plain(execute(experiment, specs_of(experiment), place)["a"]) == plain(again)


def test_a_run_begins_with_the_end_of_the_run_that_is_named(experiment, place):
    whole = arrays_of_run(str(place / "a"), "start.run")
    for name in ("a", "renamed"):
        if name == "renamed":
            (place / "a").rename(place / name)
        found = arrays_of_run(str(place / name), "start.run")
        assert all(np.array_equal(found[key], whole[key]) for key in whole)
    run = place / "renamed"
    shutil.rmtree(run / "ckpt" / str(STEPS))
    with rejects("start.run", run, STEPS, run / "ckpt" / "6"):  # what is kept for branches is not its end
        arrays_of_run(str(run), "start.run")
    exchange(place / "b" / "ckpt", run / "ckpt")
    with rejects("start.run", run, "'a'", "'b'"):
        arrays_of_run(str(run), "start.run")
    change(run / "run.json", name="b")  # and it has not the records of b
    with rejects(run / "metrics.jsonl"):
        arrays_of_run(str(run), "start.run")


def test_runs_that_say_no_name_are_as_ever(experiment, made, place, tmp_path):
    for name in "ab":
        forget(place / name)
    assert records.read_info(place / "a").name is None
    assert plain(execute(experiment, specs_of(experiment), place)["a"]) == plain(records.read_run(made / "a"))
    assert states(place.parent) == {"a": "finished", "b": "finished"}
    assert arrays_of_run(str(place / "a"), "start.run")
    change(place / "a" / "run.json", finished=False)
    shutil.rmtree(place / "a" / "ckpt" / str(STEPS))
    with warnings.catch_warnings(action="error"):
        again = execute(experiment, specs_of(experiment), place)["a"]
    assert plain(again) == plain(records.read_run(made / "a"))
    assert again.info.name is None
    shutil.rmtree(place / "b" / "ckpt" / str(STEPS))
    with rejects(STEPS, 6):  # its records say where it ended
        arrays_of_run(str(place / "b"), "start.run")


def test_a_run_that_was_renamed_goes_on(experiment, made, place):
    """Stopped, or finished: what it holds agrees still, and it keeps the name that it has there."""
    (place / "a").rename(place / "other")
    spec = specs_of(experiment)[0]._replace(name="other")
    whole = plain(records.read_run(made / "a"))
    assert plain(execute(experiment, [spec], place)["other"]) == whole
    assert states(place.parent) == {"other": "finished", "b": "finished"}
    change(place / "other" / "run.json", finished=False)
    shutil.rmtree(place / "other" / "ckpt" / str(STEPS))

    class Names(train.Hook):
        def record(self, record):
            assert record.run == "other"

    with warnings.catch_warnings(action="error"):
        again = execute(experiment, [spec], place, [Names()])["other"]
    assert plain(again) == whole
    assert {record.run for record in again.records} == {again.info.name} == {"a"}


def test_a_branch_takes_over_from_its_own_trunk(experiment, place, tmp_path):
    cooling = experiment.cooling_down()
    (place / "a").rename(place / "trunk")
    trunk = steps_of(experiment, STEPS)
    schedule = cooled(cooling, trunk, CONFIG.optim, trunk.budget_flops)
    spec = RunSpec("branch", schedule, 0, trunk=str(place / "trunk"))
    run = execute(cooling, [spec], tmp_path / "first")["branch"]
    assert run.info.trunk is not None
    kept = place / "trunk" / "ckpt" / str(run.info.trunk.step)
    exchange(place / "b" / "ckpt" / kept.name, kept)
    with rejects("branch", "trunk", kept, "'a'", "'b'"):
        execute(cooling, [spec], tmp_path / "second")
    with rejects(kept, "start.run"):
        shutil.rmtree(kept.parent / str(STEPS))
        arrays_of_run(str(place / "trunk"), "start.run")


def test_groups_have_checkpoints_of_their_own(experiment, grouped, tmp_path):
    place = Path(shutil.copytree(grouped, tmp_path / "runs"))
    groups = {name: place / str(records.read_info(place / name).group) for name in "abcd"}
    assert groups["a"] == groups["b"] != groups["c"] == groups["d"]
    whole = arrays_of_run(str(place / "b"), "start.run")
    (place / "b").rename(place / "renamed")
    found = arrays_of_run(str(place / "renamed"), "start.run")
    assert all(np.array_equal(found[key], whole[key]) for key in whole)
    (place / "renamed").rename(place / "b")
    exchange(groups["c"] / "ckpt", groups["a"] / "ckpt")
    with rejects("start.run", place / "a", "'a'", "'c'"):
        arrays_of_run(str(place / "a"), "start.run")
    (groups["a"] / "finished.json").unlink()
    for name in "ab":
        change(place / name / "run.json", finished=False)
    together = with_config(experiment, population="always")
    with pytest.warns(UserWarning, match="'c'"):
        again = execute(
            together, [RunSpec(name, steps_of(experiment, STEPS), ord(name)) for name in "ab"], place
        )
    for name in "ab":
        assert plain(again[name]) == plain(records.read_run(grouped / name))
    forget(place / "a", groups["a"] / "ckpt")
    assert arrays_of_run(str(place / "a"), "start.run")
    change(place / "b" / "run.json", member=None, group=None)
    shutil.copytree(groups["c"] / "ckpt", place / "b" / "ckpt")
    with rejects("start.run", place / "b", 2):  # the state of a group, where the run trained alone
        arrays_of_run(str(place / "b"), "start.run")


@pytest.mark.parametrize(
    "how", ["gone", "unfinished", *(pytest.param(how, marks=pytest.mark.slow) for how in ("none", "other"))]
)
def test_a_bad_start_leaves_nothing(experiment, place, tmp_path, capsys, how):
    run = place / "a"
    match how:
        case "gone":
            shutil.rmtree(run / "ckpt" / str(STEPS))
        case "none":
            shutil.rmtree(run / "ckpt")
        case "unfinished":
            change(run / "run.json", finished=False)
        case "other":
            exchange(place / "b" / "ckpt", run / "ckpt")
    out = tmp_path / "out"
    code = launch.main(["configs/finetune.py", "--out", str(out), "--start.run", str(run), "--steps", "2"])
    rejected(capsys, "start.run", run)
    assert code == 2
    assert not out.exists()


DAMAGES = {
    "no directory": ("", None),
    "no file": ("state/manifest.ocdbt", None),
    "cut": ("state/manifest.ocdbt", 20),
    "text": ("state/_METADATA", 50),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_what_is_damaged_is_said_in_our_words(place, how):
    path = place / "a" / "ckpt" / str(STEPS)
    name, size = DAMAGES[how]
    damaged = path / name
    if size is not None:
        damaged.write_bytes(damaged.read_bytes()[:size])
    elif damaged.is_dir():
        shutil.rmtree(damaged)
    else:
        damaged.unlink()
    with warnings.catch_warnings(action="error"), pytest.raises(UserError) as error:
        arrays_of_run(str(place / "a"), "start.run")
    line = str(error.value)
    check_line(line, path if name else place / "a")
    assert "Error" not in line
    assert "ctx" not in line
    if size is None and name:
        check_line(line, name)


def test_a_stage_that_diverges_names_its_own_rate(experiment, tmp_path):
    flops = experiment.cost(LARGE).step.flops
    schedule = Schedule((Stage(LARGE, 2.5 * flops), Stage(LARGE, 8.5 * flops, lr=1e30)))
    with rejects("lr 1e+30"), warnings.catch_warnings(action="ignore"):
        train_one(with_config(experiment), schedule, 0, tmp_path / "run")
    failure = jobs.failure(tmp_path / "run")
    assert failure is not None
    assert "optim.lr" not in failure.message
