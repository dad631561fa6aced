"""Mixers and ResNets by width and depth: names, shapes, schedules, and two training steps of each."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scalax import models, morph, train
from scalax.config import DataConfig, EvalConfig, ModelConfig, MorphConfig, RunConfig
from scalax.cost.model import model_cost
from scalax.models import mixer, resnet
from scalax.schedule import Schedule, Shape, Stage
from tests.registries import restored
from tests.rejects import rejects
from tests.toy import train_one, with_config


def shapes(name, **options):
    module = models.build(name, 10, image_size=32, **options)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    variables = jax.eval_shape(module.init, jax.random.key(0), image)
    return jax.tree.map(lambda x: (x.shape, x.dtype), variables)


@pytest.mark.parametrize("variant", ["s", "b", "l", "h"])
def test_mixers_by_width_are_the_published_ones(variant):
    fields = mixer.VARIANTS[variant]
    named, published = (mixer.parse(n) for n in (f"M{fields[0]}-{fields[1]}/16", f"mixer-{variant}/16"))
    assert named == published


def test_resnets_of_width_64_are_the_published_ones():
    for depth in (18, 34, 50, 101, 152):
        assert resnet.parse(f"R64-{depth}") == resnet.parse(f"resnet{depth}")
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


class Line(nn.Module):
    """The family of scalax/models/README.md."""

    outputs: int
    width: int

    @nn.compact
    def __call__(self, images, train=False):
        x = nn.relu(nn.Dense(self.width, name="embedding")(images.reshape(len(images), -1)))
        return nn.Dense(self.outputs, name="head")(x), {"pre_logits": x}


LINE = models.Family(
    name="L",
    title="line",
    module=Line,
    parse=lambda name: {"width": int(name[1:-2])} if name[:1] == "L" and name[-2:] == "-1" else None,
    build=lambda name, fields, outputs, size, options: Line(outputs, fields["width"]),
    names=("L64-1",),
    examples=("L64-1",),
    options=(),
    growth=models.Growth(axes={"width": ("width",)}, zero="channels"),
)


def test_a_family_from_elsewhere_is_built_counted_and_grown():
    with restored():
        models.register(LINE)
        check_line_family()


def check_line_family():
    assert models.find("L8-1") == (LINE, {"width": 8})
    cost = model_cost("L8-1", image=4, classes=5, batch=2)
    assert cost.params_by_group == {"embedding": 49 * 8, "blocks": 0, "head": 45}
    assert cost.forward_macs_by_group == {"embedding": 48 * 8, "blocks": 0, "head": 40}
    before, after = (models.build(name, 5, image_size=4) for name in ("L8-1", "L12-1"))
    images = jax.random.normal(jax.random.key(0), (3, 4, 4, 3))
    params = before.init(jax.random.key(1), images)["params"]
    example, key = jax.ShapeDtypeStruct(images.shape[1:], images.dtype), jax.random.key(2)
    grown, *_ = morph.change(before, after, params, {}, (), key, MorphConfig(width="zero"), example)
    want, got = before.apply({"params": params}, images), after.apply({"params": grown}, images)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="already"):
        models.register(LINE._replace(title="another"))


KNOWN = {"V", "M", "R", "D", "BiT"}  # other tests register more


def test_what_each_family_can_change():
    axes = {family.name: family.axes for family in models.FAMILIES if family.name in KNOWN}
    assert axes == {
        "V": ("patch", "width", "depth", "resolution"),
        "M": ("patch", "width", "depth", "resolution"),
        "R": ("width", "depth", "resolution"),
        "D": ("width", "depth"),
        "BiT": (),
    }
    for family in models.FAMILIES:
        for name in family.examples:
            assert models.find(name)[0] is family
    with pytest.raises(ValueError, match="no family"):
        models.family_of(nn.Dense(3))


@pytest.mark.parametrize(
    ("name", "options", "names"),
    [
        ("M15-2/8", {}, ["width", 15]),
        ("M16-2/7", {}, ["patch 7", "32 px", 8]),
        ("M16-2/8", {"base_grid": 4}, ["'base_grid'"]),
        ("R64-20", {}, ["depth 20", "18, 34, 50, 101, 152"]),
        ("V64-1/8", {"head_dim": 0}, ["head_dim", 0]),
        ("V100-1/8", {"head_dim": 16}, ["6 heads", "width 100", 96]),
    ],
)
def test_bad_names_are_one_line(name, options, names):
    with rejects(f"'{name}'", *names):
        models.build(name, 10, image_size=32, **options)


def test_shapes_come_back_from_json_and_name_their_model(tmp_path):
    shapes = (Shape(8, 64, 4), Shape(8, 64, 4, "M"), Shape(1, 64, 18, "R"))
    assert [str(shape) for shape in shapes] == ["V64-4/8", "M64-4/8", "R64-18"]
    schedule = Schedule(tuple(Stage(shape, 1e9 * (i + 1)) for i, shape in enumerate(shapes)))
    schedule.save(tmp_path / "plan.json")
    assert Schedule.load(tmp_path / "plan.json") == schedule
    first, second, _ = schedule.to_json()["stages"]
    assert "family" not in first  # as it always was
    assert second["family"] == "M"


def test_a_patch_of_1_goes_unsaid_where_it_always_did():
    names = {"V64-4/1": "V", "M64-4/1": "M", "R64-18": "R", "D64-4": "D", "X64-4": "X"}
    assert {str(Shape(1, 64, 18 if f == "R" else 4, f)): f for f in names.values()} == names
    assert str(Shape(2, 64, 4, "X")) == "X64-4/2"


@pytest.fixture(scope="module")
def digits():
    config = RunConfig(
        data=DataConfig(max_train_images=64, max_validation_images=40),
        model=ModelConfig(base_patch=2),
        eval=EvalConfig(points=2, batch_size=40, shots=0),
        batch_size=8,
        cost_note="small images: much padding",
    )
    return train.open_experiment(config)


@pytest.mark.parametrize(
    "name",
    ["V64", "v64-4", "V0-1", "V64-0", "V64-4/8", ""],
    ids=lambda name: name.replace("/", "_") or "empty",
)
def test_names_that_no_family_has_are_rejected_by_the_config(name):
    with rejects("model.names", repr(name)):
        ModelConfig(names=(name,))


def test_shapes_that_a_family_lacks_are_rejected_before_training(digits):
    config = ModelConfig(names=("V32-2", "M32-2", "R16-18", "D16-2"))
    assert [config.shape(name).family for name in config.names] == ["V", "M", "R", "D"]
    for shape in (
        Shape(2, 32, 2, "W"),
        Shape(2, 33, 2, "M"),
        Shape(1, 64, 20, "R"),
        Shape(4, 64, 18, "R"),
        Shape(2, 200, 1),
        Shape(3, 64, 1),
        Shape(1, 16, 1, "D"),  # of tokens
    ):
        with rejects():
            train.check(digits, Schedule((Stage(shape, 1e12),)))


@pytest.mark.parametrize(
    "shape", [Shape(4, 8, 1, "M"), pytest.param(Shape(1, 4, 18, "R"), marks=pytest.mark.slow)], ids=str
)
def test_two_training_steps(digits, shape, tmp_path):
    schedule = Schedule((Stage(shape, 2.5 * digits.cost(shape).step.flops),))
    run = train_one(digits, schedule, 0, tmp_path / "run")
    last = run.records[-1]
    assert (last.step, last.width, last.depth) == (2, shape.width, shape.depth)
    assert np.isfinite([record.metrics["val_loss"] for record in run.records]).all()
    state = digits.programs.abstract_state(shape)
    assert ("batch_stats" in state.model_state) == (shape.family == "R")
    half = with_config(digits, model=dataclasses.replace(digits.config.model, precision="bfloat16"))
    assert half.programs.build(shape).dtype == jnp.bfloat16
