"""Command lines: what they say is done or refused in one line, before anything is trained or written."""

import dataclasses
import typing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scalax import cli, launch, overrides
from scalax.config import DataConfig, ModelConfig, OptimConfig, RunConfig
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies import naming
from scalax.studies.adaptive import AdaptiveConfig
from scalax.train import loop
from scalax.train.rates import SpanRates
from scalax.train.timeline import StepCost, plan
from tests.rejects import check_line, rejected, rejects

ROOT = Path(__file__).parents[1]
CONFIGS = {path.stem: str(path) for path in (ROOT / "configs").glob("*.py")}
SWEEP, QUICKSTART = CONFIGS["sweep"], CONFIGS["quickstart"]
BIG = 2**32


def settled(name: str, *words: str) -> typing.Any:
    return overrides.override(overrides.load(CONFIGS[name]), list(words), "the test")


@pytest.fixture(autouse=True)
def _nothing_is_trained(monkeypatch):
    monkeypatch.setattr(loop, "run", lambda *args, **kwargs: pytest.fail("it trains"))


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--lr", "3"], ["--optim.lr"]),
        (["--budget_flop", "3"], ["--budget-flops"]),
        (["--schedle", "x"], ["--schedule"]),
        (["--base-patch", "3"], ["--model.base-patch"]),
        (["--draws", "3"], ["--eval.draws"]),
        (["--zzzz", "3"], ["--zzzz", "--help"]),
    ],
)
def test_a_slip_gets_one_suggestion(capsys, words, names):
    assert launch.main([SWEEP, *words]) == 2
    line = rejected_line(capsys)
    check_line(line, words[0], *names)
    assert line.count("--") <= 4


def rejected_line(capsys) -> str:
    printed = capsys.readouterr()
    assert not printed.out
    return printed.err.removesuffix("\n")


@pytest.mark.parametrize("words", [["1e-3,3e-3"], ["1e-3", "3e-3"], ["1e-3,", "3e-3"], ["1e-3, 3e-3"]])
def test_lists_take_commas_and_spaces(words):
    assert settled("sweep", "--lrs", *words).lrs == (1e-3, 3e-3)
    assert settled("quickstart", "--tune.lrs", *words).tune.lrs == (1e-3, 3e-3)


def test_lists_of_words_take_commas_and_quotes():
    assert settled("sweep", "--model.names=V8-1,M8-1").run.model.names == ("V8-1", "M8-1")
    assert settled("sweep", "--data.classes", '"tench, fish",ant').run.data.classes == ("tench, fish", "ant")
    assert settled("sweep", "--seeds=0,1", "--data.dir", "a,b").run.data.dir == "a,b"


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--metric", "nonsense"], ["nonsense"]),
        (["--seeds", "-1"], ["seeds", -1]),
        (["--seeds", str(BIG)], ["seeds", BIG]),
        (["--seeds", "0", "0"], ["seeds"]),
        (["--eval.points", "1000000000"], ["eval.points"]),
        (["--eval.draws", "1000000", "--eval.shots", "1"], ["eval.draws"]),
        (["--eval.batch-size", "1000000000"], ["eval.batch_size"]),
        (["--eval.batch-size", "16777216", "--data.image-size", "256"], ["eval.batch_size"]),
        (["--model.base-patch", "1000000"], ["model.base_patch"]),
        (["--model.base-patch", "4096"], ["V16-1/2"]),
        (["--model.names", "V29952-20"], ["GiB"]),
        (["--model.names", "V8-1000000"], ["depth"]),
        (["--budget-flops", "1e29"], ["budget_flops"]),
        (["--data.device-gib", "-1"], ["data.device_gib"]),
        (["--data.dir", "/nowhere"], ["--data.dir", "digits"]),
        (["--optim.lr", "1e-4"], ["--optim.lr", "lrs"]),
        (["--optim.cooldown-share", "0.1"], ["--optim.cooldown-share", "constant"]),
        (["--morph.width", "zero"], ["--morph.width"]),
        (["--model.names", "M8-1", "--model.head-dim", "4"], ["--model.head-dim"]),
        (["--model.names", "vit-g/2"], ["vit-g/2"]),
        (["--model.names", "vit-s/2", "--model.base-patch", "4"], ["--model.base-patch"]),
        (["--model.names", "vit-s/2", "--patches", "4"], ["--patches"]),
        (["--model.names", "vit-s/2", "V8-1"], ["model.pool"]),
        (["--plan-only", "--wandb"], ["--wandb", "--plan-only"]),
        (["--out", ""], ["--out"]),
        (["--out", "foo://x"], ["--out", "foo://"]),
        (["--out", "http://x/y"], ["--out", "http://"]),
        (["--out", "gs://bucket/x"], ["--out", "scalax-laws[gcs]"]),
        (["--out", "x" * 300], ["--out"]),
        (["--name", "../x"], ["name", "--out"]),
        (["--name", "/x"], ["name", "--out"]),
        (["--schedule", "/nowhere.json"], ["/nowhere.json"]),
    ],
    ids=lambda value: " ".join(map(str, value))[:60],
)
def test_bad_options_are_one_line(tmp_path, monkeypatch, capsys, words, names):
    monkeypatch.chdir(tmp_path)
    out = [] if {"--out", "--name", "--plan-only"} & set(words) else ["--out", "out"]
    assert launch.main([SWEEP, *words, *out]) == 2
    rejected(capsys, *names)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["--lrs", "1e-3"], ["--patches", "2"], ["--budget-flops", "5"]])
