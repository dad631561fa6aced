"""Every config builds, and takes two steps through two of its shapes at toy size."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from scalax import data, launch, train
from scalax.config_adaptive import AdaptiveConfig
from scalax.config_sweep import SweepConfig
from scalax.errors import UserError
from scalax.schedule import Schedule, Shape, Stage

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_config_takes_two_steps(path, tmp_path):
    config = launch.load(str(path))
    if not isinstance(config, AdaptiveConfig | SweepConfig):
        pytest.skip(f"{path.name} is no training config; it has a test of its own")
    assert f"python -m scalax.launch configs/{path.name}" in path.read_text()
    size = config.data.image_size
    images = np.random.default_rng(0).integers(0, 256, (12, size, size, 3), np.uint8)
    np.savez(tmp_path / "toy.npz", images=images, labels=np.arange(12) % 3)
    names = ("V8-1", "V16-2")[: len(config.model.names)]
    toy = dataclasses.replace(
        config,
        data=dataclasses.replace(
            config.data,
            source="arrays",
            dir=str(tmp_path / "toy.npz"),
            validation_split="",
            validation_share=0.25,
        ),
        model=dataclasses.replace(config.model, names=names),
        eval=dataclasses.replace(config.eval, batch_size=4),
        batch_size=4,
    )
    splits = data.load(toy.data)
    setup = train.Setup(toy, splits)
    large, small = sorted({*toy.patches, 1}, reverse=True)[:2]
    before, after = toy.model.shape(names[0], large), toy.model.shape(names[-1], small)
    first, second = setup.cost(before).step.flops, setup.cost(after).step.flops
    schedule = Schedule((Stage(before, first), Stage(after, first + second)))
    (result,) = train.run(
        setup,
        schedule,
        [train.Member(tmp_path / "run", 0)],
        lambda predict: {"val_error": predict(splits.validation)[0].mean()},
    )
    assert [(r.step, Shape.of(r)) for r in result.records] == [(1, before), (1, after), (2, after)]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_function_of_a_config_builds(path):
    for line in path.read_text().splitlines():
        if line.startswith("def "):
            config = launch.load(f"{path}:{line.split()[1].partition('(')[0]}")
            assert config.study in ("adaptive", "law_halfspace", "sweep")
    with pytest.raises(UserError, match=r"no function 'confg' \(did you mean 'config'\?\)"):
        launch.load(f"{path}:confg")
