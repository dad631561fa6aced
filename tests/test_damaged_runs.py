"""Runs whose files were damaged: they end as if nothing had been, or say what is lost; no result changes."""

import dataclasses
import json
import shutil
import warnings
from pathlib import Path

import pytest

from scalax import records, train
from scalax.errors import UserError
from scalax.schedule import Schedule, Stage
from scalax.train import RunSpec, execute
from scalax.train.complete import check_metrics
from tests.rejects import check_line, rejects
from tests.toy import CONFIG, LARGE, SMALL, toy_experiment, train_one, two_stages, with_config


def some_slow(cases, quick: set[str]) -> list:
    """The cases, of which all but the quick ones are slow: one of each kind in the default run."""
    slow = pytest.mark.slow
    return [pytest.param(c, id=str(c)[:30], marks=() if str(c) in quick else slow) for c in cases]


@pytest.fixture(scope="module")
def experiment():
    evaluation = dataclasses.replace(CONFIG.eval, points=8, first_share=0.1)
    return toy_experiment().evaluated(evaluation)


@pytest.fixture(scope="module")
def schedule(experiment) -> Schedule:
    return two_stages(experiment, 8.3, 7.9)


def plain(run: records.Run) -> list[records.RunRecord]:
    return [record._replace(wall_s=0.0) for record in run.records]


@pytest.fixture(scope="module")
def whole(experiment, schedule, tmp_path_factory) -> Path:
    """A run of 15 steps, finished."""
    directory = tmp_path_factory.mktemp("whole") / "run"
    train_one(experiment, schedule, 0, directory)
    return directory


@pytest.fixture(scope="module")
def stopped(experiment, schedule, tmp_path_factory) -> Path:
    """The same, stopped after step 13, with checkpoints of 9 and 12."""

    class Stop(train.Hook):
        def step(self, run, step):
            if step == 13:
                raise KeyboardInterrupt

    directory = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.raises(KeyboardInterrupt):
        train_one(experiment, schedule, 0, directory, [Stop()])
    assert steps_of(directory) == [9, 12]
    return directory


def steps_of(run: Path) -> list[int]:
    return sorted(int(path.name) for path in (run / "ckpt").glob("[0-9]*"))


def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def lines_of(run: Path) -> list[str]:
    return (run / "metrics.jsonl").read_text().splitlines(keepends=True)


def write(run: Path, lines: list[str]) -> None:
    (run / "metrics.jsonl").write_text("".join(lines))


def last_of(lines: list[str], step: int) -> int:
    """Number of the last line up to a step."""
    return max(i for i, line in enumerate(lines) if json.loads(line)["step"] <= step)


def torn(lines: list[str], i: int) -> list[str]:
    return [*lines[:i], lines[i][:20] + "\n", *lines[i + 1 :]]


def altered(lines: list[str], i: int, **values) -> list[str]:
    return [*lines[:i], json.dumps({**json.loads(lines[i]), **values}) + "\n", *lines[i + 1 :]]


# What is done to the records of a stopped run, at the last record that only the newest checkpoint has.
MENDED = {
    "cut": lambda lines, i: lines[:i],
    "torn": torn,
    "removed": lambda lines, i: lines[:i] + lines[i + 1 :],
    "twice": lambda lines, i: [*lines[: i + 1], *lines[i:]],
    "text": lambda lines, i: altered(lines, i, step="9"),
    "flops": lambda lines, i: altered(lines, i, flops=json.loads(lines[i])["flops"] * 1.001),
    "last torn": lambda lines, i: [*lines[:-1], lines[-1][:30]],
    "bytes": lambda lines, i: [*lines[:i], "\udcff\n".encode("utf-8", "surrogateescape").decode("latin1")],
}


@pytest.mark.parametrize("how", some_slow(MENDED, {"torn", "flops"}))
def test_what_an_earlier_checkpoint_can_bring_back_is_brought_back(
    experiment, schedule, whole, stopped, tmp_path, how
):
    run = copy(stopped, tmp_path)
    lines = lines_of(run)
    at = last_of(lines, 12)
    assert json.loads(lines[at])["step"] > 9
    write(run, MENDED[how](lines, at))
    with warnings.catch_warnings(action="ignore"):
        again = train_one(experiment, schedule, 0, run)
    assert plain(again) == plain(records.read_run(whole))


