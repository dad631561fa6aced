"""Every config builds, and takes two steps through two of its shapes at toy size."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from scalax import data, launch, train
from scalax.config_adaptive import AdaptiveConfig
from scalax.config_sweep import SweepConfig
from scalax.errors import UserError
from scalax.schedule import Schedule, Stage

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
    toy = dataclasses.replace(
        config,
        data=dataclasses.replace(
            config.data,
            source="arrays",
            dir=str(tmp_path / "toy.npz"),
            validation_split="",
            validation_share=0.25,
        ),
        model=dataclasses.replace(config.model, names=("V8-1",)),
        eval=dataclasses.replace(config.eval, batch_size=4),
        batch_size=4,
    )
    splits = data.load(toy.data)
    setup = train.Setup(toy, splits)
    large, small = (toy.model.shape("V8-1", patch) for patch in (sorted({*toy.patches, 1}, reverse=True))[:2])
    first, second = setup.cost(large).step.flops, setup.cost(small).step.flops
    schedule = Schedule((Stage(large, first), Stage(small, first + second)))
    (result,) = train.run(
        setup,
        schedule,
        [train.Member(tmp_path / "run", 0)],
        lambda predict: {"val_error": predict(splits.validation)[0].mean()},
    )
    assert [(r.step, r.patch) for r in result.records] == [
        (1, large.patch),
        (1, small.patch),
        (2, small.patch),
    ]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_function_of_a_config_builds(path):
    for line in path.read_text().splitlines():
        if line.startswith("def "):
            config = launch.load(f"{path}:{line.split()[1].partition('(')[0]}")
            assert config.study in ("adaptive", "law_halfspace", "sweep")
    with pytest.raises(UserError, match=r"no function 'confg' \(did you mean 'config'\?\)"):
        launch.load(f"{path}:confg")
