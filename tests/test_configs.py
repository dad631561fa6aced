"""Every config builds, and takes two steps through two of its shapes at toy size."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from scalax import launch, studies, train
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
    size = run.data.image_size
    images = np.random.default_rng(0).integers(0, 256, (12, size, size, 3), np.uint8)
    np.savez(tmp_path / "toy.npz", images=images, labels=np.arange(12) % 3)
    names = ("V8-1", "V16-2")[: len(run.model.names)]
    toy = dataclasses.replace(
        run,
        data=dataclasses.replace(
            run.data,
            source="arrays",
            dir=str(tmp_path / "toy.npz"),
            validation_split="",
            validation_share=0.25,
        ),
        model=dataclasses.replace(run.model, names=names),
        eval=dataclasses.replace(run.eval, batch_size=4, shots=0),
        batch_size=4,
    )
    experiment = train.open_experiment(toy)
    large, *smaller = sorted(config.patches, reverse=True)
    small = smaller[0] if smaller else large if len(names) > 1 else 1
    before, after = toy.model.shape(names[0], large), toy.model.shape(names[-1], small)
    first, second = experiment.cost(before).step.flops, experiment.cost(after).step.flops
    schedule = Schedule((Stage(before, first), Stage(after, first + second)))
    done = train_one(experiment, schedule, 0, tmp_path / "run")
    assert [(r.step, Shape.of(r)) for r in done.records] == [(1, before), (1, after), (2, after)]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_function_of_a_config_builds(path):
    for line in path.read_text().splitlines():
        if line.startswith("def "):
            name, _, arguments = line.removeprefix("def ").partition("(")
            if arguments.startswith(")"):
                assert studies.of(launch.load(f"{path}:{name}")).name in studies.STUDIES
    with rejects(path, "'confg'", "'config'"):
        launch.load(f"{path}:confg")