@pytest.mark.parametrize(
    "how", some_slow(["deleted", "emptied", "cut", "torn", "removed", "folder"], {"deleted", "folder"})
)
def test_what_no_checkpoint_can_bring_back_is_said(experiment, schedule, whole, stopped, tmp_path, how):
    run = copy(stopped, tmp_path)
    lines, path = lines_of(run), run / "metrics.jsonl"
    before = {step: (run / "ckpt" / str(step)).exists() for step in steps_of(run)}
    if how in ("deleted", "folder"):
        path.unlink()
        if how == "folder":
            path.mkdir()
    else:
        changes = {"emptied": [], "cut": lines[:2], "torn": torn(lines, 1), "removed": lines[1:]}
        write(run, changes[how])
    with (
        warnings.catch_warnings(action="ignore"),
        rejects(path, *([] if how == "folder" else [run / "ckpt"])),
    ):
        train_one(experiment, schedule, 0, run)
    assert {step: (run / "ckpt" / str(step)).exists() for step in before} == before
    if how != "folder":
        shutil.rmtree(run / "ckpt")  # as the message says
        assert plain(train_one(experiment, schedule, 0, run)) == plain(records.read_run(whole))


@pytest.mark.parametrize("how", ["deleted", "emptied", "cut", "torn", "removed", "twice", "last torn"])
def test_records_of_a_finished_run_are_whole_or_refused(experiment, schedule, whole, tmp_path, how):
    run = copy(whole, tmp_path)
    lines, path = lines_of(run), run / "metrics.jsonl"
    changes = {**MENDED, "emptied": lambda lines, i: [], "deleted": lambda lines, i: []}
    write(run, changes[how](lines, 3))
    if how == "deleted":
        path.unlink()
    with rejects(path):
        records.read_run(run)  # as plans and `scalax status` do
    with rejects(path):
        execute(experiment, [RunSpec("run", schedule, 0)], tmp_path)
    with rejects(path):
        execute(experiment, [RunSpec("run", schedule, 0)], tmp_path, lenient=True)


@pytest.mark.parametrize("change", [{"val_error": None}, {"val_loss": None, "other": 1}, {"skipped": 2}])
def test_metrics_of_a_finished_run_are_all_there(experiment, schedule, whole, tmp_path, change):
    run = copy(whole, tmp_path)
    lines, path, last = lines_of(run), run / "metrics.jsonl", records.read_run(whole).records[-1]
    write(run, altered(lines, len(lines) - 1, **change))
    if "skipped" in change:  # of no evaluation
        [found] = execute(experiment, [RunSpec("run", schedule, 0)], tmp_path).values()
        assert found.records[-1].metrics == last.metrics | change
        return
    with rejects(path, last.step, next(iter(change))):
        execute(experiment, [RunSpec("run", schedule, 0)], tmp_path)


def test_a_metric_is_due_at_each_so_many_evaluations_and_the_last(whole):
    found = records.read_run(whole).records

    def with_metric(*numbers):
        more = [{"x": 1.0} if i in numbers else {} for i in range(len(found))]
        return [r._replace(metrics=r.metrics | own) for r, own in zip(found, more, strict=True)]

    last = len(found) - 1
    for period, numbers in ((1, ()), (2, ()), (1, range(last + 1)), (2, (0, 2, last)), (3, (last,))):
        check_metrics("path", with_metric(*numbers), ["val_error"], {"x": period, "y": 1})
    for period, numbers in ((1, (last,)), (2, (0, 2))):
        with rejects("path", "x"):
            check_metrics("path", with_metric(*numbers), ["val_error"], {"x": period})


NO_METADATA = {
    "no file": None,
    "empty": "",
    "null": "null",
    "list": "[]",
    "other": '{"custom_metadata": 5}',
    "torn": "{",
    "bytes": "\x00",
}


@pytest.mark.parametrize(("how"), some_slow(NO_METADATA, {"no file", "list"}))
@pytest.mark.parametrize("count", some_slow([1, 2], {"1"}))
def test_checkpoints_without_metadata_are_passed_over(
    experiment, schedule, whole, stopped, tmp_path, how, count
):
    run = copy(stopped, tmp_path)
    for step in steps_of(run)[-count:]:
        path = run / "ckpt" / str(step) / "_CHECKPOINT_METADATA"
        assert path.exists()
        path.unlink()
        if NO_METADATA[how] is not None:
            path.write_text(NO_METADATA[how])
    with warnings.catch_warnings(action="ignore"):
        assert plain(train_one(experiment, schedule, 0, run)) == plain(records.read_run(whole))


