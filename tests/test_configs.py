"""Every config builds, and takes two steps through two of its shapes at toy size."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from scalax import launch, studies, train
from scalax.config import RunConfig
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape, Stage
from tests.rejects import rejects
from tests.toy import train_one

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_config_takes_two_steps(path, tmp_path):
    config = launch.load(str(path))
    if not hasattr(config, "run") or not hasattr(config, "patches"):
        pytest.skip(f"{path.name} names no patches to train; it has a test of its own")
    assert f"python -m scalax.launch configs/{path.name}" in path.read_text()
    run = config.run
    family = "D" if run.task == "next_token" else "V"
    names = tuple(f"{family}{size}" for size in ("8-1", "16-2"))[: len(run.model.names)]
    toy = toy_run(run, names, tmp_path)
    large, *smaller = sorted(config.patches, reverse=True)
    small = smaller[0] if smaller else large if len(names) > 1 else 1
    before, after = toy.model.shape(names[0], large), toy.model.shape(names[-1], small)
    done = train_two(toy, before, after, tmp_path)
    assert [(r.step, Shape.of(r)) for r in done] == [(1, before), (1, after), (2, after)]


def test_a_language_model_grows_in_depth_without_a_jump(tmp_path):
    run = launch.load(str(next(path for path in CONFIGS if path.stem == "adaptive_language"))).run
    run = dataclasses.replace(
        run,
        morph=dataclasses.replace(run.morph, blocks="identity"),
        optim=dataclasses.replace(run.optim, lr=3e-2, warmup_steps=0),
    )
    toy = toy_run(run, ("D8-1", "D8-3"), tmp_path)
    shapes = [toy.model.shape(name) for name in toy.model.names]
    *_, before, after, later = train_two(toy, *shapes, tmp_path, steps=20)
    assert (Shape.of(before), Shape.of(after)) == tuple(shapes)
    assert before.metrics["val_loss"] < np.log(256) - 1  # blocks that do nothing cannot change it
    assert after.metrics["val_loss"] == pytest.approx(before.metrics["val_loss"], abs=1e-4)
    assert later.metrics["val_loss"] != after.metrics["val_loss"]


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


def train_two(run: RunConfig, before: Shape, after: Shape, where: Path, steps: int = 1) -> list[RunRecord]:
    """Some steps of one shape, and one of the other. The last records: before and after the change, at the end."""
    experiment = train.open_experiment(run)
    first, second = experiment.cost(before).step.flops, experiment.cost(after).step.flops
    schedule = Schedule((Stage(before, steps * first), Stage(after, steps * first + second)))
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
