"""The study of return curves: its plan, a whole one at toy size, what it does again, and what it rejects."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from scalax import cli, launch, records, studies, train
from scalax.config import DataConfig, EvalConfig, ModelConfig, OptimConfig, RunConfig
from scalax.schedule import Schedule, Stage
from scalax.studies.returns import ReturnsConfig, cells, planning
from scalax.studies.returns.verdicts import claim
from tests.rejects import rejected, rejects

ROOT = Path(__file__).parents[1]
RUN = RunConfig(
    data=DataConfig(image_size=8, crop_padding=0, validation_share=0.3),
    model=ModelConfig(names=("V8-1",), base_patch=4, base_grid=2, precision="float32"),
    optim=OptimConfig(
        name="sgd", lr=0.1, warmup_steps=2, weight_decay=0.0, weight_decay_head=0.0, label_smoothing=0.0
    ),
    eval=EvalConfig(points=8, first_share=0.1, batch_size=100, shots=0),
    batch_size=16,
)
TOY = ReturnsConfig(
    run=RUN,
    name="toy",
    patches=(4,),
    channels=1,
    base_flops=(5e6,),
    task_classes=(3, 6),
    train_images=300,
    validation_per_class=40,
    seeds=(0, 1),
    resamples=100,
)


def with_run(config: ReturnsConfig, **changes) -> ReturnsConfig:
    return dataclasses.replace(config, run=dataclasses.replace(config.run, **changes))


# The plan


def test_plan_has_the_steps_of_the_paper():
    """Of 25 classes: batch 32, 224 px. The ViT counts the scores that fused attention computes anew."""
    config = launch.load(str(ROOT / "configs" / "returns_imagenet.py"))
    task = config.tasks()[4]
    assert [each.classes for each in config.tasks()] == [5, 10, 15, 20, 25, 30]
    assert [each.train_per_class for each in config.tasks()] == [650, 325, 216, 163, 130, 109]
    resnet, vit = (planning.cells(config, task, each) for each in planning.architectures(config))
    assert (resnet[0].steps, resnet[2].steps) == (440, 2641)
    assert abs(resnet[1].steps - 1321) <= 1
    assert (vit[0].steps, vit[2].steps) == (421, 2526)
    assert vit[0].params == 21_675_289  # vit-s/16 with 25 classes
    assert [cell.budget_flops for cell in vit] == [3.75e14, 1.125e15, 2.25e15]
    for cell in (*resnet, *vit):
        np.testing.assert_allclose(cell.steps * cell.step_flops + cell.left_flops, cell.budget_flops)
        assert 0 <= cell.left_flops < cell.step_flops
    plain = dataclasses.replace(config, counted="matmul")
    assert planning.cells(plain, task, planning.architectures(plain)[1])[0].steps == 426


def test_plan_only_reads_no_data_and_leaves_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = [str(ROOT / "configs" / "returns.py") + ":quick", "--plan-only", "--data.source", "folder"]
    assert launch.main([*arguments, "--data.dir", "nowhere", "--channels", "3"]) == 0
    said = capsys.readouterr().out
    assert "4 tasks x 3 budgets x 2 architectures x 5 seeds = 120 cells" in said
    assert not list(tmp_path.iterdir())
    assert launch.main([str(ROOT / "configs" / "quickstart.py"), "--plan-only"]) == 2
    rejected(capsys, "--plan-only", "'adaptive'")


# A whole study


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("returns")
    return out, studies.run(TOY, out)


def test_a_study_has_every_cell_and_says_what_it_found(made):
    out, result = made
    (architecture,) = result.architectures
    assert [(c.task, c.steps) for c in architecture.cells[:3]] == [
        ("3classes", cell.steps) for cell in _planned(TOY, 0)
    ]
    assert len(architecture.cells) == 2 * 3
    assert {each.pair for each in architecture.returns} == {"6:1", "3:1", "2:1"}
    for cell in architecture.cells:
        np.testing.assert_allclose(np.mean(cell.top1_of_seeds), cell.top1.value, rtol=1e-6)
        assert cell.top1.low <= cell.top1.value <= cell.top1.high <= 1
        assert cell.top5.value >= cell.top1.value
    raw = next(each for each in architecture.returns if (each.pair, each.scale) == ("6:1", "top1"))
    first, *_, last = architecture.cells[:3]
    np.testing.assert_allclose(raw.values[0].value, last.top1.value / first.top1.value, rtol=1e-5)
    assert next(e for e in architecture.returns if e.scale == "top5").values[0] is None  # three classes
    said = studies.report(out)
    assert "6:1 ratio of top-1" in said
    assert len(list((out / "figures").glob("*.csv"))) >= 5
    assert (out / "report.html").stat().st_size > 10_000
    assert repr(studies.load(out)[1]) == repr(result)  # nan is not equal to itself


def test_scores_agree_with_the_records(made):
    out, _ = made
    run = next(iter((out / "runs").glob("6classes*_seed1")))
    last = records.read_run(run).records[-1]
    scores = records.read_scores(run, last.step)
    np.testing.assert_allclose(scores["wrong"].mean(), last.metrics["val_error"], rtol=1e-6)
    np.testing.assert_array_equal(scores["wrong"], scores["rank"] > 0)


def test_scores_of_another_seed_are_refused(made, tmp_path):
    out = Path(shutil.copytree(made[0], tmp_path / "study"))
    first, second = sorted((out / "runs").glob("3classes*"))
    path = sorted((first / "scores").iterdir())[-1]
    shutil.copy(second / "scores" / path.name, path)
    with rejects(path, "val_error"):
        studies.run(TOY, out)


def test_one_run_passes_all_budgets_as_runs_of_their_own_would(made, tmp_path):
    """With a constant rate, the scores at the end of a budget are bit for bit those of a run that ends
    there."""
    out, _ = made
    planned = _planned(TOY, 1)
    experiment = train.open_experiment(cells.run_config(TOY, planned))
    shape = planned[0].architecture.shape
    schedule = Schedule((Stage(shape, (planned[1].steps + 0.5) * experiment.cost(shape).step.flops),))
    spec = train.RunSpec("alone", schedule, 1)
    assert train.execute(experiment, [spec], tmp_path)["alone"].records[-1].step == planned[1].steps
    passed = next(iter((out / "runs").glob("6classes*_seed1")))
    for name, values in records.read_scores(tmp_path / "alone", planned[1].steps).items():
        np.testing.assert_array_equal(values, records.read_scores(passed, planned[1].steps)[name])


def test_a_falling_rate_has_a_run_a_budget(tmp_path):
    config = dataclasses.replace(TOY, seeds=(0,))
    config = with_run(config, optim=dataclasses.replace(RUN.optim, schedule="cosine"))
    result = studies.run(config, tmp_path)
    assert len(list((tmp_path / "runs").glob("3classes_*"))) == 3
    steps = sorted(records.read_run(run).info.steps for run in (tmp_path / "runs").glob("3classes_*"))
    assert steps == [cell.steps for cell in result.architectures[0].cells[:3]]


class Steps(train.Hook):
    def __init__(self):
        self.runs: list[str] = []

    def start(self, run, directory, info):
        self.runs.append(run)


def test_again_makes_only_what_is_missing(made, tmp_path):
    out, result = made
    copy, watched = tmp_path / "copy", Steps()
    shutil.copytree(out, copy)
    again = studies.run(TOY, copy, [watched])
    assert not watched.runs
    assert repr(again) == repr(result)
    lost = next(iter((copy / "runs").glob("6classes*_seed0")))
    shutil.rmtree(lost)
    again = studies.run(TOY, copy, [watched])
    assert watched.runs == [lost.name]
    assert repr(again.architectures) == repr(result.architectures)


def test_tasks_of_data_sets():
    """A set may come twice with other numbers of classes, as the paper's do."""
    config = launch.load(str(ROOT / "configs" / "returns_imagenet.py") + ":sets")
    names = [(task.name, task.classes, task.data.draw_classes) for task in config.tasks()]
    assert names[:2] == [("imagenette5", 5, 5), ("imagenette10", 10, 10)]
    assert names[-1] == ("caltech101", 102, 102)
    assert [task.train_per_class for task in config.tasks()] == [650, 325, 650, 325, 52, 32]