@pytest.mark.parametrize(
    "change",
    some_slow(
        [
            {"feed": None},
            {"feed": {"next_index": -1}},
            {"feed": {"next_index": "1"}},
            {"rate_factor": "half"},
            {"rate_factor": 0},
            {"timing": {}},
            {"wall_s": []},
            {"failed": {"7": "loss"}},
            {"failed": []},
            {"skipped": [1, 2, 3]},
            {"version": 99},
            {"version": "new"},
        ],
        {"{'feed': None}", "{'version': 99}"},
    ),
)
def test_progress_that_no_run_has_is_passed_over(experiment, schedule, whole, stopped, tmp_path, change):
    run = copy(stopped, tmp_path)
    path = run / "ckpt" / "12" / "_CHECKPOINT_METADATA"
    data = json.loads(path.read_text())
    assert data["custom_metadata"]["feed"]
    path.write_text(json.dumps({**data, "custom_metadata": {**data["custom_metadata"], **change}}))
    with pytest.warns(UserWarning, match="12"):
        assert plain(train_one(experiment, schedule, 0, run)) == plain(records.read_run(whole))


def test_only_divergence_is_a_result_of_a_search(experiment, tmp_path):
    """A run that diverged is left out; one whose file or disk is damaged stops the search, whatever else."""
    wild = dataclasses.replace(CONFIG.optim, lr=1e30)
    schedule = Schedule((Stage(LARGE, 6.5 * experiment.cost(LARGE).step.flops),))
    specs = [RunSpec("tame", schedule, 0), RunSpec("wild", schedule, 0, wild), RunSpec("other", schedule, 1)]
    found = execute(experiment, specs, tmp_path, lenient=True)
    assert list(found) == ["tame", "other"]
    for text in ("", "[]", "null", '{"config": {}}', "{" * 5000):
        kept = (tmp_path / "tame" / "run.json").read_text()
        (tmp_path / "tame" / "run.json").write_text(text)
        with rejects(tmp_path / "tame" / "run.json"):
            execute(experiment, specs, tmp_path, lenient=True)
        assert (tmp_path / "tame" / "run.json").read_text() == text
        (tmp_path / "tame" / "run.json").write_text(kept)

    class Full(train.Hook):
        def record(self, record):
            raise UserError("no space left on the disk")

    shutil.rmtree(tmp_path / "other")
    with rejects("other", "no space left on the disk"):
        execute(experiment, specs, tmp_path, [Full()], lenient=True)
    assert list(execute(experiment, specs, tmp_path, lenient=True)) == ["tame", "other"]


@pytest.mark.parametrize("text", some_slow(["", '{"names": [1], "timing": {}}', "[" * 9000], {"[" * 9000}))
def test_marks_of_a_group_that_are_damaged_are_named(experiment, tmp_path, text):
    together = with_config(experiment, population="always")
    schedule = Schedule((Stage(SMALL, 4e6),))
    specs = [RunSpec(f"run{seed}", schedule, seed) for seed in range(2)]
    before = execute(together, specs, tmp_path)
    [marks] = tmp_path.glob(".group-*/finished.json")
    marks.write_text(text)
    info = tmp_path / "run1" / "run.json"
    info.write_text(json.dumps({**json.loads(info.read_text()), "finished": False}))
    with rejects(marks):
        execute(together, specs, tmp_path)
    marks.unlink()  # as the message says
    after = execute(together, specs, tmp_path)
    assert after["run0"].records == before["run0"].records
    for a, b in zip(after["run1"].records, before["run1"].records, strict=True):  # alone, it rounds otherwise
        assert a.metrics["val_loss"] == pytest.approx(b.metrics["val_loss"], rel=1e-4)


def test_a_member_that_ended_with_its_group_wants_all_its_records(experiment, tmp_path):
    """It was killed before its own run.json said so; what is restored, it takes."""
    together = with_config(experiment, population="always")
    specs = [RunSpec(f"run{seed}", Schedule((Stage(SMALL, 4e6),)), seed) for seed in range(2)]
    before = execute(together, specs, tmp_path)
    info, path = (tmp_path / "run1" / name for name in ("run.json", "metrics.jsonl"))
    finished, whole = info.read_text(), path.read_text()
    info.write_text(json.dumps({**json.loads(finished), "finished": False, "records": None}))
    unfinished = info.read_text()
    for damaged in ("", whole[: whole.index("\n") + 1], whole[:-9], None):
        path.unlink() if damaged is None else path.write_text(damaged)
        with rejects(path):
            execute(together, specs, tmp_path)
        assert info.read_text() == unfinished
    path.write_text(whole)
    assert execute(together, specs, tmp_path)["run1"].records == before["run1"].records
    assert json.loads(info.read_text()) == json.loads(finished)


