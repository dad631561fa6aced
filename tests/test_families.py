"""Mixers and ResNets by width and depth: names, shapes, schedules, and two training steps of each."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scalax import data, models, train
from scalax.config import DataConfig, EvalConfig, ModelConfig, RunConfig
from scalax.config_adaptive import AdaptiveConfig
from scalax.errors import UserError
from scalax.schedule import Schedule, Shape, Stage


def shapes(name, **options):
    module = models.build(name, 10, image_size=32, **options)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    variables = jax.eval_shape(module.init, jax.random.key(0), image)
    return jax.tree.map(lambda x: (x.shape, x.dtype), variables)


@pytest.mark.parametrize("variant", ["s", "b", "l", "h"])
def test_mixers_by_width_are_the_published_ones(variant):
    fields = models.mixer.VARIANTS[variant]
    named, published = (
        models.mixer.parse(n) for n in (f"M{fields[0]}-{fields[1]}/16", f"mixer-{variant}/16")
    )
    assert named == published


def test_resnets_of_width_64_are_the_published_ones():
    for depth in (18, 34, 50, 101, 152):
        assert models.resnet.parse(f"R64-{depth}") == models.resnet.parse(f"resnet{depth}")
    narrow = shapes("R16-50")["params"]
    assert narrow["stem"]["kernel"][0] == (7, 7, 3, 16)
    assert narrow["block15"]["conv3"]["kernel"][0] == (1, 1, 128, 512)
    assert narrow["head"]["kernel"][0] == (512, 10)


def test_mixer_holds_its_embedding_at_base_patch():
    coarse, fine = (shapes(f"M16-2/{patch}", base_patch=4)["params"] for patch in (8, 4))
    assert coarse["embedding"] == fine["embedding"]
    tokens = [p["block00"]["token_mlp"]["in"]["kernel"][0] for p in (coarse, fine)]
    assert tokens == [(16, 8), (64, 8)]


def test_head_dim_sets_the_number_of_heads():
    def heads(name, **options):
        return shapes(name, **options)["params"]["block00"]["attn"]["query"]["kernel"][0]

    assert heads("V128-1/8") == (128, 2, 64)
    assert heads("V128-1/8", head_dim=32) == (128, 4, 32)
    assert heads("V16-1/8", head_dim=32) == (16, 1, 16)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("M15-2/8", {}, "width must be even"),
        ("M16-2/7", {}, "patch 7 does not divide the image of 32 px; try 8"),
        ("M16-2/8", {"base_grid": 4}, "no option 'base_grid'"),
        ("R64-20", {}, "unknown model 'R64-20'"),
        ("V64-1/8", {"head_dim": 0}, "head_dim must be at least 1"),
        ("V100-1/8", {"head_dim": 16}, "its 6 heads do not divide width 100; try 96"),
    ],
)
def test_bad_names_are_one_line(name, options, message):
    with pytest.raises(UserError) as error:
        models.build(name, 10, image_size=32, **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_shapes_come_back_from_json_and_name_their_model(tmp_path):
    shapes = (Shape(8, 64, 4), Shape(8, 64, 4, "M"), Shape(1, 64, 18, "R"))
    assert [str(shape) for shape in shapes] == ["V64-4/8", "M64-4/8", "R64-18"]
    schedule = Schedule(tuple(Stage(shape, 1e9 * (i + 1)) for i, shape in enumerate(shapes)))
    schedule.save(tmp_path / "plan.json")
    assert Schedule.load(tmp_path / "plan.json") == schedule
    first, second, _ = schedule.to_json()["stages"]
    assert "family" not in first  # as it always was
    assert second["family"] == "M"
    for fields, message in (
        ({"family": "X"}, "family 'X' is none of V, M, R"),
        ({"family": "R"}, "has patch 1"),
    ):
        stage = {"patch": 8, "width": 64, "depth": 18, "until_flops": 1e9, **fields}
        with pytest.raises(UserError, match=message):
            Schedule.from_json({"stages": [stage]})


def test_config_names_models_of_each_family():
    config = ModelConfig(names=("V32-2", "M32-2", "R16-18"))
    assert [config.shape(name, 1).family for name in config.names] == ["V", "M", "R"]
    for name, message in (
        ("W32-2", "is not V"),
        ("M33-2", "must be even"),
        ("R64-20", "depth 20 of 'R64-20' is none of"),
        ("V200-1", "does not split into 3 heads"),
        ("V0-1", "is not V"),
    ):
        with pytest.raises(UserError, match=message):
            ModelConfig(names=(name,))
    with pytest.raises(UserError, match="'R64-18' is a ResNet and has no patches"):
        AdaptiveConfig(model=ModelConfig(names=("R64-18",)))


@pytest.mark.parametrize(
    "shape", [Shape(4, 8, 1, "M"), pytest.param(Shape(1, 4, 18, "R"), marks=pytest.mark.slow)], ids=str
)
def test_two_training_steps(shape, tmp_path):
    config = RunConfig(
        data=DataConfig(max_train_images=64, max_validation_images=40),
        model=ModelConfig(base_patch=2),
        eval=EvalConfig(points=2, batch_size=40, shots=0),
        batch_size=8,
        cost_note="small images: much padding",
    )
    splits = data.load(config.data)
    setup = train.Setup(config, splits)
    schedule = Schedule((Stage(shape, 2.5 * setup.cost(shape).step.flops),))
    loss = []

    def evaluate(predict):
        loss.append(predict(splits.validation)[1].mean())
        return {"val_loss": float(loss[-1])}

    ((records, _),) = train.run(setup, schedule, [train.Member(tmp_path / "run", 0)], evaluate)
    assert (records[-1].step, records[-1].width, records[-1].depth) == (2, shape.width, shape.depth)
    assert np.isfinite(loss).all()
    state = setup.new_state(shape, 0)
    assert ("batch_stats" in state.model_state) == (shape.family == "R")
    half = dataclasses.replace(config, model=dataclasses.replace(config.model, precision="bfloat16"))
    assert train.Setup(half, splits).model(shape).dtype == jnp.bfloat16
