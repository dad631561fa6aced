"""Every config builds, and takes two steps through two of its shapes at toy size."""

import dataclasses
import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from scalax import launch, records, studies, train
from scalax.config import RunConfig
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape, Stage
from tests.rejects import rejects
from tests.toy import train_one

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))
LANGUAGE = Path(__file__).parents[1] / "configs" / "adaptive_language.py"
# Of images with patches and widths, of text with depths, of another study: the others compile much the same.
OFTEN = {"adaptive_joint", "adaptive_language", "returns"}


@pytest.mark.parametrize(
    "path", [pytest.param(p, id=p.stem, marks=[] if p.stem in OFTEN else pytest.mark.slow) for p in CONFIGS]
)
def test_config_takes_two_steps(path, tmp_path):
    config = launch.load(str(path))
    if not hasattr(config, "run") or not hasattr(config, "patches"):
        pytest.skip(f"{path.name} names no patches to train; it has a test of its own")
    assert f"python -m scalax.launch configs/{path.name}" in path.read_text()
    run = config.run
    names = ("D8-1", "D16-2") if run.task == "next_token" else ("V8-1", "V16-2")
    names = names[: len(run.model.names)]
    toy = toy_run(run, names, tmp_path)
    large, *smaller = sorted(config.patches, reverse=True)
    sides = sorted(getattr(config, "resolutions", ()))
    small = smaller[0] if smaller else large if len(names) > 1 or sides else 1
    before = toy.model.shape(names[0], large, *sides[:1])
    after = toy.model.shape(names[-1], small, *sides[1:2])
    done = train_two(toy, before, after, tmp_path)
    assert [(r.step, Shape.of(r)) for r in done] == [(1, before), (1, after), (2, after)]


@pytest.fixture
def toy_text(tmp_path) -> list[str]:
    """Arguments of a launch of the language study at toy size; its study goes to tmp_path/out."""
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat and the dog sat on the log. " * 60)
    sizes = "--data.context 16 --eval.points 12 --batch-size 4 --model.names D8-1 D8-2 --optim.lr 1e-2"
    return [f"{LANGUAGE}:quick", "--out", str(tmp_path / "out"), "--data.dir", str(text), *sizes.split()]


def test_a_language_model_grows_in_depth_and_keeps_its_loss(toy_text, tmp_path):
    shallow, deep = Shape(1, 8, 1, "D"), Shape(1, 8, 2, "D")
    Schedule((Stage(shallow, 6e7), Stage(deep, 8e7))).save(tmp_path / "deeper.json")
    given = ["--schedule", str(tmp_path / "deeper.json"), "--morph.blocks", "identity"]
    assert launch.main([*toy_text, *given, "--budget-flops", "8e7"]) == 0
    [path] = (tmp_path / "out").glob("runs/*/metrics.jsonl")
    run = records.read(path)
    before, after = next((a, b) for a, b in itertools.pairwise(run) if a.depth < b.depth)
    assert before.step == after.step > 20
    assert before.metrics["val_loss"] < np.log(256) - 0.5  # it has learnt something that can be lost
    assert after.metrics["val_loss"] == pytest.approx(before.metrics["val_loss"], abs=1e-4)


@pytest.mark.slow
def test_a_study_of_text_reads_as_one(toy_text, tmp_path, capsys):
    assert launch.main([*toy_text, "--budget-flops", "1.2e8"]) == 0
    page, _, _ = (tmp_path / "out" / "report.html").read_text().partition("Config and versions")
    for said in (capsys.readouterr().out, page):
        assert "validation loss (nats a byte)" in said
        assert "training sequences" in said
        assert not re.search(r"\b(image|patch|pixel)", re.sub(r'src="[^"]*"', "", said))


def toy_run(run: RunConfig, names: tuple[str, ...], where: Path) -> RunConfig:
    """The same with small models and a few examples, which are written to `where`."""
    size, rng = run.data.image_size, np.random.default_rng(0)
    if run.task == "next_token":
        source, file = "text", where / "toy.txt"
        file.write_bytes(rng.integers(97, 123, 20 * run.data.context, np.uint8).tobytes())
    else:
        source, file = "arrays", where / "toy.npz"
        np.savez(file, images=rng.integers(0, 256, (12, size, size, 3), np.uint8), labels=np.arange(12) % 3)
    data = dataclasses.replace(
        run.data, source=source, dir=str(file), validation_split="", validation_share=0.25
    )
    return dataclasses.replace(
        run,
        data=data,
        model=dataclasses.replace(run.model, names=names),
        eval=dataclasses.replace(run.eval, batch_size=4, shots=0),
        batch_size=4,
    )


def train_two(run: RunConfig, before: Shape, after: Shape, where: Path) -> list[RunRecord]:
    """A step of each shape: the records before and after the change, and at the end."""
    experiment = train.open_experiment(run)
    first, second = experiment.cost(before).step.flops, experiment.cost(after).step.flops
    schedule = Schedule((Stage(before, first), Stage(after, first + second)))
    return train_one(experiment, schedule, 0, where / "run").records


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_function_of_a_config_builds(path):
    for line in path.read_text().splitlines():
        if line.startswith("def "):
            name, _, arguments = line.removeprefix("def ").partition("(")
            if arguments.startswith(")"):
                assert studies.of(launch.load(f"{path}:{name}")).name in studies.STUDIES
    with rejects(path, "'confg'", "'config'"):
        launch.load(f"{path}:confg")