def test_a_trial_of_populations_that_is_damaged_is_named_or_made_again(experiment, tmp_path, monkeypatch):
    from scalax.train import population

    monkeypatch.setattr(population, "trial", lambda *_: {"alone_s": 1.0, "together_s": 0.5})
    monkeypatch.setattr(population, "WORTH_FLOPS", 0)
    schedule = Schedule((Stage(SMALL, 4e6),))
    automatic = with_config(experiment, population="auto")
    assert population.pays(automatic, schedule, 2, tmp_path)
    [path] = tmp_path.glob(".population-*.json")
    kept = path.read_text()
    path.write_text("")  # of a worker that was killed where the file system has no hard links
    assert population.pays(automatic, schedule, 2, tmp_path)
    assert path.read_text() == kept
    for text in (
        "[]",
        "5",
        "{}",
        '{"alone_s": -1, "together_s": 1}',
        '{"alone_s": "1", "together_s": 1}',
        "{",
    ):
        path.write_text(text)
        with rejects(path):
            population.pays(automatic, schedule, 2, tmp_path)


def test_messages_of_what_is_lost_are_one_line(experiment, schedule, stopped, tmp_path):
    run = copy(stopped, tmp_path)
    (run / "metrics.jsonl").write_text('{"run": "a\\u001b[2J\\nb", "step": 1}\n')
    with warnings.catch_warnings(action="ignore"), pytest.raises(UserError) as e:
        train_one(experiment, schedule, 0, run)
    check_line(str(e.value))


@pytest.mark.parametrize("back", [1, 2, 3])
def test_a_plan_made_on_the_way_forgets_what_was_undone(back):
    """lower_rate goes back by some evaluations, and comes to as many again or fewer, with other values."""
    from scalax.studies.adaptive.online import replanner

    class Planner:
        def __init__(self):
            self.seen = []

        def observe(self, record):
            self.seen.append(record)

        def decide(self):
            return SMALL if sum(record.metrics["val_error"] for record in self.seen) > 10 else LARGE

    def record(step: int, error: float) -> records.RunRecord:
        return records.RunRecord("r", step, step, 1.0 * step, 1.0, 0.0, *LARGE[:3], {"val_error": error})

    first = Schedule((Stage(LARGE, 9.0),))
    replan = replanner(Planner, lambda shape: Schedule((Stage(shape, 9.0),)))  # type: ignore[arg-type]
    run = [record(step, 0.1) for step in range(1, 4)]
    for count in range(1, 4):
        assert replan(run[:count], first) == first
    kept = run[: 3 - back]
    for step in range(4 - back, 4):
        kept = [*kept, record(step, 20.0)]
        after = replan(kept, first)
        assert [stage.shape for stage in after.stages] == [LARGE, SMALL]
    assert replan(run, first) == first


def test_records_of_a_run_that_planned_as_it_went_are_whole_or_refused(experiment, tmp_path):
    cost = {shape: experiment.cost(shape).step.flops for shape in (LARGE, SMALL)}
    budget = 8 * cost[LARGE] + 8.5 * cost[SMALL]

    def replan(run: list[records.RunRecord], schedule: Schedule) -> Schedule:
        if len(run) < 4 or len(schedule.stages) > 1:
            return schedule
        return Schedule((Stage(LARGE, run[-1].flops), Stage(SMALL, budget, batch_size=16)))

    spec = RunSpec("run", Schedule((Stage(LARGE, budget),)), 0, replan=replan)
    before = execute(experiment, [spec], tmp_path)["run"]
    assert {record.patch for record in before.records} == {LARGE.patch, SMALL.patch}
    assert execute(experiment, [spec], tmp_path)["run"] == before
    lines = lines_of(tmp_path / "run")
    for i in range(len(lines)):
        write(tmp_path / "run", lines[:i] + lines[i + 1 :])
        with rejects(tmp_path / "run" / "metrics.jsonl"):
            execute(experiment, [spec], tmp_path)