def test_what_a_schedule_replaces_is_refused_beside_it(tmp_path, capsys, words):
    Schedule((Stage(Shape(2, 16, 1), 1e9),)).save(tmp_path / "s.json")
    command = [SWEEP, "--schedule", str(tmp_path / "s.json"), "--out", str(tmp_path / "out")]
    assert launch.main([*command, *words]) == 2
    rejected(capsys, words[0])
    Schedule((Stage(Shape(2, 16, 1), 1e9, lr=1e-3),)).save(tmp_path / "s.json")
    assert launch.main([*command, "--optim.lr", "1e-3"]) == 2
    rejected(capsys, "--optim.lr")


@pytest.mark.parametrize(
    "body", ["return None", "return {}", "return int", "return 5", "1/0", "raise SystemExit"]
)
def test_a_config_that_is_none(tmp_path, capsys, body):
    (tmp_path / "own.py").write_text(f"def config():\n    {body}\n")
    assert launch.main([str(tmp_path / "own.py")]) == 2
    rejected(capsys, tmp_path / "own.py")


@pytest.mark.parametrize("path", ["x" * 300, "x" * 300 + ".py:config", "/", ".", "a\x1b[2Jb", ""])
def test_a_config_that_is_no_file(capsys, path):
    assert launch.main([path]) == 2
    rejected(capsys)


@pytest.mark.parametrize("variable", ["SLURM_STEP_NUM_TASKS", "SCALAX_PROCESSES", "SCALAX_CLAIM_STALE_S"])
def test_malformed_variables(tmp_path, monkeypatch, capsys, variable):
    monkeypatch.undo()  # claims come with training
    monkeypatch.setenv(variable, "two")
    assert launch.main([SWEEP, "--out", str(tmp_path / "out")]) == 2
    rejected(capsys, variable, "'two'")


@pytest.mark.parametrize("path", ["foo://x", "http://x/y", "gs://bucket/x", "x" * 300])
@pytest.mark.parametrize("words", [["status"], ["report"], ["plan"], ["probe", "--set", "a=b"]], ids=" ".join)
def test_commands_say_which_place_they_cannot_read(capsys, words, path):
    assert cli.main([*words, path]) == 2
    rejected(capsys, *([path] if ":" in path else []))


def test_a_wrong_flag_names_the_help_of_its_command(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["forecast", "a.csv", "--bogus", "3"])
    line = "scalax forecast: error: unrecognized arguments: --bogus 3 (see scalax forecast --help)"
    assert capsys.readouterr().err.splitlines() == [line]