@pytest.mark.slow
def test_data_sets_in_sequence(tmp_path, shared_data):
    data = dataclasses.replace(
        RUN.data, source="tfds", dir=str(shared_data / "tfds"), validation_split="test", fit="pad"
    )
    config = dataclasses.replace(
        with_run(TOY, data=data),
        channels=3,
        sets=("neu_steel/1.0.0", "rsscn7/1.0.0"),
        set_classes=(6, 3),
        difficulty="probe",
        train_images=60,
        validation_per_class=20,
        seeds=(0,),
        base_flops=(8e6,),
    )
    result = studies.run(config, tmp_path)
    assert [(task.name, task.classes, task.train) for task in result.tasks] == [
        ("neu_steel", 6, 60),
        ("rsscn7", 3, 60),
    ]
    assert all(task.difficulty == task.probe_error for task in result.tasks)
    assert claim(result.architectures[0].returns[0].slope) == "cannot be told"  # of two tasks
    assert studies.report(tmp_path)
    assert cli.main(["report", str(tmp_path)]) == 0
    wrong = dataclasses.replace(config, set_classes=(7, 3))
    with rejects("data.draw_classes", 7, 6):
        studies.run(wrong, tmp_path / "wrong")


# Bad input


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"ratios": (1.0,)}, ["ratios"]),
        ({"ratios": (1.0, 3.0, 2.0)}, ["ratios"]),
        ({"task_classes": (5,)}, ["task_classes"]),
        ({"task_classes": (5, 5)}, ["task_classes"]),
        ({"sets": ("a", "b"), "set_classes": (2,)}, ["set_classes"]),
        ({"base_flops": (1e9, 1e9)}, ["base_flops", "model.names"]),
        ({"train_images": 4, "task_classes": (5, 6)}, ["train_images", 4]),
        ({"weights": ("a", "b")}, ["weights"]),
        ({"seeds": ()}, ["seeds"]),
        ({"classes": ("1", "2")}, ["classes", 2, 6]),
        ({"patches": (4, 2)}, ["patches", 2]),
    ],
)
def test_settings_that_make_no_study(changes, names):
    with rejects(*names):
        dataclasses.replace(TOY, **changes)