def test_train_is_a_command(capsys):
    assert cli.main(["train", SWEEP, "--lr", "3"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("scalax train: error: ")
    with pytest.raises(SystemExit, match="0"):
        cli.main(["train", "--help"])
    assert capsys.readouterr().out.startswith("usage: scalax train CONFIG")


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Six images of two classes."""
    for name in ("ant", "bee"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(tmp_path / "set" / name / f"{i}.png")
    return tmp_path / "set"


@pytest.mark.parametrize("name", ["sweep", "adaptive_patch"])
def test_a_folder_of_images_is_recognised(pictures, name):
    given = ["data.dir"]
    config = launch.with_source(settled(name, "--data.dir", str(pictures)), given, "the test")
    assert (config.run.data.source, config.run.data.validation_split) == ("folder", "")
    kept = launch.with_source(config, given, "the test")
    assert kept.run.data == config.run.data


def test_arrays_and_splits_are_recognised(pictures, tmp_path):
    (tmp_path / "parts").mkdir()
    for split in ("train", "test"):
        (tmp_path / "parts" / split).symlink_to(pictures)
    config = launch.with_source(settled("sweep", "--data.dir", str(tmp_path / "parts")), ["data.dir"], "x")
    assert (config.run.data.source, config.run.data.validation_split) == ("folder", "test")
    file = tmp_path / "a.npz"
    np.savez(file, images=np.zeros((4, 8, 8), np.uint8), labels=np.arange(4) % 2)
    config = launch.with_source(settled("sweep", "--data.dir", str(file)), ["data.dir"], "x")
    assert config.run.data.source == "arrays"


def test_one_array_alone_gets_a_sentence(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.zeros(3))
    words = ["--data.source", "arrays", "--data.dir", str(tmp_path / "a.npy"), "--out", str(tmp_path / "out")]
    assert launch.main([SWEEP, *words]) == 2
    rejected(capsys, tmp_path / "a.npy", ".npz")


@pytest.mark.parametrize("config", [SWEEP, QUICKSTART])
@pytest.mark.parametrize(("name", "remedy"), [("a.npy", ".npz"), ("a.csv", "is a file")])
def test_a_path_that_is_no_directory_gets_what_it_is(tmp_path, capsys, config, name, remedy):
    np.save(tmp_path / "a.npy", np.zeros(3))
    (tmp_path / "a.csv").write_text("a")
    words = ["--data.dir", str(tmp_path / name), "--out", str(tmp_path / "out")]
    assert launch.main([config, *words]) == 2
    rejected(capsys, tmp_path / name, remedy)


def test_arrays_that_are_missing_are_named_once(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", foo=np.zeros(3))
    assert launch.main([SWEEP, "--data.dir", str(tmp_path / "a.npz"), "--out", str(tmp_path / "out")]) == 2
    said, error = capsys.readouterr().err.splitlines()
    assert said.endswith(f"{tmp_path / 'a.npz'} is read as arrays")
    assert error.endswith("want images and labels in it, it lacks images, labels and has 'foo'")


def test_the_share_of_the_search_is_named(tmp_path, capsys):
    words = ["--tune.share", "1e-4", "--tune.lrs", "1e-3", "--out", str(tmp_path / "out")]
    assert launch.main([str(ROOT / "tests" / "digits.py"), *words]) == 2
    rejected(capsys, "tune.share 0.0001", "budget_flops 1e+11", "1e+07")


def test_rates_that_print_alike_have_runs_of_their_own():
    shape, optims = Shape(4, 8, 1), [OptimConfig(lr=lr) for lr in (1e-3, 1.0000001e-3)]
    assert len({naming.swept_run(shape, optim, 0) for optim in optims}) == 2
    assert len({naming.candidate(shape, optim, 8) for optim in optims}) == 2
    assert (
        naming.swept_run(shape, OptimConfig(lr=3e-5, weight_decay=0.1), 0)
        == "V8-1_patch4_lr3e-05_decay0.1_seed0"
    )


def test_published_models_are_those_of_their_names():
    model = ModelConfig(names=("vit-s/16",), base_patch=2)
    assert model.shape("vit-s/16", 16) == Shape(16, 384, 12)
    found = model.resolved(224)
    assert (found.pool, found.head_dim, found.base_patch, found.base_grid) == ("cls", 64, 16, 14)
    assert dataclasses.replace(model, pool="map").resolved(224).pool == "map"
    assert ModelConfig(names=("vit-h",)).resolved(224).head_dim == 80
    assert ModelConfig(names=("vit-h",)).resolved(224).base_patch == ModelConfig().base_patch
    assert ModelConfig(names=("mixer-b/16",)).shape("mixer-b/16") == Shape(1, 768, 12, "M")
    assert ModelConfig(names=("resnet50",)).shape("resnet50") == Shape(1, 64, 50, "R")
    assert ModelConfig().resolved(8).pool == "gap"
    run = RunConfig(data=DataConfig(image_size=32), model=ModelConfig(names=("vit-ti/16",)))
    assert AdaptiveConfig(run=run, patches=(16, 8)).ladders() == {
        "V192-12": (Shape(16, 192, 12), Shape(8, 192, 12))
    }
    with rejects("patches", 16, "vit-ti/16"):
        AdaptiveConfig(run=run, patches=(8, 4))


def test_a_published_model_in_a_study_is_the_published_one():
    from scalax import models
    from scalax.tasks.image_classification import ImageClassification
    from scalax.train.experiment import model_builder

    task = ImageClassification((32, 32, 3), 10, 0.0, 0, False)
    config = ModelConfig(names=("vit-ti/16",)).resolved(32)
    built = model_builder(config, task, "float32")(config.shape("vit-ti/16", 16), training=False)
    # Positions on another grid are antialiased in published weights alone.
    assert built == dataclasses.replace(models.build("vit-ti/16", 10, image_size=32), antialias=False)
    assert dataclasses.replace(built, representation=True) == model_builder(
        dataclasses.replace(config, representation=True), task, "float32"
    )(Shape(16, 192, 12), training=False)


@pytest.mark.parametrize(("second", "warms"), [(Shape(2, 8, 1), True), (Shape(4, 8, 1), False)])
def test_rates_warm_up_again_after_changes_of_shape_alone(second, warms):
    stages = (Stage(Shape(4, 8, 1), 100.0), Stage(second, 200.0, batch_size=4), Stage(second, 300.0))
    config = RunConfig(optim=OptimConfig(lr=1.0, warmup_steps=0, rewarm_steps=20), batch_size=8)
    timeline = plan(Schedule(stages), lambda work: StepCost(10.0, 10.0), 8, config.eval)
    spans = [SpanRates(config, timeline, span, [config.optim], False, 300.0) for span in timeline.spans]
    rates = [float(spans[i].at(step, 1.0).lr) for i, step in ((0, 9), (1, 10), (2, 20))]
    assert rates == pytest.approx([1.0, 0.05, 0.55] if warms else [1.0] * 3)