def test_settings_of_the_run_that_do_not_apply():
    with rejects("budget_flops"):
        with_run(TOY, budget_flops=1e9)
    with rejects("data.train_per_class"):
        with_run(TOY, data=dataclasses.replace(RUN.data, train_per_class=5))
    with rejects("data.classes"):
        with_run(TOY, data=dataclasses.replace(RUN.data, classes=("1", "2")))


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"base_flops": (1e3,)}, ["base_flops", "V8-1/4", "'3classes'", "1000"]),
        ({"ratios": (1.0, 1.0001)}, ["base_flops"]),
        ({"train_images": 3000}, ["data.train_per_class", 1000]),
        ({"channels": 3}, ["channels", 3, 1]),
        ({"weights": ("WEIGHTS",)}, ["weights", "params/block00"]),
        ({"classes": ("1", "2", "33", "4", "5", "6", "7", "8", "9", "0")}, ["data.classes", "'33'", "'3'"]),
    ],
)
def test_what_cannot_be_made_is_said_before_training(tmp_path, changes, names):
    np.savez(tmp_path / "other.npz", **{"block00/mlp/in/kernel": np.zeros((4, 4), np.float32)})
    if "weights" in changes:
        changes = {"weights": (str(tmp_path / "other.npz"),)}
    with rejects(*names):
        studies.run(dataclasses.replace(TOY, **changes), tmp_path / "out")
    assert not (tmp_path / "out" / "runs").exists()


def _planned(config: ReturnsConfig, task: int) -> list[planning.PlannedCell]:
    (architecture,) = planning.architectures(config)
    return planning.cells(config, config.tasks()[task], architecture)
